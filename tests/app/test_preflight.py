"""Checks before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.app import preflight
from bids_stroke.core.errors import OutputError, UsageError
from tests.helpers.bids import make_dataset


def test_the_validator_s_errors_are_listed_and_a_sound_dataset_has_none(tmp_path: Path, example: Path) -> None:
    assert preflight.validator_complaints(example) == []
    broken = make_dataset(tmp_path / "raw", {"sub-01/anat/sub-01_nonsense.nii.gz": None})
    complaints = preflight.validator_complaints(broken)
    assert any("sub-01_nonsense" in complaint for complaint in complaints or [])


def test_without_the_validator_there_is_no_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preflight.shutil, "which", lambda *_, **__: None)
    assert preflight.validator_complaints(tmp_path) is None


def test_outputs_may_lie_under_derivatives(tmp_path: Path) -> None:
    raw = make_dataset(tmp_path / "raw", {"sub-01/anat/sub-01_T1w.nii.gz": None})
    preflight.prepare_output(raw, raw / "derivatives" / "bids_stroke")
    assert (raw / "derivatives" / "bids_stroke").is_dir()
    for place in (raw, raw / "sub-01", raw / "sub-01" / "anat" / "out"):
        with pytest.raises(UsageError, match="would mix outputs"):
            preflight.prepare_output(raw, place)


def test_a_work_folder_of_its_own_or_the_given_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert preflight.prepare_work(tmp_path / "work") == tmp_path / "work"
    own = preflight.prepare_work(None)
    assert own.is_dir()
    own.rmdir()
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(OutputError, match="--work-dir"):
        preflight.prepare_work(file / "work")

    def no_folder(prefix: str) -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(preflight.tempfile, "mkdtemp", no_folder)
    with pytest.raises(OutputError, match="temporary folder"):
        preflight.prepare_work(None)


def test_devices() -> None:
    preflight.check_device("cpu")
    preflight.check_device("auto")
    with pytest.raises(UsageError, match="not known"):
        preflight.check_device("gpu")
    with pytest.raises(UsageError, match="CUDA devices here"):
        preflight.check_device("cuda:99")
