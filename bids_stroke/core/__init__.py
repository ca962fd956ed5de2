"""What every part may import: errors, records, settings."""
