"""Established biomarkers of a person, as numbers: ``core/biomarkers.py`` says what each is."""
