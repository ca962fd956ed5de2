"""The people of a synthetic cohort: covariates, causes, outcome. No images: thousands can be drawn in a second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bids_stroke.simulate.lesion import Lesion, draw_lesion, tract_load
from bids_stroke.simulate.options import CohortOptions, Weights

_MEAN_AGE, _SD_AGE = 64.0, 11.0
_MEAN_LOAD, _SD_LOAD = 0.5, 0.36
_COUPLING_MEAN, _COUPLING_SD = 0.5, 0.29
_NOISE = 0.6
"""SD of what the causes do not explain, in the units of the weights."""
_FMA_MIDDLE, _FMA_SPREAD, FMA_MAX = 17.5, 8.5, 34


@dataclass(frozen=True)
class Person:
    """One synthetic patient.

    Attributes
    ----------
    subject : str
        Label without ``sub-``.
    age : float
        Years.
    sex : str
        "F" or "M".
    stroke_type : str
        "ischemic" or "hemorrhagic".
    days_since_stroke : int
        At the first session.
    coupling : float
        Cortico-muscular coupling of the affected leg, 0-1.
    lesion : Lesion
        Its shape in MNI space.
    load, arc : float
        As ``tract_load`` gives them.
    fma_le, fma_le_baseline : int
        Lower-limb Fugl-Meyer at three months and at the first session, 0-34.
    """

    subject: str
    age: float
    sex: str
    stroke_type: str
    days_since_stroke: int
    coupling: float
    lesion: Lesion
    load: float
    arc: float
    fma_le: int
    fma_le_baseline: int


def outcome(causes: tuple[float, float, float], weights: Weights, noise: float) -> int:
    """Three-month FMA-LE.

    Parameters
    ----------
    causes : tuple of float
        Tract load (0-1), age (years), coupling (0-1).
    weights : Weights
        Per standard deviation. With all at 0 the score is noise alone.
    noise : float
        A standard normal draw.
    """
    load, age, coupling = causes
    signal = (
        -weights.lesion_load * (load - _MEAN_LOAD) / _SD_LOAD
        - weights.age * (age - _MEAN_AGE) / _SD_AGE
        + weights.coupling * (coupling - _COUPLING_MEAN) / _COUPLING_SD
    )
    # The spread stays the same whatever the weights, so that both classes stay populated.
    scale = np.sqrt(weights.lesion_load**2 + weights.age**2 + weights.coupling**2 + _NOISE**2)
    score = _FMA_MIDDLE + _FMA_SPREAD * (signal + _NOISE * noise) / scale
    return int(np.clip(np.round(score), 0, FMA_MAX))


def draw_person(subject: str, rng: np.random.Generator, weights: Weights) -> Person:
    """Draw one person; the causes do not depend on the weights."""
    age = float(np.round(np.clip(_MEAN_AGE + _SD_AGE * rng.standard_normal(), 30, 89)))
    sex = str(rng.choice(["F", "M"]))
    stroke_type = str(rng.choice(["ischemic", "hemorrhagic"], p=[0.85, 0.15]))
    days = int(rng.integers(5, 31))
    coupling = float(rng.uniform(0, 1))
    noise, relapse = rng.standard_normal(2)
    lesion = draw_lesion(rng)
    load, arc = tract_load(lesion)
    fma_le = outcome((load, age, coupling), weights, float(noise))
    baseline = int(np.clip(np.round(0.75 * fma_le - 1 + 4.5 * relapse), 0, FMA_MAX))
    return Person(subject, age, sex, stroke_type, days, coupling, lesion, load, arc, fma_le, baseline)


def draw_people(options: CohortOptions) -> tuple[Person, ...]:
    """Draw the cohort's people, each from a stream of random numbers of their own.

    A person does not change when the cohort grows, nor when resolution or missing rates do.
    """
    return tuple(
        draw_person(label, np.random.default_rng([options.seed, i, 0]), options.weights)
        for i, label in enumerate(labels(options.n_subjects))
    )


def labels(n_subjects: int) -> list[str]:
    """Subject labels ``01``, ``02`` ... of equal width."""
    width = max(2, len(str(n_subjects)))
    return [f"{i + 1:0{width}d}" for i in range(n_subjects)]
