"""Networks of the ensemble: one file a network, one line each in `registry.py`."""
