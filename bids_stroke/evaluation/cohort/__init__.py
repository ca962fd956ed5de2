"""Who the evaluated people are, how they got there, and how the prediction does in groups of them."""
