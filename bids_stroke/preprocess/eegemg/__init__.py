"""EEG and EMG -> cleaned recordings, windows, features."""
