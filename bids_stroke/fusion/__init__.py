"""Members' probabilities -> one calibrated prediction: weights, score, calibration."""
