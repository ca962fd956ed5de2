"""Feature maps that others made -> the standard grid and the contract's units."""
