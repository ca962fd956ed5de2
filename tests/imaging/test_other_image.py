"""Another image of the person, registered to the T1w."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.other_image import register_to_t1w, shared_information
from tests.helpers.lesion_phantom import phantom
from tests.helpers.spots import rigid

MOVED = rigid((5, -4, 6), (6, 15, -4))


@pytest.mark.parametrize(("kind", "holds"), [("T2w", True), ("noise", False)])
def test_an_image_is_found_where_it_lies_or_refused(kind: str, holds: bool, tmp_path: Path) -> None:
    head = phantom()
    data = array(head.t1w)
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 4, data.shape)
    seen = np.where(head.brain, 160.0 - data, 0) + noise if kind == "T2w" else noise
    image = nib.Nifti1Image(np.abs(seen).astype(np.float32), MOVED @ head.t1w.affine)
    fit = register_to_t1w(image, head.t1w, head.brain, tmp_path, seed=0)
    assert fit.holds is holds
    if holds:
        points = nib.affines.apply_affine(head.t1w.affine, np.argwhere(head.brain)[::200])
        error = nib.affines.apply_affine(fit.matrix, points) - nib.affines.apply_affine(MOVED, points)
        assert np.linalg.norm(error, axis=1).mean() < 1.0
        assert fit.gain > 2.0 and 10.0 < fit.moved_mm < 30.0


def test_shared_information() -> None:
    head = phantom()
    rng = np.random.default_rng(0)
    noise = like(head.t1w, rng.random(head.brain.shape).astype(np.float32))
    assert shared_information(head.t1w, noise, head.brain) < 0.01
    assert shared_information(head.t1w, like(head.t1w, 5.0 - 2 * array(head.t1w)), head.brain) > 0.9
    flat = like(head.t1w, np.ones(head.brain.shape, np.float32))
    assert shared_information(flat, flat, head.brain) == 0.0
