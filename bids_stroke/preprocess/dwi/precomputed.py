"""A preprocessed diffusion series of ``--derivatives``, in the place of this app's own corrections."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import BidsFile, Session
from bids_stroke.imaging.images import array, load_image, same_grid
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.dwi.correct import Corrected
from bids_stroke.preprocess.dwi.quality import temporal_snr
from bids_stroke.preprocess.dwi.registration import Place, rough_mask
from bids_stroke.preprocess.dwi.series import read_series
from bids_stroke.preprocess.dwi.tensor.fit import unweighted

_CORRECTIONS = ("Denoised", "GibbsCorrected", "MotionCorrected", "EddyCorrected", "SusceptibilityCorrection",
                "BiasCorrected", "OutlierSlicesReplaced")  # fmt: skip


def ready_dwi(session: Session, b0_threshold: float) -> Corrected | None:
    """The session's ready diffusion series as one that is corrected; None where there is none.

    Parameters
    ----------
    session : Session
        Its ``ready`` (roles ``dwi dwi_mask``). Without a mask the brain is found roughly.
    b0_threshold : float
        b-values up to this (s/mm^2) count as b=0.

    Raises
    ------
    DataError
        A broken file, gradients missing or wrong, or a mask that is empty.
    MissingModalityError
        As :func:`bids_stroke.preprocess.dwi.series.read_series`.
    """
    if "dwi" not in session.ready:
        return None
    source = session.ready["dwi"]
    series = replace(read_series([source], b0_threshold), sources=session.ready_dwi)
    mask = rough_mask(unweighted(series))
    note = f"{source.path.name} of {source.uri.split(':')[1]} replaces our corrections of the diffusion images."
    if "dwi_mask" in session.ready:
        mask = _mask_on(series.image, session.ready["dwi_mask"])
    # what that tool said of its corrections is said again
    done: dict[str, object] = {key: source.metadata[key] for key in _CORRECTIONS if key in source.metadata}
    done["CorrectionsNote"] = note
    return Corrected(series, mask, done, temporal_snr(array(series.image)[..., series.b0], mask), (note,))


def with_ready_mask(place: Place, corrected: Corrected, session: Session) -> Place:
    """A place whose brain is that of the ready mask, where there is one."""
    if "dwi_mask" not in session.ready:
        return place
    return replace(place, mask=corrected.mask & (unweighted(corrected.series) > 0))


def _mask_on(grid: nib.Nifti1Image, file: BidsFile) -> npt.NDArray[np.bool_]:
    """A mask on a series' grid; resampled where it lies on another one."""
    image = load_image(file.path, 3)
    mask = np.asarray(array(image if same_grid(image, grid) else resample(image, grid)) > 0.5)
    if not mask.any():
        message = f"{file.path}: no voxel of this mask lies on the diffusion images beside it."
        raise DataError(message, "Check that both come from the same run of the tool.", "empty-brain-mask")
    return mask
