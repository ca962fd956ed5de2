"""Lesion masks of all kinds -> one mask in standard space."""
