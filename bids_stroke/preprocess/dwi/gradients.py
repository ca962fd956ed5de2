"""b-values and b-vectors: finding, reading and checking them, shells, distinct directions, rotation with the head."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.linalg import polar

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import BidsFile

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_MIN_DIRECTIONS = 6
"""A diffusion tensor has six unknowns besides the signal without weighting."""
_SAME_DIRECTION = np.cos(np.deg2rad(2.0))
_SHELL_GAP = 100.0
_WEIGHTED_B = 50.0
"""Above this b (s/mm^2) a volume without a direction is no plain b=0 but a trace image."""
_DIRECTION_FROM = 0.3
"""Weighting (s/mm^2, or ms/um^2 by mistake) above which a volume should have a direction."""
_SMALLEST_B, _LARGEST_B = 20.0, 20_000.0
"""Highest b-values (s/mm^2) outside are in other units: no scanner measures diffusion there."""
_UNIT_TOLERANCE = 0.1
_CONVERT_AGAIN = "Convert the DICOM files again (dcm2niix writes both files), or leave this run out."


@dataclass(frozen=True, eq=False)
class Gradients:
    """Diffusion weighting of each volume.

    Parameters
    ----------
    bvals : (n,) float64
        s/mm^2.
    bvecs : (n, 3) float64
        Unit vectors in FSL's convention (image axes, the first component negated where the affine's determinant is
        positive), or zero.
    notes : tuple of str
        What was odd in the files.
    """

    bvals: Array
    bvecs: Array
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of volumes."""
        return len(self.bvals)

    def select(self, keep: Mask) -> Gradients:
        """Only some volumes."""
        return Gradients(self.bvals[keep], self.bvecs[keep], self.notes)

    @property
    def trace(self) -> Mask:
        """Volumes that are weighted but have no direction: averages that the scanner appended."""
        return np.asarray((self.bvals > _WEIGHTED_B) & ~self.bvecs.any(axis=1))

    @staticmethod
    def join(parts: list[Gradients]) -> Gradients:
        """Volumes of several runs, one after another."""
        bvals, bvecs = (np.concatenate(found) for found in ([p.bvals for p in parts], [p.bvecs for p in parts]))
        return Gradients(bvals, bvecs, tuple(dict.fromkeys(note for p in parts for note in p.notes)))


def find_companion(dwi: BidsFile, extension: str) -> Path:
    """``.bval`` or ``.bvec`` of a run: beside it, or the nearest file above that applies (inheritance principle).

    A file with an image of its own name beside it is that run's, and no other one's.

    Raises
    ------
    DataError
        There is none (``missing-bval``, ``missing-bvec``), or of two in one folder neither is nearer
        (``ambiguous-bval``, ``ambiguous-bvec``).
    """
    beside = dwi.companion(extension)
    if beside.is_file():
        return beside
    kind = extension.lstrip(".")
    parts = set(beside.name.removesuffix(extension).split("_"))
    for folder in list(beside.parents)[:4]:
        paths = [path for path in sorted(folder.glob(f"*dwi{extension}")) if set(path.stem.split("_")) <= parts]
        fitting = [path for path in paths if not any(path.with_suffix(end).exists() for end in (".nii.gz", ".nii"))]
        if fitting:
            most = max(path.stem.count("_") for path in fitting)
            nearest = [path for path in fitting if path.stem.count("_") == most]
            if len(nearest) > 1:
                message = f"{dwi.path.name}: both {nearest[0].name} and {nearest[1].name} in {folder} apply to it."
                raise DataError(message, f"Give it its own {beside.name}.", reason=f"ambiguous-{kind}")
            return nearest[0]
        if (folder / "dataset_description.json").is_file():
            break
    message = f"{dwi.path.name} has no {beside.name}, here or inherited, in {beside.parent}."
    raise DataError(message, _CONVERT_AGAIN, reason=f"missing-{kind}")


def read_gradients(bval: Path, bvec: Path, n_volumes: int) -> Gradients:
    """Read and check the gradients of one run.

    Parameters
    ----------
    bval, bvec : Path
        FSL text files; b-vectors as 3 x n or n x 3.
    n_volumes : int
        Volumes of the image.

    Raises
    ------
    DataError
        Not numbers or not three components (``gradient-format``), not one per volume (``gradient-count``), no
        directions (``zero-bvecs``), or b-values in other units than s/mm^2 (``b-value-units``).
    """
    bvals = read_bvals(bval, n_volumes)
    bvecs = _numbers(bvec)
    if 3 not in bvecs.shape:
        message = f"{bvec} is a table of {bvecs.shape[0]} x {bvecs.shape[1]} numbers: 3 x {n_volumes} are needed."
        raise DataError(message, _CONVERT_AGAIN, reason="gradient-format")
    bvecs = bvecs.T if bvecs.shape[0] == 3 else bvecs
    if len(bvecs) != n_volumes:
        message = f"{bvec} has {len(bvecs)} b-vectors for {n_volumes} volumes."
        raise DataError(message, _CONVERT_AGAIN, reason="gradient-count")
    # some converters write NaN where there is no direction
    bvecs = np.where((bvals <= _WEIGHTED_B)[:, None] & ~np.isfinite(bvecs), 0.0, bvecs)
    if not np.isfinite(bvecs).all():
        message = f"{bvec} holds NaN or infinite b-vectors of weighted volumes."
        raise DataError(message, _CONVERT_AGAIN, reason="gradient-format")
    _check_units(bval, bvals, bvecs)
    if int((bvals > _WEIGHTED_B).sum()) >= _MIN_DIRECTIONS and not bvecs.any():
        message = f"{bvec} holds only zeros, although {bval.name} says that volumes are diffusion-weighted."
        raise DataError(message, _CONVERT_AGAIN, reason="zero-bvecs")
    return Gradients(bvals, _unit(bvecs), _length_notes(bvec, bvals, bvecs))


def read_bvals(bval: Path, n_volumes: int) -> Array:
    """The b-values of one run (n_volumes,), s/mm^2, as they are in the file.

    Raises
    ------
    DataError
        Not numbers (``gradient-format``), or not one per volume (``gradient-count``).
    """
    bvals = _numbers(bval).ravel()
    if len(bvals) != n_volumes:
        message = f"{bval} has {len(bvals)} b-values for {n_volumes} volumes."
        raise DataError(message, _CONVERT_AGAIN, reason="gradient-count")
    if not np.isfinite(bvals).all() or (bvals < 0).any():
        raise DataError(f"{bval} holds negative, NaN or infinite b-values.", _CONVERT_AGAIN, reason="gradient-format")
    return bvals


def _check_units(bval: Path, bvals: Array, bvecs: Array) -> None:
    """Raise DataError where the b-values can only be in other units than s/mm^2."""
    highest = float(bvals.max())
    directed = bvals > _DIRECTION_FROM
    # a run of b=5 only is a usual run without weighting: small values are suspicious beside true zeros
    small = highest < _SMALLEST_B and bool((bvals < 0.05).any()) and n_directions(bvecs[directed]) >= _MIN_DIRECTIONS
    if not small and highest <= _LARGEST_B:
        return
    unit, factor = ("ms/um^2", "1000") if small else ("s/m^2", "0.000001")
    message = f"{bval}: the highest b-value is {highest:g}; b-values must be in s/mm^2, these are probably in {unit}."
    raise DataError(message, f"Multiply them by {factor}, or convert the DICOM files again.", reason="b-value-units")


def _length_notes(bvec: Path, bvals: Array, bvecs: Array) -> tuple[str, ...]:
    """Say where b-vectors were not of unit length: some scanners scale them instead of the b-values."""
    length = np.linalg.norm(bvecs[(bvals > _WEIGHTED_B) & bvecs.any(axis=1)], axis=1)
    if not (np.abs(length - 1) > _UNIT_TOLERANCE).any():
        return ()
    return (
        f"{bvec.name}: b-vectors of length {length.min():.2f} to {length.max():.2f} were made unit vectors; "
        "the b-values are taken as they are.",
    )


def _numbers(path: Path) -> Array:
    """A text table of numbers, at least one row."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors of other systems begin with a byte order mark
        rows = [[float(word) for word in line.replace(",", " ").split()] for line in text.splitlines()]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", _CONVERT_AGAIN, "gradient-format") from error
    except ValueError as error:  # not text, or words that are no numbers
        raise DataError(f"{path} does not hold numbers: {error}.", _CONVERT_AGAIN, "gradient-format") from error
    rows = [row for row in rows if row]
    if not rows or len({len(row) for row in rows}) != 1:
        raise DataError(f"{path} is empty or its rows differ in length.", _CONVERT_AGAIN, "gradient-format")
    return np.array(rows, dtype=np.float64)


def _unit(bvecs: Array) -> Array:
    length = np.linalg.norm(bvecs, axis=1, keepdims=True)
    return np.where(length > 1e-3, bvecs / np.maximum(length, 1e-3), 0.0)


def shells(bvals: Array, b0_threshold: float) -> list[Mask]:
    """Volumes of each shell, lowest b first, b=0 left out: b-values closer than 100 s/mm^2 or 10 % are one shell."""
    weighted = np.unique(bvals[bvals > b0_threshold])
    if not len(weighted):
        return []
    gaps = np.flatnonzero(np.diff(weighted) > np.maximum(_SHELL_GAP, 0.1 * weighted[:-1]))
    groups = np.split(weighted, gaps + 1)
    return [np.asarray((bvals >= group[0]) & (bvals <= group[-1])) for group in groups]


def n_directions(bvecs: Array) -> int:
    """Number of distinct directions: opposite ones, and ones within 2 degrees, count once; zero vectors do not."""
    distinct: list[Array] = []
    for vector in bvecs[bvecs.any(axis=1)]:
        if all(abs(float(vector @ other)) < _SAME_DIRECTION for other in distinct):
            distinct.append(vector)
    return len(distinct)


def determines_tensor(bvecs: Array) -> bool:
    """Whether the directions fix all six elements of a tensor (six in one plane do not)."""
    if n_directions(bvecs) < _MIN_DIRECTIONS:
        return False
    x, y, z = bvecs.T
    products = np.stack([x * x, y * y, z * z, x * y, x * z, y * z], axis=1)
    return bool(np.linalg.matrix_rank(products, tol=0.05) == _MIN_DIRECTIONS)


def tensor_volumes(gradients: Gradients, b0_threshold: float, max_b: float) -> Mask:
    """Which volumes the tensor is fitted to: b=0, the shells up to ``max_b``, and higher ones only where needed.

    The tensor describes the signal up to about b=1500 s/mm^2 (Jones et al. 2013, "White matter integrity, fiber
    count, and other fallacies"): above, diffusivities come out too low. So higher shells are added, lowest
    first, only until there are directions enough.
    """
    weighted = np.zeros(len(gradients), dtype=bool)
    for shell in shells(gradients.bvals, b0_threshold):
        if np.median(gradients.bvals[shell]) > max_b * 1.05 and determines_tensor(gradients.bvecs[weighted]):
            break
        weighted = weighted | shell
    return np.asarray((gradients.bvals <= b0_threshold) | weighted) & ~gradients.trace


def rotate(gradients: Gradients, motions: Array, affine: Array) -> Gradients:
    """Directions as the head feels them that moved during the scan.

    Parameters
    ----------
    gradients : Gradients
        As the scanner says.
    motions : (n, 4, 4) float64
        RAS matrices, reference world -> world of each volume.
    affine : (4, 4) float64
        Of the image, for its axes.

    Notes
    -----
    Leemans and Jones 2009, "The B-matrix must be rotated when correcting for subject motion in DTI data".
    """
    axes = fsl_axes(affine)
    rotations = np.stack([polar(motion[:3, :3])[0] for motion in motions])
    world = gradients.bvecs @ axes.T
    turned = np.einsum("nji,nj->ni", rotations, world)  # the transpose of each rotation: back into the reference
    return replace(gradients, bvecs=turned @ axes)


def on_axes(gradients: Gradients, old: Array, new: Array) -> Gradients:
    """The same gradients for an image whose voxel axes were flipped or swapped, given both affines (4, 4)."""
    return replace(gradients, bvecs=gradients.bvecs @ fsl_axes(old).T @ fsl_axes(new))


def fsl_axes(affine: Array) -> Array:
    """Orthogonal matrix (3, 3) that turns FSL b-vectors into world (RAS) directions: ``bvecs @ fsl_axes(a).T``."""
    axes = np.asarray(polar(affine[:3, :3])[0], dtype=np.float64)
    if np.linalg.det(affine[:3, :3]) > 0:
        axes = axes * [-1.0, 1.0, 1.0]
    return axes


def bval_text(gradients: Gradients) -> str:
    """Contents of a ``.bval`` file."""
    return " ".join(f"{value:g}" for value in gradients.bvals) + "\n"


def bvec_text(gradients: Gradients) -> str:
    """Contents of a ``.bvec`` file, 3 x n."""
    return "".join(" ".join(f"{value + 0.0:.6f}" for value in row) + "\n" for row in gradients.bvecs.T)
