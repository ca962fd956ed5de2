"""Motion, eddy currents and lost slices of a diffusion series."""
