"""Which of the files that are there are used, and why others are not."""
