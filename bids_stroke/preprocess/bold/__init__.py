"""Resting-state BOLD -> cleaned series and maps in standard space."""
