"""The carpet plot of a BOLD run: what it shows, and of what it is made."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.carpet import ROWS, carpet, draw_carpet
from bids_stroke.report.figures.unit import caption, draw_unit_figures

AFFINE = np.diag([-4.0, 4, 4, 1])
AFFINE[:3, 3] = [90, -126, -72]
SHAPE = (46, 55, 46)
N, TR = 40, 2.0


def series(rng: np.random.Generator) -> nib.Nifti1Image:
    """A box of noise of 0.3 %, with a drift; every voxel is 3 % brighter in volume 20."""
    data = np.zeros((*SHAPE, N), np.float32)
    box = data[8:-8, 8:-8, 8:-8]
    box[:] = 500 + 1.5 * rng.standard_normal(box.shape) + np.linspace(-20, 20, N)
    box[..., 20] += 15
    image = nib.Nifti1Image(data, AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((4, 4, 4, TR))
    return image


def halves(left: float = 1.0) -> dict[str, nib.Nifti1Image]:
    """Grey matter on one side, white matter on the other, on a grid of another orientation."""
    side = np.zeros((91, 109, 91), np.float32)
    side[45:] = left
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = [-90, -126, -72]
    return {"grey matter": nib.Nifti1Image(side, affine), "white matter": nib.Nifti1Image(1 - side, affine)}


def table() -> pd.DataFrame:
    displacement = np.r_[np.nan, np.full(N - 1, 0.1)]
    displacement[20] = 0.9
    outlier = (np.arange(N) == 20).astype(float)
    return pd.DataFrame(
        {"framewise_displacement": displacement, "std_dvars": displacement * 2, "motion_outlier00": outlier}
    )


def test_rows_are_per_cent_without_drift_tissue_by_tissue() -> None:
    rows, counts = carpet(series(np.random.default_rng(0)), halves())
    assert list(counts) == ["grey matter", "white matter"]
    assert sum(counts.values()) == len(rows)
    assert 0.95 * ROWS <= len(rows) <= ROWS + 2
    assert np.median(rows[:, 20]) == pytest.approx(3.0, abs=0.2)
    still = np.delete(rows, 20, axis=1)
    assert np.abs(np.median(still, axis=0)).max() < 0.2  # the drift of 8 % is gone
    assert still.std() == pytest.approx(0.3, abs=0.03)


def test_a_tissue_that_is_not_there_has_no_rows() -> None:
    _, counts = carpet(series(np.random.default_rng(0)), halves(left=0.0))
    assert list(counts) == ["white matter"]


def test_the_picture_shows_motion_limits_and_disturbed_volumes(tmp_path: Path) -> None:
    series(np.random.default_rng(0)).to_filename(tmp_path / "bold.nii.gz")
    table().to_csv(tmp_path / "confounds.tsv", sep="\t", index=False, na_rep="n/a")
    figure = draw_carpet("task rest", tmp_path / "bold.nii.gz", tmp_path / "confounds.tsv", halves())
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


def test_each_run_has_its_picture_with_the_same_bytes(tmp_path: Path) -> None:
    outputs, files = Outputs(tmp_path, "01"), {}
    for index, end in enumerate(("", "_2"), 1):
        names = {"task": "rest", "run": str(index)}
        path = outputs.standard("func", "bold.nii.gz", res="3", desc="preproc", **names)
        files[f"bold_standard{end}"] = outputs.save_image(path, series(np.random.default_rng(0)), {})
        path = outputs.path("func", "timeseries.tsv", desc="confounds", **names)
        files[f"confounds{end}"] = outputs.save_table(path, table(), {})
    reports = {"bold": StepReport(files=files)}
    drawn = draw_unit_figures(outputs, reports)
    assert [path.name for path in drawn] == [f"sub-01_task-rest_run-{i}_desc-carpet_figure.png" for i in (1, 2)]
    assert caption(drawn[1])[0] == "BOLD signal over time (carpet plot): task rest, run 2"
    before = drawn[0].read_bytes()
    assert draw_unit_figures(outputs, reports)[0].read_bytes() == before
    with Image.open(drawn[0]) as picture:
        assert np.asarray(picture.convert("L")).std() > 10
