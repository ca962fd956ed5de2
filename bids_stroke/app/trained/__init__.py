"""What follows a training: its facts, its page, its permutation test, and a recalibration on new people."""
