"""How good the predictions are, in plots and tables of the group page."""
