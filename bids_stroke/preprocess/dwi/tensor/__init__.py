"""The diffusion tensor and its maps."""
