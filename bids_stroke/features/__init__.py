"""Feature files -> the arrays that networks read."""
