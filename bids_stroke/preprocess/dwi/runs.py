"""Each diffusion run by itself: read and judged; one that is broken does not take the others with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.forms import form_warnings
from bids_stroke.imaging.images import array, like, load_image, same_grid
from bids_stroke.preprocess.dwi.gradients import Gradients, find_companion, on_axes, read_bvals, read_gradients
from bids_stroke.preprocess.dwi.looks import look
from bids_stroke.preprocess.dwi.phase_encoding import Encoding, read_encoding
from bids_stroke.preprocess.dwi.quality import check_overflow
from bids_stroke.preprocess.dwi.volume_check import GAIN, Belief, believe

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Unweighted = tuple[BidsFile, nib.Nifti1Image, Encoding | None]
"""Volumes at b=0 (x, y, z, n), which may tell the field."""

_MOST_UNLABELLED = 10
"""Volumes of a run without b-values, if it is to be b=0 only."""
_PART_OF_DROP = 1 / 3
_HEAD = 0.2
"""Of the brightest: roughly the head."""


@dataclass(frozen=True, eq=False)
class Run:
    """The volumes of a run that are what their b-values say.

    Attributes
    ----------
    file : BidsFile
        Where it is from.
    image : nib.Nifti1Image
        4D float32.
    gradients : Gradients
        Of each volume.
    encoding : Encoding or None
        None where the sidecar does not tell it.
    drop, contrast : (n,) float64
        Logarithm of how much darker than at b=0 the head is (NaN without b=0); head over background.
    notes : tuple of str
        Volumes that are left out.
    """

    file: BidsFile
    image: nib.Nifti1Image
    gradients: Gradients
    encoding: Encoding | None
    drop: Array
    contrast: Array
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the file."""
        return self.file.path.name


@dataclass(frozen=True, eq=False)
class Runs:
    """A session's runs.

    Attributes
    ----------
    read : list of Run
        At least one.
    unlabelled : list of BidsFile
        Images without b-values.
    failures : list of DataError
        One for each run that is left out.
    """

    read: list[Run]
    unlabelled: list[BidsFile]
    failures: list[DataError]

    def notes(self) -> list[str]:
        """On runs and volumes that are left out."""
        left = [f"A diffusion run is left out: {failure.message}" for failure in self.failures]
        forms = form_warnings([run.file.path for run in self.read])
        return [*left, *(note for run in self.read for note in run.notes), *forms]


def read_runs(files: Sequence[BidsFile], b0_threshold: float) -> Runs:
    """Read all runs; what is broken is left out, if a run with weighted volumes is left.

    Raises
    ------
    DataError
        That of the first broken run, where no other run has weighted volumes.
    """
    read: list[Run] = []
    unlabelled: list[BidsFile] = []
    failures: list[DataError] = []
    lacking: list[DataError] = []
    for file in files:
        try:
            read.append(_read(file, b0_threshold, alone=len(files) == 1))
        except DataError as error:
            if error.reason == "missing-bval":
                unlabelled.append(file)
                lacking.append(error)
            else:
                failures.append(error)
    weighted = any((run.gradients.bvals > b0_threshold).any() for run in read)
    if not weighted and (failures or lacking):
        raise [*failures, *lacking][0]
    return Runs(read, unlabelled, failures)


def _read(file: BidsFile, b0_threshold: float, *, alone: bool) -> Run:
    image = load_image(file.path, 4)
    n_volumes = image.shape[3]
    if n_volumes == 1 and alone:
        message = f"{file.path} is a single 3D volume: a diffusion series is 4D."
        raise DataError(message, "Check that the right file has this name.", reason="not-4d")
    if array(image).max() <= 0:
        raise DataError(f"{file.path} holds nothing above 0.", "Convert or copy it again.", reason="empty-image")
    bval = find_companion(file, ".bval")
    bvals = read_bvals(bval, n_volumes)
    if not alone and (bvals <= b0_threshold).all() and not _has(file, ".bvec"):
        gradients = Gradients(bvals, np.zeros((n_volumes, 3)))  # converters write no directions where there are none
    else:
        stored = cast(nib.Nifti1Image, nib.load(file.path)).affine
        gradients = on_axes(read_gradients(bval, find_companion(file, ".bvec"), n_volumes), stored, image.affine)
    belief = _believed(file, image, gradients, b0_threshold)
    keep = belief.keep
    if not keep.all():
        image, gradients = volumes_of(image, keep), gradients.select(keep)
    told = belief.drop[keep], belief.looks.contrast[keep]
    return Run(file, image, gradients, read_encoding(file), *told, belief.notes)


def _believed(file: BidsFile, image: nib.Nifti1Image, gradients: Gradients, b0_threshold: float) -> Belief:
    try:
        return believe(image, gradients, b0_threshold, file.path.name)
    except DataError as error:
        if error.reason not in ("no-head", "empty-image"):  # of images of a head, the cause may be 16-bit numbers
            typical = np.abs(array(image)).mean(axis=3)
            check_overflow(array(image), typical > _HEAD * np.percentile(typical, 99), str(file.path))
        raise


def _has(file: BidsFile, extension: str) -> bool:
    try:
        return find_companion(file, extension).is_file()
    except DataError:
        return False


def like_series(image: nib.Nifti1Image, data: npt.NDArray[np.float32]) -> nib.Nifti1Image:
    """New volumes on a series' grid, with its TR."""
    result = like(image, data)
    result.header.set_zooms((*result.header.get_zooms()[:3], image.header.get_zooms()[3]))
    return result


def volumes_of(image: nib.Nifti1Image, which: Mask) -> nib.Nifti1Image:
    """Some volumes of a series."""
    return like_series(image, array(image)[..., which])


def read_field_images(files: Sequence[BidsFile]) -> tuple[list[Unweighted], list[str]]:
    """Images that were made to find the field; broken ones, and volumes without a head, in notes."""
    found, notes = [], []
    for file in files:
        try:
            image = load_image(file.path, 4)
            encoding = read_encoding(file)
        except DataError as error:
            notes.append(f"A field image is left out: {error.message}")
            continue
        looks = look(image)
        bad = looks.empty | looks.headless
        if bad.any():
            which = ", ".join(map(str, np.flatnonzero(bad)))
            notes.append(f"{file.path.name}: volumes {which} (the first is 0) show no head and are left out.")
        if not bad.all():
            found.append((file, volumes_of(image, ~bad) if bad.any() else image, encoding))
    return found, notes


def certain_b0(
    files: Sequence[BidsFile], kept: Sequence[Run], b0_threshold: float
) -> tuple[list[Unweighted], list[str]]:
    """Runs without b-values that are b=0 for certain, and notes on all of them.

    Certain is: few volumes on the grid of a run with b-values, the phase encoding of both is told and differs, and each
    volume is as bright as that run's b=0, where its weighted volumes are not.
    """
    found, notes = [], []
    for file in files:
        image, encoding = load_image(file.path, 4), read_encoding(file)
        doubt = _doubt(image, encoding, kept, b0_threshold)
        if doubt:
            notes.append(f"{file.path.name} has no .bval and is not used: it may be weighted ({doubt}).")
        else:
            notes.append(f"{file.path.name} has no .bval: it looks like b=0 of {kept[0].name} and counts as that.")
            found.append((file, image, encoding))
    return found, notes


def _doubt(image: nib.Nifti1Image, encoding: Encoding | None, kept: Sequence[Run], b0_threshold: float) -> str:
    """Why a run is not b=0 for certain; empty if it is."""
    if image.shape[3] > _MOST_UNLABELLED:
        return f"it has {image.shape[3]} volumes"
    if not same_grid(image, kept[0].image):
        return "its grid is another one"
    ways = {run.encoding[:2] if run.encoding else None for run in kept}
    if encoding is None or None in ways:
        return "the phase encoding is not told"
    if encoding[:2] in ways:
        return "its phase encoding is that of the weighted run"
    known = [run for run in kept if np.isfinite(run.drop).all() and (run.gradients.bvals > b0_threshold).any()]
    if not known:
        return "no run tells what b=0 looks like"
    return _unlike_b0(image, known[0], b0_threshold)


def _unlike_b0(image: nib.Nifti1Image, run: Run, b0_threshold: float) -> str:
    b0 = run.gradients.bvals <= b0_threshold
    volumes, known = array(image), array(run.image)
    both = np.concatenate([known[..., b0], known[..., ~b0], volumes], axis=3)
    looks = look(like(image, both))
    n_b0, n_known = int(b0.sum()), known.shape[3]
    own = np.arange(both.shape[3]) >= n_known
    if (own & (looks.empty | looks.headless)).any():
        return "volumes show no head"
    level = looks.compare(looks.logs[:, own], np.median(looks.logs[:, :n_b0], axis=1)).level
    allowed = min(GAIN, _PART_OF_DROP * float(np.median(run.drop[~b0])))
    worst = float(level[np.argmax(np.abs(level))])
    return "" if abs(worst) < allowed else f"it is {np.exp(worst):.2g} times as bright as b=0"
