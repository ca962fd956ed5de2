"""Pure functions of EEG and EMG that more than one folder needs: segments, spectra, muscles, sides of names."""
