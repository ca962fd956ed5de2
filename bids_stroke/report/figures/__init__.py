"""The figures of one unit."""
