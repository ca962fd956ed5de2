"""The figure of the lesion."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from PIL import Image

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.unit import draw_unit_figures, rank


def test_lesion_without_a_t1w_is_drawn_on_the_standard_brain(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    outputs, reports = unit
    outputs.standard("t1w").unlink()
    assert [rank(path)[0] for path in draw_unit_figures(outputs, {"lesion": reports["lesion"]})] == [3]


def test_a_lesion_below_half_of_its_voxels_has_an_outline(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    outputs, reports = unit
    (mask,) = reports["lesion"].outputs["lesion"]
    image = nib.load(mask)
    path = outputs.standard("lesion_shares")
    outputs.save_image(path, nib.Nifti1Image(0.4 * image.get_fdata(dtype=np.float32), image.affine), {"Units": "1"})
    report = StepReport(outputs={"lesion": (path,)}, files={"lesion_standard": mask})
    (figure,) = draw_unit_figures(outputs, {"lesion": report})
    with Image.open(figure) as picture:
        red, green, blue = np.moveaxis(np.asarray(picture.convert("RGB")).astype(int), -1, 0)
    assert ((red > 200) & (green < 60) & (blue < 60)).sum() > 300  # 52 of the legend alone
