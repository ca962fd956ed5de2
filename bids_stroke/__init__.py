"""Feature maps and prediction of motor outcome after stroke from a BIDS dataset. Research use only."""

__version__ = "0.1.0"
