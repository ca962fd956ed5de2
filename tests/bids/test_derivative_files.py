"""Outputs of an earlier run are recognised by the table of names, whatever they are called there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.derivatives.names import UNIT_FILES
from bids_stroke.derivatives.outputs import Outputs
from tests.helpers.bids import make_dataset


@pytest.fixture(params=["as they are", "renamed"], autouse=True)
def table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of today, and a table in which every suffix is another one."""
    if request.param == "renamed":
        for role, name in list(UNIT_FILES.items()):
            monkeypatch.setitem(UNIT_FILES, role, replace(name, suffix=f"{name.suffix}v2"))  # type: ignore[arg-type]


def earlier_run(root: Path, paths: list[Path]) -> Path:
    return make_dataset(root, {path.relative_to(root).as_posix(): None for path in paths})


def used(raw: Path, derivatives: Path) -> tuple[set[Path], dict[str, Path]]:
    """Images that the only unit is computed from, and what lies beside them."""
    [unit] = find_sessions(Selection(raw, derivatives={"earlier": derivatives}))
    beside = {role: path for file in unit.inputs for role, path in file.beside.items()}
    return {file.path for file in unit.inputs}, beside


def test_images_in_own_space(tmp_path: Path) -> None:
    raw = make_dataset(tmp_path / "raw", {f"sub-01/{folder}/sub-01_{name}.nii.gz": None for folder, name in
                                          (("anat", "T1w"), ("dwi", "dwi"), ("func", "task-rest_bold"))})  # fmt: skip
    path = Outputs(tmp_path / "earlier", "01").path
    images = [path("t1w"), path("brain_mask"), path("dwi"), path("dwi_mask"), path("bold", task="rest")]
    images += [path("tissue_probability", label=tissue) for tissue in ("GM", "WM", "CSF")]
    beside = {"confounds": path("confounds", task="rest"), "mask": path("bold_mask", task="rest")}
    found, lying_beside = used(raw, earlier_run(tmp_path / "earlier", [*images, *beside.values()]))
    assert found == set(images)
    assert lying_beside == beside


def test_bold_in_standard_space_has_the_confounds_but_not_the_mask_of_another_space(tmp_path: Path) -> None:
    raw = make_dataset(tmp_path / "raw", {"sub-01/func/sub-01_task-rest_bold.nii.gz": None})
    outputs = Outputs(tmp_path / "earlier", "01")
    bold = outputs.standard("bold", task="rest", res="3")
    confounds = outputs.path("confounds", task="rest")
    files = [bold, confounds, outputs.path("bold_mask", task="rest")]
    assert used(raw, earlier_run(tmp_path / "earlier", files)) == ({bold}, {"confounds": confounds})


def test_maps_and_lesions_in_standard_space(tmp_path: Path) -> None:
    raw = make_dataset(tmp_path / "raw", {"sub-01/anat/sub-01_T1w.nii.gz": None, "sub-01/dwi/sub-01_dwi.nii.gz": None})
    path = Outputs(tmp_path / "earlier", "01").standard
    maps = [path("tensor_map", param=param) for param in ("fa", "md", "rd", "ad")]
    maps += [path("tissue_intensity", label=tissue) for tissue in ("GM", "WM")]
    worse = [path("tissue_probability", label=tissue) for tissue in ("GM", "WM")]
    mask, shares = path("lesion_mask"), path("lesion_shares")
    folder = earlier_run(tmp_path / "earlier", [*maps, *worse, mask, shares])
    found, beside = used(raw, folder)
    assert found >= {*maps, mask}
    assert not found & set(worse)
    assert beside == {"share": shares}
