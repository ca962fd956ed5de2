"""channels.tsv at odds with the recording: named, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.core.records import Session
from tests.helpers.recordings import planted, process, together


def change_channels(session: Session, change: Callable[[list[str]], list[str]]) -> None:
    """Change the rows of channels.tsv, the first of which holds the names of the columns."""
    path = session.files("eeg")[0].path.with_name("sub-01_task-leg_channels.tsv")
    path.write_text("".join(f"{row}\n" for row in change(path.read_text().splitlines())))


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        (
            lambda rows: [row.replace("C3", "X9") for row in rows],
            "channels-mismatch",
            r"channels\.tsv is at odds with .*: only in the table: X9; only in the file: C3\.",
        ),
        (
            lambda rows: [rows[0], rows[2], rows[1], *rows[3:]],
            "channels-mismatch",
            r"the order differs, first in row 1 \(Fp2 instead of Fp1\)",
        ),
        (lambda rows: [row.split("\t")[0] for row in rows], "bad-channels-table", "has no column type"),
        (lambda rows: [], "bad-channels-table", r"channels\.tsv is no table"),
    ],
)
def test_channels_at_odds_with_the_file_fail(
    tmp_path: Path, change: Callable[[list[str]], list[str]], reason: str, words: str
) -> None:
    session = together(tmp_path / "raw", planted(12))
    change_channels(session, change)
    with pytest.raises(DataError, match=words) as caught:
        process(session, tmp_path / "out")
    assert caught.value.reason == reason


def test_rows_too_few_or_too_many_and_unknown_types_are_named(tmp_path: Path) -> None:
    session = together(tmp_path / "raw", planted(12))
    change_channels(session, lambda rows: [row.replace("O2\tEEG", "O2\tSPLEEN") for row in rows[:-1]])
    report = process(session, tmp_path / "a")
    assert any("without a row in channels.tsv and left out: vastus medialis" in note for note in report.warnings)
    assert any("a type that is not of BIDS are left out (SPLEEN)" in note for note in report.warnings)
    assert (report.qc["n_eeg_channels"], report.qc["n_emg_channels"]) == (9, 2)
    change_channels(session, lambda rows: [*rows, "vastus medialis\tEMG\tuV\tgood", "soleus\tEMG\tuV\tgood"])
    report = process(session, tmp_path / "b")
    assert any("names channels that are not in sub-01_task-leg_eeg.edf: soleus" in note for note in report.warnings)
    assert report.qc["n_emg_channels"] == 3
