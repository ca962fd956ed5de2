"""Ready feature maps from ``--derivatives``: onto the standard grid, under the contract's names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.modalities import MODALITIES, StandardMap
from bids_stroke.core.records import SPACE, BidsFile, StepReport
from bids_stroke.imaging.images import FloatArray, array, as_the_person_lies, like, load_image, reorient, same_grid
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import resample

if TYPE_CHECKING:
    from bids_stroke.preprocess.registry import StepContext

_DIFFUSIVITY = "mm^2/s"
_SMALLEST_COVER = 0.5
_DECLARE = (
    'Declare the unit in its JSON sidecar, like "Units": "um^2/ms" or "Units": "10^-3 mm^2/s" '
    "(one sidecar at the root of the dataset may serve all), or leave the map out."
)
_PLAIN: dict[str, str | int | None] = {
    **dict.fromkeys(("\u00b7", "\u22c5", "*"), " "),
    **dict.fromkeys(("\u03bc", "\u00b5"), "u"),
    **dict.fromkeys(("\u207b", "\u2212"), "-"),
    **dict(zip("\u00b9\u00b3\u2074\u2076\u2079", "13469", strict=True)),
    "\u00b2": "^2",
    "\u00d7": "x",
}
"""Signs in which units are written -> letters."""
_UNIT = re.compile(
    r"(?:(?:1\s*)?x\s*)?(?:10\s*\^?\s*(?P<power>-\d+)|(?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?))?\s*[x ]?\s*"
    r"(?P<length>mm|um|cm|m)\s*\^?\s*2\s*(?:/\s*(?P<time>ms|s)|[. ]?\s*(?P<inverse>ms|s)\s*\^?\s*-1)"
)
_MM2 = {"m": 1e6, "cm": 100.0, "mm": 1.0, "um": 1e-6}
_SECONDS = {"s": 1.0, "ms": 1e-3}


def standard_map(modality: str) -> StandardMap:
    """What is known of a modality's maps in standard space; TypeError for a modality that has none.

    >>> standard_map("md").unit
    'mm^2/s'
    """
    known = MODALITIES[modality].standard_map
    if known is None:
        raise TypeError(f"{modality} is no map that other derivatives can give")
    return known


def on_standard_grid(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """A map in standard space on the 2 mm grid, by its affine; the very same voxels where it is there already."""
    grid = standard_grid()
    image = reorient(image, "".join(nib.aff2axcodes(grid.affine)))
    return like(grid, array(image)) if same_grid(image, grid) else resample(image, grid)


def map_warnings(data: FloatArray, file: BidsFile, modality: str) -> list[str]:
    """What is suspicious about a ready map in the contract's units.

    Parameters
    ----------
    data : ndarray (91, 109, 91)
        On the standard grid.
    file : BidsFile
        Where it comes from: its ``space``.
    modality : str
        ``fa``, ``md`` ...

    Raises
    ------
    DataError
        The map is 0 all over the brain (``empty-map``).
    """
    name = file.path.name
    inside = data[array(template("mask")) > 0.5]
    positive = inside[inside > 0]
    if positive.size == 0:
        message = f"{file.path} has no positive voxel inside the brain of {SPACE}."
        raise DataError(message, "Check its affine and that it is in standard space.", "empty-map")
    warnings = []
    space = file.entities.get("space", "")
    if space != SPACE:
        warnings.append(f"{name} is in {space or 'an unnamed space'}, taken as equal to {SPACE}.")
    if standard_map(modality).fills_brain and positive.size < _SMALLEST_COVER * inside.size:
        warnings.append(f"{name} covers only {100 * positive.size / inside.size:.0f} % of the brain.")
    if MODALITIES[modality].step == "anat" and "probseg" in name:
        warnings.append(f"{name} holds probabilities; models trained by this app expect T1w intensities in the tissue.")
    return warnings


def in_contract_units(data: FloatArray, file: BidsFile, modality: str) -> tuple[FloatArray, list[str]]:
    """Values in the contract's units (diffusivities in mm^2/s, the others 0 to 1), and what is assumed or clipped.

    Parameters
    ----------
    data : ndarray
        On the standard grid.
    file : BidsFile
        Its sidecar's ``Units`` decide.
    modality : str
        ``fa``, ``md`` ...

    Raises
    ------
    MissingModalityError
        The values cannot be what the sidecar says or, where it says nothing, what the contract wants
        (``implausible-units``).
    """
    said = file.metadata.get("Units")
    known = standard_map(modality)
    factor = unit_factor(said) if known.unit == _DIFFUSIVITY else 1.0
    notes = []
    if factor is None:
        notes.append(f"{file.path.name}: {_told(said)}; the values look like mm^2/s and are taken as such.")
    scaled = np.asarray(data * np.float32(factor or 1.0), dtype=np.float32)
    inside = scaled[array(template("mask")) > 0.5]
    low, high = known.median
    median = float(np.median(inside[inside > 0])) if (inside > 0).any() else low
    if not low <= median <= high:
        wanted = f"{low:g} to {high:g} {known.unit}".strip()
        message = f"{file.path} is not used: {_told(said)}, its median in the brain is {median:.3g}, expected {wanted}."
        scale = f"Scale it to 0-{known.highest:g}, or leave the map out."
        remedy = _DECLARE if known.unit == _DIFFUSIVITY else scale
        raise MissingModalityError(message, remedy, "implausible-units")
    return _clipped(scaled, file.path.name, known.highest, notes)


def _told(units: object) -> str:
    known = units is None or unit_factor(units) is not None
    return "its sidecar gives no Units" if units is None else f"Units {units!r}{'' if known else ' (not understood)'}"


def _clipped(data: FloatArray, name: str, top: float, notes: list[str]) -> tuple[FloatArray, list[str]]:
    """Values that the quantity can have; how many in the brain could not, in the notes."""
    inside = array(template("mask")) > 0.5
    below, above = int((data[inside] < 0).sum()), int((data[inside] > top).sum())
    if below:
        notes.append(f"{name}: {below} voxels of the brain below 0 were set to 0.")
    if above:
        notes.append(f"{name}: {above} voxels of the brain above {top:g} were set to {top:g}.")
    return np.clip(data, 0.0, top), notes


def unit_factor(text: object) -> float | None:
    """Factor from a sidecar's ``Units`` to mm^2/s; None where it is not told or no unit of diffusivity.

    Known are squares of m, cm, mm and um over s or ms, in any usual spelling, after a number: ``um^2/ms``,
    ``10^-3 mm^2/s``, ``1e-3 mm²/s``, ``x10-3 mm2 s-1``.
    """
    if not isinstance(text, str):
        return None
    found = _UNIT.fullmatch(text.translate(str.maketrans(_PLAIN)).strip())
    if not found:
        return None
    number, power, length = found.group("number", "power", "length")
    factor = float(number) if number else 1.0
    if power:
        factor = 10.0 ** int(power)
    return factor * _MM2[length] / _SECONDS[found["time"] or found["inverse"]]


def run(context: StepContext) -> StepReport:
    """Bring every ready map of the session onto the standard grid.

    Raises
    ------
    DataError
        A broken or empty map.
    """
    outputs: dict[str, tuple[Path, ...]] = {}
    missing: dict[str, str] = {}
    warnings: list[str] = []
    qc: dict[str, float] = {}
    for modality, file in context.session.maps.items():
        image = on_standard_grid(as_the_person_lies(load_image(file.path, 3), file.metadata))
        warnings += map_warnings(array(image), file, modality)
        try:
            data, notes = in_contract_units(array(image), file, modality)
        except MissingModalityError as error:
            missing[modality] = error.reason
            warnings.append(str(error))
            continue
        warnings += notes
        inside = data[array(template("mask")) > 0.5]
        qc[f"{modality}_median"] = float(np.median(inside[inside > 0]))
        outputs[modality] = (_save(context, like(image, data), file, modality),)
    return StepReport(outputs=outputs, missing=missing, qc=qc, warnings=tuple(warnings))


def _save(context: StepContext, image: nib.Nifti1Image, file: BidsFile, modality: str) -> Path:
    role, labels = _role(context, file, modality)
    sidecar: dict[str, Any] = {"Sources": context.outputs.sources([file]), "Resolution": {"2": "2 mm isotropic"}}
    if unit := standard_map(modality).unit:
        sidecar["Units"] = unit
    elif MODALITIES[modality].step == "anat":
        sidecar["Description"] = f"Tissue {_kind(file)}."
    if role.endswith("tissue_intensity"):
        sidecar["SkullStripped"] = True
    return context.outputs.save_image(context.outputs.standard(role, **labels), image, sidecar)


def _kind(file: BidsFile) -> str:
    """What a tissue map holds, by its name."""
    return "probability" if "_probseg" in file.path.name else "intensity of the T1w inside the tissue"


def _role(context: StepContext, file: BidsFile, modality: str) -> tuple[str, dict[str, str]]:
    """The contract's role and labels of a map; an external one where another step may write that very file."""
    session, step = context.session, MODALITIES[modality].step
    if step == "anat":
        own, labels = bool(session.files("t1w") or session.ready_anat), {"label": modality.upper()}
        role = "tissue_probability" if "_probseg" in file.path.name else "tissue_intensity"
    elif step == "dwi":
        own, labels = bool(session.files("dwi") or session.ready_dwi), {"param": modality}
        role = "tensor_map"
    else:
        return f"external_{modality}", {}
    return f"external_{role}" if own else role, labels
