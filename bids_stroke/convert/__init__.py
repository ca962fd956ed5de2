"""Other people's files -> ours: published weights into bundles, recordings in text files into BIDS."""
