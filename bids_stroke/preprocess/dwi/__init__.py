"""Diffusion series -> corrected series and tensor maps."""
