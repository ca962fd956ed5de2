"""Quantiles of the training people that a bundle keeps: apart, as their readers need different libraries."""

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Of each number: never the lowest and the highest, which are single people's."""
DISTANCE_LEVELS = (0.5, 0.75, 0.9, 0.95, 0.99)
"""Of their distance; beyond the last one is warned."""
