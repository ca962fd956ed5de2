"""One BOLD run: its repetition time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bids_stroke.preprocess.bold.run import load_series, repetition_time
from tests.helpers.bold import run_file


def test_tr_comes_from_the_sidecar_and_a_contradiction_is_said(tmp_path: Path) -> None:
    source = run_file(tmp_path, (4, 4, 4, 3), {"RepetitionTime": 2.5})
    tr, warnings = repetition_time(source, load_series(source))
    assert tr == 2.5
    assert "2.5 s in the sidecar, 2 s in the header" in warnings[0]
    agreeing = replace(source, metadata={"RepetitionTime": 2.0})
    assert repetition_time(agreeing, load_series(agreeing)) == (2.0, [])
