"""Files of the other steps -> established biomarkers, as numbers."""
