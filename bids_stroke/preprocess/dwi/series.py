"""The diffusion runs of a session: read, checked and joined into one series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import array, like, orientation_known, same_grid
from bids_stroke.preprocess.dwi.gradient_order import check_order, check_shells
from bids_stroke.preprocess.dwi.gradients import Gradients, determines_tensor, n_directions, shells
from bids_stroke.preprocess.dwi.looks import look
from bids_stroke.preprocess.dwi.phase_encoding import Encoding, Opposite, fill_readouts, opposite_of, signs_by_name
from bids_stroke.preprocess.dwi.runs import Run, certain_b0, like_series, read_field_images, read_runs

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
    encodings : tuple of Encoding or None
        Phase encoding of each volume; None where the sidecar does not tell it. Empty: of none.
    opposite : tuple of Opposite
        Images at b=0 of other phase encodings, which tell the field but take no part in the tensor.
    """

    image: nib.Nifti1Image
    gradients: Gradients
    b0: npt.NDArray[np.bool_]
    sources: tuple[BidsFile, ...]
    warnings: tuple[str, ...]
    encodings: tuple[Encoding | None, ...] = ()
    opposite: tuple[Opposite, ...] = ()

    def groups(self) -> list[tuple[Encoding | None, npt.NDArray[np.bool_]]]:
        """Volumes that are distorted alike, by axis and sign of the phase encoding; the first volume's group first.

        A group's encoding is that of its first volume: readouts may differ between its volumes.
        """
        encodings = self.encodings or (None,) * len(self.gradients)
        keys = [said[:2] if said else None for said in encodings]
        masks = [np.array([key == other for key in keys]) for other in dict.fromkeys(keys)]
        return [(encodings[int(np.argmax(mask))], mask) for mask in masks]


def read_series(files: Sequence[BidsFile], b0_threshold: float, epi: Sequence[BidsFile] = ()) -> Series:
    """Read all runs of a session and join those that belong together.

    Parameters
    ----------
    files : sequence of BidsFile
        At least one.
    b0_threshold : float
        b-values up to this (s/mm^2) count as b=0.
    epi : sequence of BidsFile
        Images at b=0 that were made to find the field (``fmap/*_epi``).

    Raises
    ------
    DataError
        Of every run with weighted volumes: a broken image, b-values or b-vectors missing, of wrong length or not
        numbers, or such that the volumes contradict them; or shells that no head can show (``b-values-unlike``).
    MissingModalityError
        Fewer than 6 distinct directions (``too-few-directions``), or nothing unweighted (``no-b0``).
    """
    runs = read_runs(files, b0_threshold)
    kept, spare, warnings = _choose(runs.read, b0_threshold)
    image, gradients = _join(kept, b0_threshold)
    drop, contrast = (np.concatenate(found) for found in zip(*((r.drop, r.contrast) for r in kept), strict=True))
    unusual = check_shells(gradients, drop, contrast, b0_threshold, kept[0].name)
    fields, broken = read_field_images(epi)
    assumed, doubted = certain_b0(runs.unlabelled, kept, b0_threshold)
    warnings = [*runs.notes(), *warnings, *unusual, *doubted, *broken]
    only_b0 = [*((run.file, run.image, run.encoding) for run in spare), *assumed, *fields]
    said_of = {run.name: run.encoding for run in kept} | {file.path.name: said for file, _, said in only_b0}
    warnings += signs_by_name(said_of)
    found, notes = fill_readouts([*(run.encoding for run in kept), *(said for _, _, said in only_b0)])
    only_b0 = [(file, more, said) for (file, more, _), said in zip(only_b0, found[len(kept) :], strict=True)]
    encodings = tuple(said for said, run in zip(found, kept, strict=False) for _ in run.gradients.bvals)
    b0, more = _unweighted(gradients, b0_threshold, kept[0].name)
    weighted = gradients.bvecs[~b0]
    if not determines_tensor(weighted):
        message = f"{kept[0].name}: {n_directions(weighted)} distinct directions do not determine a tensor."
        remedy = "At least 6 directions, not in one plane, are needed."
        raise MissingModalityError(message, remedy, "too-few-directions")
    opposite, unused = opposite_of(encodings, like(image, array(image)[..., 0]), only_b0)
    told = (*warnings, *notes, *more, *unused)
    return Series(image, gradients, b0, tuple(run.file for run in kept), told, encodings, opposite)


def require_order(series: Series, b0_threshold: float) -> None:
    """Refuse a series whose directions explain nothing, although motion has been corrected.

    Raises
    ------
    DataError
        ``gradient-order``.
    """
    looks = look(series.image)
    for shell in shells(series.gradients.bvals, b0_threshold):
        check_order(looks, shell, series.gradients, series.sources[0].path.name, still=True)


def _choose(runs: Sequence[Run], b0_threshold: float) -> tuple[list[Run], list[Run], list[str]]:
    """Runs with directions that share the grid on which most weighted volumes are; runs at b=0 only; warnings."""
    weight = {id(run): int((run.gradients.bvals > b0_threshold).sum()) for run in runs}
    directed = [run for run in runs if weight[id(run)]] or list(runs)
    grids = [[other for other in directed if same_grid(run.image, other.image)] for run in directed]
    kept = max(grids, key=lambda group: sum(weight[id(run)] for run in group))
    others = [run for run in runs if run not in kept]
    warnings = [f"{run.name} is not used: another grid." for run in others if weight[id(run)]]
    if not orientation_known(kept[0].image):
        warnings.append(f"{kept[0].name} has neither sform nor qform: left and right are a guess.")
    return kept, [run for run in others if not weight[id(run)]], warnings


def _join(runs: Sequence[Run], b0_threshold: float) -> tuple[nib.Nifti1Image, Gradients]:
    """One series; runs are scaled to the first by their mean at b=0, since scanners scale each run on its own."""
    first = runs[0]
    if len(runs) == 1:
        return first.image, first.gradients
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
