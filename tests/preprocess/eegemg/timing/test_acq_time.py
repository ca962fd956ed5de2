"""The begin of a recording by scans.tsv."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.preprocess.eegemg.timing.acq_time import acquired


def test_the_row_of_the_file_counts(tmp_path: Path) -> None:
    folder = tmp_path / "sub-01" / "ses-02"
    path = folder / "emg" / "sub-01_ses-02_task-leg_recording-left_emg.edf"
    assert acquired(path) is None
    folder.mkdir(parents=True)
    table = folder / "sub-01_ses-02_scans.tsv"
    other = "emg/sub-01_ses-02_task-leg_recording-right_emg.edf\t2000-01-01T12:00:00\n"
    table.write_text(f"filename\tacq_time\n{other}emg/{path.name}\t2000-01-01T12:00:02.5Z\n")
    assert acquired(path) == datetime(2000, 1, 1, 12, 0, 2, 500000)
    table.write_text(f"filename\tacq_time\n{other}")
    assert acquired(path) is None
    table.write_text(f"filename\tacq_time\nemg/{path.name}\tN/A\n")
    assert acquired(path) is None
    table.write_text(f"filename\tacq_time\nemg/{path.name}\tnoon\n")
    with pytest.raises(DataError, match="'noon' is not a date"):
        acquired(path)
