"""Tables of predictions and outcomes -> metrics with intervals, comparisons."""
