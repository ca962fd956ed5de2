"""Slurm: its programs, its words, and the jobs that were handed to it."""
