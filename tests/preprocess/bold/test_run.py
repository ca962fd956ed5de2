"""One BOLD run: its repetition time, and volumes before the steady state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bids_stroke.preprocess.bold.run import count_unsteady, load_series, repetition_time
from tests.helpers.bold import run_file


def test_tr_comes_from_the_sidecar_and_a_contradiction_is_said(tmp_path: Path) -> None:
    source = run_file(tmp_path, (4, 4, 4, 3), {"RepetitionTime": 2.5})
    tr, warnings = repetition_time(source, load_series(source))
    assert tr == 2.5
    assert "2.5 s in the sidecar, 2 s in the header" in warnings[0]
    agreeing = replace(source, metadata={"RepetitionTime": 2.0})
    assert repetition_time(agreeing, load_series(agreeing)) == (2.0, [])


def test_bright_first_volumes_are_counted() -> None:
    means = np.random.default_rng(5).normal(100, 0.1, 40)
    assert count_unsteady(means) == 0
    assert count_unsteady(means * np.r_[1.5, 1.2, 1.03, np.ones(37)]) == 3
    assert count_unsteady(means * np.linspace(1.02, 0.98, 40)) == 0  # a drift is none
    assert count_unsteady(means * np.r_[1, 1.3, np.ones(38)]) == 0  # nor is a jump after the first
