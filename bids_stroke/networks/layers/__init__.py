"""Layers and weights that several networks use."""
