"""Writes a session's diffusion outputs under the names of the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_stroke.imaging.images import FloatArray, array, like, reorient, stored_orientation
from bids_stroke.imaging.side_by_side import each
from bids_stroke.imaging.standard_space import standard_grid
from bids_stroke.imaging.transforms import save_rigid, save_warp
from bids_stroke.preprocess.dwi.gradients import bval_text, bvec_text, on_axes
from bids_stroke.preprocess.dwi.registration import Place
from bids_stroke.preprocess.dwi.series import Series
from bids_stroke.preprocess.dwi.tensor.fit import UNITS, Tensors

if TYPE_CHECKING:
    from bids_stroke.preprocess.registry import StepContext

_RESOLUTION = {"Resolution": {"2": "2 mm isotropic"}}
_COLOURS = "FA times the absolute principal direction in the world: red left-right, green front-back, blue up-down."


@dataclass(frozen=True)
class Writer:
    """Writes one session's files.

    Parameters
    ----------
    context : StepContext
        Of the step.
    sources : list of str
        BIDS URIs of the runs that were used.
    """

    context: StepContext
    sources: list[str]

    def image(self, path: Path, image: nib.Nifti1Image, **sidecar: Any) -> Path:
        """One image with its sidecar."""
        return self.context.outputs.save_image(path, image, {"Sources": self.sources, **sidecar})

    def native(self, series: Series, place: Place, found: Tensors, done: Mapping[str, object]) -> dict[str, Path]:
        """Corrected series with its gradients, mask, maps and transform, by role, in the first run's voxel order.

        ``done`` says in the series' sidecar what was corrected, and why the rest was not.
        """
        outputs, name = self.context.outputs, self.context.outputs.path
        as_stored = partial(reorient, orientation=stored_orientation(series.sources[0].path))
        image = as_stored(series.image)
        gradients = on_axes(series.gradients, series.image.affine, image.affine)
        files = {
            "bval": outputs.save(name("bval"), _text(bval_text(gradients))),
            "bvec": outputs.save(name("bvec"), _text(bvec_text(gradients))),
        }
        images: dict[str, tuple[Path, npt.NDArray[Any], dict[str, Any]]] = {
            "dwi": (name("dwi"), array(series.image), {"SkullStripped": False, **done}),
            "dwi_mask": (name("dwi_mask"), place.mask.astype(np.uint8), {"Type": "Brain"}),
            "fa_color": (name("fa_color"), found.colour, {"Description": _COLOURS, **found.facts}),
        }
        for kind, data in found.maps.items():
            images[f"{kind}_native"] = (name("tensor_map", param=kind), data, {"Units": UNITS[kind], **found.facts})

        def save(role: str) -> Path:
            path, data, sidecar = images[role]
            return self.image(path, as_stored(like(series.image, data)), **sidecar)

        return files | dict(zip(images, each(save, images), strict=True)) | self.transform(place)

    def transform(self, place: Place) -> dict[str, Path]:
        """The transform that this step found: to the T1w, or to the standard space where there is no T1w."""
        found = place.to_standard[0]
        role = "dwi_to_standard" if place.to_t1w is None else "dwi_to_t1w"
        if isinstance(found, np.ndarray):
            name = "dwi_to_standard_affine" if place.to_t1w is None else role
            kind, write = "ITK affine transform (LPS)", partial(save_rigid, matrix=found)
        else:
            name, kind, write = role, "ITK displacement field (LPS)", partial(save_warp, field=found)
        path = self.context.outputs.path(name)
        sidecar = {"Sources": self.sources, "Units": "mm", "Type": kind}
        return {role: self.context.outputs.save(path, write, sidecar)}

    def standard(self, maps: Mapping[str, FloatArray], facts: Mapping[str, object]) -> dict[str, tuple[Path, ...]]:
        """Maps in standard space, by modality; ``facts`` tell in the sidecars how the tensor was fitted."""
        grid, name = standard_grid(), partial(self.context.outputs.standard, "tensor_map")
        return {
            kind: (self.image(name(param=kind), like(grid, data), Units=UNITS[kind], **facts, **_RESOLUTION),)
            for kind, data in maps.items()
        }


def _text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)
