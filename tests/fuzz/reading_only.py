"""Steps that take long end where their input has been read and checked, so that thousands of cases can be run.

What is cut off (brain extraction, motion, registration) sees arrays and numbers that were checked before. The rest of
the run is the real one: discovery, plan, `run_unit`, manifests, statuses, pages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import nibabel as nib
import numpy as np

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.preprocess.anat import step as anat
from bids_stroke.preprocess.bold import precomputed, run
from bids_stroke.preprocess.dwi import step as dwi
from bids_stroke.report.figures import unit as figures
from tests.fuzz.run import READ_ONLY

_DRAWN = 4
"""Of so many cases, one draws its figures: they are most of the time of a case."""
_draw = figures.draw_unit_figures


def _read(*_arguments: Any, **_named: Any) -> NoReturn:
    raise MissingModalityError(f"The input was read; {READ_ONLY}.", reason="read-only")


def _still(series: np.ndarray, *_arguments: Any) -> np.ndarray:
    return np.tile(np.eye(4), (series.shape[3], 1, 1))


def _bright(image: nib.Nifti1Image) -> np.ndarray:
    data = np.asarray(image.dataobj)
    return np.asarray(data > data.mean())


def _no_figures(*_arguments: Any) -> tuple[Path, ...]:
    return ()


def draw_for(number: int) -> None:
    """Draw the figures of a case, or leave them out."""
    vars(figures)["draw_unit_figures"] = _no_figures if number % _DRAWN else _draw


def end_after_reading() -> None:
    """For the rest of this process."""
    vars(anat)["extract_brain"] = _bright
    vars(anat)["correct_bias"] = _read
    vars(anat)["clip"] = _read
    vars(dwi)["correct"] = _read
    vars(dwi)["find_place"] = _read
    vars(run)["estimate_motion"] = _still
    vars(run)["realign_series"] = _read
    vars(precomputed)["summarise"] = _read
