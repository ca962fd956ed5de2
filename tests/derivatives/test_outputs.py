"""Names, atomic writes, sidecars."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_stroke.core.errors import OutputError
from bids_stroke.core.records import SPACE, BidsFile
from bids_stroke.derivatives.names import GRID, RUN, UNIT_FILES, OutputName, bidsignore, sidecar_of
from bids_stroke.derivatives.outputs import Outputs, write_atomic, write_dataset_files, write_json

SHAPE = (7, 6, 5, 4)


def test_paths_are_put_together_from_the_row_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = OutputName("perf", "perfmap", ".nii.gz", {"model": "pcasl", "param": "cbf|att"}, (*RUN, *GRID))
    monkeypatch.setitem(UNIT_FILES, "flow", row)
    unit = Outputs(tmp_path, "01", "02")
    name = f"sub-01_ses-02_run-1_space-{SPACE}_res-2_model-pcasl_param-cbf_perfmap.nii.gz"
    assert unit.standard("flow", param="cbf", run="1") == tmp_path / "sub-01" / "ses-02" / "perf" / name
    own = Outputs(tmp_path, "01").path("flow", param="att", run=None)
    assert own == tmp_path / "sub-01" / "perf" / "sub-01_model-pcasl_param-att_perfmap.nii.gz"
    monkeypatch.setitem(UNIT_FILES, "flow", replace(row, datatype=""))
    assert unit.path("flow", param="cbf").parent == tmp_path / "sub-01" / "ses-02"


@pytest.mark.parametrize(("dtype", "stored"), [(np.float64, "float32"), (np.float32, "float32"), (bool, "uint8")])
def test_images_keep_values_type_and_bytes(tmp_path: Path, dtype: type, stored: str) -> None:
    data = (np.arange(24).reshape(2, 3, 4) % 2).astype(dtype)
    image = nib.Nifti1Image(data.astype(np.uint8) if dtype is bool else data, np.diag([2, 2, 2, 1.0]))
    contents = []
    for subject in ("01", "02"):
        unit = Outputs(tmp_path, subject)
        path = unit.save_image(unit.path("brain_mask"), image, {"Type": "Brain"})
        contents.append(path.read_bytes())
        assert unit.written == [path, path.with_name(path.name.replace(".nii.gz", ".json"))]
    loaded = nib.load(path)
    assert str(loaded.get_data_dtype()) == stored
    assert np.array_equal(np.asanyarray(loaded.dataobj), data)
    assert contents[0] == contents[1]


def test_sources_are_uris(tmp_path: Path) -> None:
    unit = Outputs(tmp_path, "01")
    raw = BidsFile(Path("x"), {}, {}, "bids:raw:sub-01/anat/sub-01_T1w.nii.gz")
    assert unit.sources([raw, tmp_path / "sub-01" / "a.nii.gz"]) == [raw.uri, "bids::sub-01/a.nii.gz"]


def test_tables_write_missing_values_as_bids_wants(tmp_path: Path) -> None:
    unit = Outputs(tmp_path, "01")
    table = pd.DataFrame({"a": [1.5, np.nan], "b": ["x", None]})
    path = unit.save_table(unit.path("confounds"), table, {"a": {"Units": "mm"}})
    assert path.read_text() == "a\tb\n1.5\tx\nn/a\tn/a\n"
    assert json.loads(path.with_suffix(".json").read_text()) == {"a": {"Units": "mm"}}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        write_atomic(path, fail)
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_a_full_or_closed_disk_is_an_output_error(tmp_path: Path, code: int) -> None:
    def fail(temporary: Path) -> None:
        raise OSError(code, "no")

    with pytest.raises(OutputError, match=r"a\.txt cannot be written"):
        write_atomic(tmp_path / "a.txt", fail)


def test_nan_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_dataset_files(tmp_path: Path) -> None:
    write_dataset_files(tmp_path, "../raw", {"lesions": Path("../lesions")})
    description = json.loads((tmp_path / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["DatasetLinks"] == {"raw": "../raw", "lesions": "../lesions"}
    ignored = (tmp_path / ".bidsignore").read_text().split()
    assert not any(line.endswith("/") for line in ignored)
    assert tuple(ignored) == bidsignore()


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_written_images_are_nibabel_s(tmp_path: Path, ending: str) -> None:
    data = np.random.default_rng(3).normal(size=SHAPE)
    image = nib.Nifti1Image(data.astype(np.float32), np.diag([2.0, 3.0, 4.0, 1.0]))
    outputs = Outputs(tmp_path, "1")
    first = outputs.save_image(tmp_path / f"a.{ending}", image, {}).read_bytes()
    assert outputs.save_image(tmp_path / f"b.{ending}", image, {}).read_bytes() == first  # no name, no time
    read = nib.load(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(np.asarray(read.dataobj), data.astype(np.float32))
    np.testing.assert_array_equal(read.affine, image.affine)
    assert read.get_data_dtype() == np.float32


def test_images_in_standard_space_say_what_they_are_aligned_with(tmp_path: Path) -> None:
    unit, image = Outputs(tmp_path, "01"), nib.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.eye(4))
    standard = unit.save_image(unit.standard("t1w"), image, {"Sources": []})
    native = unit.save_image(unit.path("t1w"), image, {"Sources": []})
    assert json.loads(sidecar_of(standard).read_text())["SpatialReference"].startswith("MNI152NLin2009aSym")
    assert "SpatialReference" not in json.loads(sidecar_of(native).read_text())
