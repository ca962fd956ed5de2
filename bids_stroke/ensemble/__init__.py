"""A trained ensemble: the bundle on disk, and what it says of a unit."""
