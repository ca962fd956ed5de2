"""Members' probabilities and scores -> one distribution of the outcome."""
