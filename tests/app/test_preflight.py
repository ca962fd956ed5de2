"""Checks before anything runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bids_stroke.app import preflight
from bids_stroke.core.errors import OutputError, UsageError
from tests.conftest import ROOT
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
    assert preflight.prepare_work(tmp_path / "work").parent == tmp_path / "work"
    own = preflight.prepare_work(None)
    assert own.is_dir()
    own.rmdir()
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(OutputError, match="--work-dir"):
        preflight.prepare_work(file / "work")

    def no_folder(**_: object) -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(preflight.tempfile, "mkdtemp", no_folder)
    with pytest.raises(OutputError, match="temporary folder"):
        preflight.prepare_work(None)


@pytest.mark.inputs(
    "Intermediate files lie in a folder of the run, in `--work-dir` or TMPDIR: it is removed at the end, and by the "
    "next run on this machine where a run was killed."
)
@pytest.mark.parametrize("given", [True, False], ids=["--work-dir", "TMPDIR"])
def test_what_a_run_that_is_gone_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool) -> None:
    monkeypatch.setattr(preflight.tempfile, "tempdir", str(tmp_path))
    code = "import sys; from bids_stroke.app.preflight import prepare_work as p; print(p(None))"
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    left = Path(done.stdout.strip())
    (left / "inner").mkdir()
    live, foreign = preflight.prepare_work(tmp_path), tmp_path / "bids_stroke_notes"
    foreign.mkdir()
    left.mkdir(exist_ok=True)
    new = preflight.prepare_work(tmp_path if given else None)
    assert set(tmp_path.iterdir()) == {live, foreign, new}


@pytest.mark.parametrize("check", [preflight.check_device, preflight.check_device_with_torch])
def test_devices(check: Callable[[str], None]) -> None:
    check("cpu")
    check("auto")
    with pytest.raises(UsageError, match="not known"):
        check("gpu")
    with pytest.raises(UsageError, match="CUDA devices here"):
        check("cuda:99")


def test_the_driver_counts_the_gpus_that_torch_counts() -> None:
    import torch

    assert preflight.count_gpus() == (torch.cuda.device_count() if torch.cuda.is_available() else 0)


DRIVER = """
#include <stdlib.h>
int cuInit(unsigned int flags) { return flags; }
int cuDeviceGetCount(int *count) { *count = atoi(getenv("GPUS")); return *count < 0 ? 100 : 0; }
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize(("gpus", "counted"), [("2", 2), ("0", 0), ("-1", 0)])
def test_a_driver_is_asked_for_its_gpus(tmp_path: Path, gpus: str, counted: int) -> None:
    """With a driver of our own, where there is none: the library is found, called, and its error is no GPU."""
    (tmp_path / "driver.c").write_text(DRIVER)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "libcuda.so.1", tmp_path / "driver.c"], check=True)
    code = "from bids_stroke.app.preflight import count_gpus; print(count_gpus())"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "GPUS": gpus}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) == counted


def test_a_look_at_a_folder_makes_nothing(tmp_path: Path) -> None:
    preflight.check_writable(tmp_path / "a" / "b", "OUTPUT_DIR")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"OUTPUT_DIR .*/file/a .*/file is a file"):
        preflight.check_writable(tmp_path / "file" / "a", "OUTPUT_DIR")
    with pytest.raises(OutputError, match="too long"):
        preflight.check_writable(tmp_path / ("a" * 300), "OUTPUT_DIR")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_closed_folder_is_seen_by_a_look(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="no permission"):
        preflight.check_writable(tmp_path / "closed" / "out", "OUTPUT_DIR")


@pytest.mark.inputs("A folder in OUTPUT_DIR that is a link into BIDS_DIR is refused: exit code 2.")
@pytest.mark.parametrize("link", ["sub-1", "sub-1/anat", "sub-1/ses-a", "sub-1/ses-a/anat", "phenotype", "logs"])
def test_an_output_folder_that_leads_into_the_raw_data_is_refused(tmp_path: Path, link: str) -> None:
    raw, out = make_dataset(tmp_path / "raw"), tmp_path / "out"
    (raw / link).mkdir(parents=True)
    (out / link).parent.mkdir(parents=True, exist_ok=True)
    (out / link).symlink_to(raw / link)
    with pytest.raises(UsageError, match=f"{link} in OUTPUT_DIR is a link into BIDS_DIR"):
        preflight.check_output(raw, out)


def test_other_links_are_the_user_s_own(tmp_path: Path) -> None:
    raw, big = make_dataset(tmp_path / "raw"), tmp_path / "big_disk"
    out = raw / "derivatives" / "bids_stroke"
    (out / "sub-1" / "anat").mkdir(parents=True)
    big.mkdir()
    (out / "sub-2").symlink_to(big)
    (out / "sub-3").symlink_to(out / "sub-1")
    (out / "sub-4").symlink_to(tmp_path / "nowhere")
    preflight.check_output(raw, out)


def test_results_that_would_be_deleted_with_the_container_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    preflight.check_kept(Path("/nowhere/out"))  # no container
    monkeypatch.setenv("BIDS_STROKE_IMAGE", "bids_stroke:0.1.0")
    with pytest.raises(OutputError, match=r"-v /path/on/the/host:/nowhere/out") as refused:
        preflight.check_kept(Path("/nowhere/out"))
    assert (refused.value.exit_code, refused.value.reason) == (73, "not-mounted")
