"""The synthetic cohort: stroke patients with known anatomy, lesions, signals and causes of outcome."""

from bids_stroke.simulate.cohort import simulate_cohort, simulate_example
from bids_stroke.simulate.options import MODALITIES, RESOLUTIONS, CohortOptions, Resolution, Weights

__all__ = [
    "MODALITIES",
    "RESOLUTIONS",
    "CohortOptions",
    "Resolution",
    "Weights",
    "simulate_cohort",
    "simulate_example",
]
