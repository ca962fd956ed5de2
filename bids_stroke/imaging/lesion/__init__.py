"""Lesion masks: what their values and headers mean, and where they lie."""
