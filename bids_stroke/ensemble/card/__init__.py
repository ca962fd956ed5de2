"""What a bundle says of itself beside the model card: words, and the items of a report."""
