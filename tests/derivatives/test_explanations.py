"""The table of explanations comes back as it was written, and says so where it is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.core.errors import InputError
from bids_stroke.derivatives.explanations import COLUMNS, NetworkExplanation, explanation_table, read_explanations
from bids_stroke.derivatives.outputs import write_table

SHARES = {"lesion": 0.5, "tract": 0.25, "left": 0.5, "right": 0.125, "outside_brain": 0.25}
HOSTILE = 'a\t"b"\n<i>'
ROWS = (
    NetworkExplanation("fa", "fa", "cbam_resnet3d", 0.25, "Grad-CAM", **SHARES, figure="f.png"),  # type: ignore[arg-type]
    NetworkExplanation(HOSTILE, "eegemg", "lstm", 1.0, "integrated gradients", strongest="C3 (+1)", audit="failed"),
    NetworkExplanation("2", "gm", "cbam_resnet3d", 0.0, "Grad-CAM"),
)


def test_rows_come_back(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.tsv", explanation_table(ROWS))
    assert read_explanations(path) == ROWS
    assert "nan" not in path.read_text().lower()


def test_every_column_is_described() -> None:
    assert list(COLUMNS) == list(explanation_table(ROWS).columns)


@pytest.mark.parametrize("text", ["", "member\tother\nfa\t1\n", "member\tweight\nfa\tmuch\n"])
def test_another_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match="no table of explanations"):
        read_explanations(path)
