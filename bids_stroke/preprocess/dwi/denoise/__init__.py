"""Noise and Gibbs ringing of a diffusion series."""
