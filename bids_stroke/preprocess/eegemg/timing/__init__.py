"""When the samples of a recording were taken."""
