"""A training whose fits are computed by several tasks: seeds, shares, and one part of it."""
