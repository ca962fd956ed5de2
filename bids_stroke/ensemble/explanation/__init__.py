"""Where the networks of an ensemble looked, and whether that can be believed."""
