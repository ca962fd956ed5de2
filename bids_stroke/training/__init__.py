"""Training: nested folds, fitting, fusion, calibration, baselines; from labelled units to a bundle."""

from bids_stroke.training.checkpoint import Store
from bids_stroke.training.ensemble import TrainedEnsemble, train_ensemble, write_trained

__all__ = ["Store", "TrainedEnsemble", "train_ensemble", "write_trained"]
