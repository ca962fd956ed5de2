"""The carpet plot of a BOLD run: what it shows, and of what it is made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_stroke.report.figures.carpet import ROWS, carpet, draw_carpet
from tests.helpers.bold_series import confounds_table, half_tissues, noise_series


def test_rows_are_per_cent_without_drift_tissue_by_tissue() -> None:
    rows, counts = carpet(noise_series(np.random.default_rng(0)), half_tissues())
    assert list(counts) == ["grey matter", "white matter"]
    assert sum(counts.values()) == len(rows)
    assert 0.95 * ROWS <= len(rows) <= ROWS + 2
    assert np.median(rows[:, 20]) == pytest.approx(3.0, abs=0.2)
    still = np.delete(rows, 20, axis=1)
    assert np.abs(np.median(still, axis=0)).max() < 0.2  # the drift of 8 % is gone
    assert still.std() == pytest.approx(0.3, abs=0.03)


def test_a_tissue_that_is_not_there_has_no_rows() -> None:
    _, counts = carpet(noise_series(np.random.default_rng(0)), half_tissues(left=0.0))
    assert list(counts) == ["white matter"]


def test_the_picture_shows_motion_limits_and_disturbed_volumes(tmp_path: Path) -> None:
    noise_series(np.random.default_rng(0)).to_filename(tmp_path / "bold.nii.gz")
    confounds_table().to_csv(tmp_path / "confounds.tsv", sep="\t", index=False, na_rep="n/a")
    figure = draw_carpet("task rest", tmp_path / "bold.nii.gz", tmp_path / "confounds.tsv", half_tissues())
    displacement, change, rows, bar = figure.axes
    assert "1 of 40 volumes disturbed" in figure.get_suptitle()
    assert displacement.get_ylabel() == "FD (mm)"
    assert [line.get_ydata()[0] for line in (displacement.lines[1], change.lines[1])] == [0.5, 1.5]
    for ax in (displacement, change):
        span = ax.patches[0].get_window_extent().transformed(ax.transData.inverted())
        assert (span.x0, span.x1) == pytest.approx((39, 41))
        assert ax.get_xlim() == rows.get_xlim() == (-1, 79)
    assert rows.get_xlabel() == "time (s)"
    assert "%" in bar.get_ylabel()
