"""One unit (a session of a person), from files to prediction."""
