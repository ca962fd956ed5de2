"""Labelled units -> a bundle: folds, fitting, fusion, baselines."""
