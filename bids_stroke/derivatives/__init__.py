"""Everything that is written to OUTPUT_DIR, and read back from it."""
