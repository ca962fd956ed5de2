"""A seeded fuzzer: broken inputs of every kind through the real command line.

``python -m tests.fuzz --cases 2000 --seed 0`` prints a table of what failed; CI runs a part (test_fuzz.py).
"""
