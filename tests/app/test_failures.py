"""Causes are named: a full disk, too little memory, whatever library said it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from edfio import Edf, EdfSignal

from bids_stroke.app import failures
from bids_stroke.app.failures import as_ours, failure_lines, is_of_data, killed
from bids_stroke.core.errors import BidsStrokeError, DataError, InputError, MemoryShortageError, OutputError
from bids_stroke.core.records import UnitStatus
from bids_stroke.derivatives.outputs import write_atomic

TERABYTES = 10**14


def caught(fails: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as error:
        fails()
    return error.value


def wrapped() -> None:
    """As a reader does that takes whatever its library raises for a broken file."""
    try:
        np.zeros(TERABYTES, np.uint8)
    except Exception as error:
        raise DataError("sub-1_T1w.nii.gz cannot be read.", "", "unreadable-image") from error


def of_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total of 8 GiB.")


def of_itk() -> None:
    raise RuntimeError("Exception thrown in SimpleITK: Failed to allocate memory for image.")


def of_loader() -> None:
    raise ImportError("_c_internal_utils.so: failed to map segment from shared object")


SHORT: dict[str, tuple[Callable[[], object], str]] = {
    "numpy": (lambda: np.zeros(TERABYTES, np.uint8), "99945.61 GB more were"),
    "torch": (lambda: torch.empty(TERABYTES, dtype=torch.uint8), "100000.00 GB more were"),
    "python": (lambda: bytearray(TERABYTES), "more was"),
    "behind an unreadable file": (wrapped, "99945.61 GB more were"),
    "a graphics card": (of_gpu, "of the GPU: 2.68 GB more were"),
    "ITK": (of_itk, "more was"),
    "a library that is loaded": (of_loader, "more was"),
}


@pytest.mark.inputs(
    "Too little memory is named as that (`out-of-memory`, or `process-killed`), with the amount that was asked for "
    "where it is known."
)
@pytest.mark.parametrize(("fails", "words"), SHORT.values(), ids=SHORT)
def test_too_little_memory_is_named_with_the_figure(fails: Callable[[], object], words: str, tmp_path: Path) -> None:
    error = as_ours(caught(fails), {"OUTPUT_DIR": tmp_path})
    assert isinstance(error, MemoryShortageError)
    assert (error.reason, error.exit_code) == ("out-of-memory", 65)
    assert f"{words} asked for than there is" in error.message
    assert "4 GB" in error.remedy
    assert not is_of_data(error)


def edf(path: Path) -> None:
    Edf([EdfSignal(np.arange(512.0), 256, label="C3")]).write(path)


FULL: dict[str, Callable[[Path], object]] = {
    "an EDF file": edf,
    "an array": lambda path: np.arange(512.0).tofile(path),
    "a text": lambda path: path.write_text("a" * 512),
}


@pytest.mark.inputs("A full disk is named as that (`cannot-write`, exit code 73 where nothing else can be done).")
@pytest.mark.parametrize("write", FULL.values(), ids=FULL)
def test_a_full_disk_is_named_with_the_file(write: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "out.edf"

    def to_full(temporary: Path) -> None:
        temporary.symlink_to("/dev/full")
        write(temporary)

    with pytest.raises(OutputError, match=r"out\.edf cannot be written: (No space left on device|no space left)"):
        write_atomic(path, to_full)
    assert list(tmp_path.iterdir()) == []
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    error = as_ours(caught(lambda: write(full)), {"OUTPUT_DIR": Path("/nowhere"), "The work folder": tmp_path})
    assert isinstance(error, OutputError)
    assert "cannot be written" in error.message and "Make room" in error.remedy
    assert not is_of_data(error)


def test_what_a_library_says_otherwise_of_a_full_disk_is_seen_by_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = RuntimeError("NiftiImageIO: cannot write image")
    assert as_ours(failed, {"The work folder": tmp_path}).reason == "internal-error"
    monkeypatch.setattr(failures, "FULL", 2**80)
    error = as_ours(failed, {"The work folder": tmp_path})
    assert error.reason == "cannot-write"
    assert f"The work folder {tmp_path} is full" in error.message and "cannot write image" in error.message


def test_errors_of_ours_stay_and_others_are_internal(tmp_path: Path) -> None:
    bad = DataError("sub-1_dwi.bval is broken.", "Mend it.", "gradient-format")
    assert as_ours(bad, {"OUTPUT_DIR": tmp_path}) is bad
    error = as_ours(KeyError("fa"), {"OUTPUT_DIR": tmp_path})
    assert type(error) is BidsStrokeError
    assert str(error).startswith("KeyError: 'fa'.")


def test_only_data_decide_what_a_prediction_does_without() -> None:
    assert is_of_data(DataError("")) and is_of_data(InputError(""))
    for error in (BidsStrokeError(""), OutputError(""), MemoryShortageError(""), killed()):
        assert not is_of_data(error)


def test_each_failure_is_a_line() -> None:
    failed = UnitStatus("1", "b", "failed", "missing-bval", "sub-1_ses-b_dwi.nii.gz has no .bval file.")
    assert failure_lines([UnitStatus("1", "a", "done"), failed]) == [
        "sub-1 ses-b failed (missing-bval): sub-1_ses-b_dwi.nii.gz has no .bval file."
    ]
