"""BIDS_DIR and --derivatives on disk -> the sessions to work on."""
