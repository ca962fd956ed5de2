"""Quality numbers of the anat step, and what they warn of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_stroke.core.errors import DataError
from bids_stroke.imaging.images import FloatArray, array, like, voxel_ml
from bids_stroke.imaging.lesion.placing import Placed
from bids_stroke.imaging.registration import Warp
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.anat.brain import PLAUSIBLE_ML
from bids_stroke.preprocess.anat.tissues import TISSUES, Tissues

Mask = npt.NDArray[np.bool_]

_DETERMINANTS = (0.5, 1.6)
_SMALLEST_DICE = 0.8
_LARGEST_ASYMMETRY = 0.1
_LEAST_CORRELATION = 0.4
"""Below it what was registered is no brain: real and simulated heads lie above 0.8, with noise of 35 % above 0.6."""
_LEAST_CONTRAST = 0.3
"""Between GM and WM, over the noise; a phantom's halves lie below 0.1, heads with noise of 35 % above 1."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """What is computed from one T1w; arrays are on its grid."""

    t1w: nib.Nifti1Image
    """Bias-corrected, clipped, with skull."""
    brain: Mask
    """With the lesion."""
    lesion: Mask
    warp: Warp
    tissues: Tissues
    placed: Placed | None = None
    """The masks in the person's own space, laid on the T1w."""


def quality(anatomy: Anatomy) -> dict[str, float]:
    """Numbers for the report.

    Returns
    -------
    dict
        Volumes (ml); ``affine_determinant``; Dice of brain, GM and WM with the template's; ``template_correlation`` of
        the intensities; ``snr`` of white matter and ``gm_wm_cnr``, over the noise that neighbouring voxels of white
        matter show; ``brain_asymmetry``, (left - right) / (left + right) of the brain mask's volume.
    """
    t1w, probability = anatomy.t1w, anatomy.tissues.probability
    millilitres = voxel_ml(t1w)
    volumes = probability.sum(axis=(0, 1, 2), dtype=np.float64) * millilitres
    numbers = {
        "brain_volume_ml": float(anatomy.brain.sum()) * millilitres,
        **{f"{name.lower()}_volume_ml": float(volume) for name, volume in zip(TISSUES, volumes, strict=True)},
        "affine_determinant": anatomy.warp.determinant,
    }

    def warped(data: npt.NDArray[np.float32] | Mask) -> FloatArray:
        return array(resample(like(t1w, data.astype(np.float32)), standard_grid(), [anatomy.warp.forward]))

    inside = array(template("mask")) > 0.5
    whole = warped(~anatomy.lesion) > 0.5  # a tissue cannot be where the lesion is
    numbers["brain_dice_template"] = _dice(warped(anatomy.brain) > 0.5, inside)
    for index, name in ((1, "GM"), (2, "WM")):
        expected = (array(template("GM" if index == 1 else "WM")) > 0.5) & whole
        numbers[f"{name.lower()}_dice_template"] = _dice(warped(probability[..., index]) > 0.5, expected)
    brain = warped(array(t1w) * anatomy.brain)[inside]
    like_template = np.corrcoef(brain, array(template("T1w"))[inside])[0, 1] if np.std(brain) > 0 else 0.0
    numbers["template_correlation"] = float(like_template)
    drawn = {} if anatomy.placed is None else dict(anatomy.placed.qc)
    return numbers | contrast(anatomy) | {"brain_asymmetry": asymmetry(t1w, anatomy.brain, anatomy.warp)} | drawn


def contrast(anatomy: Anatomy) -> dict[str, float]:
    """Signal of white matter and its contrast to grey matter over the noise; 0 where there is no white matter."""
    data = array(anatomy.t1w)
    pure = ndimage.binary_erosion(anatomy.tissues.probability[..., 2] > 0.9)
    pairs = pure[1:] & pure[:-1]
    if not pairs.any():
        return {"snr": 0.0, "gm_wm_cnr": 0.0}
    steps = np.abs(np.diff(data, axis=0)[pairs])
    noise = max(float(np.median(steps) / 0.6745 / np.sqrt(2.0)), 1e-6 * float(data.max()) + 1e-12)
    _, grey, white = anatomy.tissues.means
    return {"snr": white / noise, "gm_wm_cnr": (white - grey) / noise}


def asymmetry(t1w: nib.Nifti1Image, brain: Mask, warp: Warp) -> float:
    """How much more of the brain mask lies left of the midplane that the affine registration finds: -1 to 1."""
    to_standard = np.linalg.inv(warp.affine) @ t1w.affine
    where = np.argwhere(brain)
    x = where @ to_standard[0, :3] + to_standard[0, 3]
    return float(-np.sign(x).mean())


def _dice(first: Mask, second: Mask) -> float:
    return 2.0 * float((first & second).sum()) / max(float(first.sum() + second.sum()), 1.0)


def check(qc: Mapping[str, float]) -> None:
    """Refuse what is no brain, or was not registered.

    A uniform phantom or noise gets brain mask, tissues and a registration that fits: only the inside gives it away.

    Raises
    ------
    DataError
        The intensities in standard space are nothing like a brain's (``not-a-brain``), or there is no contrast between
        grey and white matter (``no-tissue-contrast``).
    """
    remedy = "Check that it is a T1-weighted image of a whole head."
    if qc["template_correlation"] < _LEAST_CORRELATION:
        message = (
            "What was found in the T1w is not like a brain: its correlation with the standard brain after registration "
            f"is {qc['template_correlation']:.2f}."
        )
        raise DataError(message, remedy, reason="not-a-brain")
    if abs(qc["gm_wm_cnr"]) < _LEAST_CONTRAST:
        message = f"Grey and white matter in the T1w differ by only {abs(qc['gm_wm_cnr']):.2f} of its noise."
        raise DataError(message, remedy, reason="no-tissue-contrast")


def quality_warnings(qc: Mapping[str, float]) -> list[str]:
    """Warnings of implausible values."""
    warnings = []
    if not PLAUSIBLE_ML[0] <= qc["brain_volume_ml"] <= PLAUSIBLE_ML[1]:
        warnings.append(f"The brain's volume of {qc['brain_volume_ml']:.0f} ml is implausible: look at the mask.")
    if not _DETERMINANTS[0] <= qc["affine_determinant"] <= _DETERMINANTS[1]:
        warnings.append(f"Registration: affine determinant {qc['affine_determinant']:.2f} is implausible.")
    if qc["brain_dice_template"] < _SMALLEST_DICE:
        warnings.append(f"Registration: the brain's Dice with the template is only {qc['brain_dice_template']:.2f}.")
    if abs(qc["brain_asymmetry"]) > _LARGEST_ASYMMETRY:
        side = "left" if qc["brain_asymmetry"] < 0 else "right"
        warnings.append(f"The brain mask is smaller on the {side} ({qc['brain_asymmetry']:+.2f}): look at the mask.")
    return warnings
