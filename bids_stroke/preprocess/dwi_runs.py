"""The diffusion runs of a session: read, checked and joined into one series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_stroke.errors import DataError, MissingModalityError
from bids_stroke.preprocess.gradients import (
    Gradients,
    determines_tensor,
    find_companion,
    n_directions,
    on_axes,
    read_gradients,
    shells,
)
from bids_stroke.preprocess.images import array, like, load_image, orientation_known, same_grid
from bids_stroke.records import BidsFile

_LOW_B = 350.0
"""Without b=0, a shell up to this (s/mm^2) can stand in: brain is bright in it, free water nearly gone."""


@dataclass(frozen=True, eq=False)
class Series:
    """Diffusion volumes on one grid.

    Attributes
    ----------
    image : nib.Nifti1Image
        4D float32.
    gradients : Gradients
        Of each volume.
    b0 : (n,) bool
        Volumes that count as unweighted.
    sources : tuple of BidsFile
        Runs that are in it.
    warnings : tuple of str
        What was left out or assumed.
    """

    image: nib.Nifti1Image
    gradients: Gradients
    b0: npt.NDArray[np.bool_]
    sources: tuple[BidsFile, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Run:
    file: BidsFile
    image: nib.Nifti1Image
    gradients: Gradients

    @property
    def name(self) -> str:
        return self.file.path.name


def read_series(files: Sequence[BidsFile], b0_threshold: float) -> Series:
    """Read all runs of a session and join those that belong together.

    Parameters
    ----------
    files : sequence of BidsFile
        At least one.
    b0_threshold : float
        b-values up to this (s/mm^2) count as b=0.

    Raises
    ------
    DataError
        A broken image, or b-values or b-vectors missing, of wrong length or not numbers.
    MissingModalityError
        Fewer than 6 distinct directions (``too-few-directions``), or nothing unweighted (``no-b0``).
    """
    runs = [_read(file, alone=len(files) == 1) for file in files]
    kept, warnings = _choose(runs, b0_threshold)
    image, gradients = _join(kept, b0_threshold)
    traces = gradients.trace
    if traces.any():
        warnings.append(f"{int(traces.sum())} weighted volumes without a direction (trace images) are left out.")
        image, gradients = like_series(image, array(image)[..., ~traces]), gradients.select(~traces)
    b0, more = _unweighted(gradients, b0_threshold, kept[0].name)
    weighted = gradients.bvecs[~b0]
    if not determines_tensor(weighted):
        message = f"{kept[0].name}: {n_directions(weighted)} distinct directions do not determine a tensor."
        remedy = "At least 6 directions, not in one plane, are needed."
        raise MissingModalityError(message, remedy, "too-few-directions")
    return Series(image, gradients, b0, tuple(run.file for run in kept), (*warnings, *more))


def like_series(image: nib.Nifti1Image, data: npt.NDArray[np.float32]) -> nib.Nifti1Image:
    """New volumes on a series' grid, with its TR."""
    result = like(image, data)
    result.header.set_zooms((*result.header.get_zooms()[:3], image.header.get_zooms()[3]))
    return result


def _read(file: BidsFile, *, alone: bool) -> _Run:
    image = load_image(file.path, 4)
    n_volumes = image.shape[3]
    if n_volumes == 1 and alone:
        message = f"{file.path} is a single 3D volume: a diffusion series is 4D."
        raise DataError(message, "Check that the right file has this name.", reason="not-4d")
    if array(image).max() <= 0:
        raise DataError(f"{file.path} holds nothing above 0.", "Convert or copy it again.", reason="empty-image")
    bval, bvec = find_companion(file, ".bval"), find_companion(file, ".bvec")
    stored = cast(nib.Nifti1Image, nib.load(file.path)).affine
    return _Run(file, image, on_axes(read_gradients(bval, bvec, n_volumes), stored, image.affine))


def _choose(runs: Sequence[_Run], b0_threshold: float) -> tuple[list[_Run], list[str]]:
    """Runs with directions that share the grid on which most weighted volumes are; the others in warnings."""
    weight = {id(run): int((run.gradients.bvals > b0_threshold).sum()) for run in runs}
    directed = [run for run in runs if weight[id(run)]] or list(runs)
    grids = [[other for other in directed if same_grid(run.image, other.image)] for run in directed]
    kept = max(grids, key=lambda group: sum(weight[id(run)] for run in group))
    warnings = [
        f"{run.name} is not used: " + ("another grid." if weight[id(run)] else "only b=0 volumes.")
        for run in runs
        if run not in kept
    ]
    encodings = {str(run.file.metadata.get("PhaseEncodingDirection", "")) for run in kept} - {""}
    if len(encodings) > 1:
        warnings.append(
            f"Runs with phase encoding {', '.join(sorted(encodings))} are joined; their susceptibility distortion "
            "is not corrected."
        )
    if not orientation_known(kept[0].image):
        warnings.append(f"{kept[0].name} has neither sform nor qform: left and right are a guess.")
    return kept, warnings


def _join(runs: Sequence[_Run], b0_threshold: float) -> tuple[nib.Nifti1Image, Gradients]:
    """One series; runs are scaled to the first by their mean at b=0, since scanners scale each run on its own."""
    first = runs[0]
    volumes = []
    level: float | None = None
    for run in runs:
        data, unweighted = array(run.image), run.gradients.bvals <= b0_threshold
        mean = float(data[..., unweighted].mean(dtype=np.float64)) if unweighted.any() else None
        if level is None:
            level = mean
        volumes.append(data * np.float32(level / mean) if mean and level else data)
    joined = Gradients.join([run.gradients for run in runs])
    return like_series(first.image, np.concatenate(volumes, axis=3)), joined


def _unweighted(gradients: Gradients, b0_threshold: float, name: str) -> tuple[npt.NDArray[np.bool_], list[str]]:
    b0 = np.asarray(gradients.bvals <= b0_threshold)
    if b0.any():
        return b0, []
    found = shells(gradients.bvals, b0_threshold)
    lowest = float(np.median(gradients.bvals[found[0]])) if found else 0.0
    if len(found) > 1 and lowest <= _LOW_B:
        return found[0], [f"{name} has no b=0 volume: b={lowest:.0f} s/mm^2 stands in."]
    message = f"{name} has no b=0 volume (lowest b: {lowest:.0f} s/mm^2)."
    remedy = f"Add one, or raise dwi.b0_threshold in --config (now {b0_threshold:g})."
    raise MissingModalityError(message, remedy, "no-b0")
