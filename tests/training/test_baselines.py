"""Baselines: what each one uses, and where it is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import r2_score, roc_auc_score

from bids_stroke.core.records import Labelled, UnitFeatures
from bids_stroke.features.readers import GRID_SHAPE, complete_inputs
from bids_stroke.training.baselines import baselines, predict_baselines
from bids_stroke.training.cohort import make_cohort
from bids_stroke.training.folds import nested_folds
from tests.helpers.units import LSTM, labelled, rhythm, tiny_settings, write_recording, write_volume


def test_baselines_use_only_what_they_are_named_for() -> None:
    rng = np.random.default_rng(0)
    units = []
    for i in range(60):
        score = float(rng.integers(0, 34))
        known = {"age": rng.normal(60, 10), "sex": "F", "fma_le_baseline": score + rng.normal(), "fma_le": score}
        units.append(Labelled(UnitFeatures(f"{i}", None, {}, {}, known, "d"), score, score <= 17))
    cohort = make_cohort(units, "fma_le")
    values = baselines(cohort, {})
    assert set(values) == {"clinical", "initial_score"}
    split = nested_folds(cohort.participants, cohort.poor, tiny_settings().training, 0)[0].split
    predicted = predict_baselines(values, cohort, split)
    poor, score = cohort.poor[split.test], cohort.score[split.test]
    assert roc_auc_score(poor, predicted["initial_score"][0]) > 0.95
    assert roc_auc_score(poor, predicted["clinical"][0]) < 0.85
    assert r2_score(score, predicted["initial_score"][1]) > 0.9 > r2_score(score, predicted["clinical"][1])


def test_baseline_is_missing_where_its_predictor_is() -> None:
    score = np.where(np.arange(20) % 2, 10.0, 30.0)
    known = [{"age": 50.0 + i} | ({"fma_le_baseline": i} if i < 19 else {}) for i in range(20)]
    units = [Labelled(UnitFeatures(f"{i}", None, {}, {}, known[i], "d"), score[i], score[i] <= 17) for i in range(20)]
    cohort = make_cohort(units, "fma_le")
    split = nested_folds(cohort.participants, cohort.poor, tiny_settings(outer_folds=2).training, 0)[0].split
    if 19 not in split.test:
        split = replace(split, train=split.test, test=split.train)
    predicted = predict_baselines(baselines(cohort, {}), cohort, split)
    for values in predicted["initial_score"]:
        assert np.isnan(values).tolist() == [row == 19 for row in split.test]
    assert np.isfinite(predicted["clinical"][0]).all()


def test_baselines_of_images_measure_what_they_are_named_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    units = []
    for i in range(6):
        fa, lesion = np.full(GRID_SHAPE, 0.4), np.zeros(GRID_SHAPE)
        fa[46:] -= 0.05 * i  # the left
        lesion[30:36, 50:60, 40:50] = i / 5
        files = {"fa": [write_volume(tmp_path / f"{i}_fa.nii", fa)],
                 "lesion": [write_volume(tmp_path / f"{i}_lesion.nii", lesion)]}  # fmt: skip
        files |= {"eegemg": write_recording(tmp_path, f"sub-{i}_task-leg", rhythm(2.0 if i < 3 else 6.0, 3, rng))}
        units.append(labelled(tmp_path, f"{i}", 10.0 + i, files))
    inputs = {"eegemg": complete_inputs("eegemg", LSTM["inputs"])}
    found = baselines(make_cohort(units, "fma_le"), inputs)
    assert set(found) == {
        "clinical", "initial_score", "lesion_volume", "tract_load", "tract_asymmetry", "band_power"
    }  # fmt: skip
    np.testing.assert_allclose(
        found["lesion_volume"].columns[:, 0], np.log1p(np.arange(6) / 5 * 600 * 0.008), rtol=1e-5
    )
    left = 0.4 - 0.05 * np.arange(6)
    np.testing.assert_allclose(found["tract_asymmetry"].columns[:, 0], (0.4 - left) / (0.4 + left), atol=0.01)
    delta, theta = found["band_power"].columns[:, 0], found["band_power"].columns[:, 1]
    assert ((delta > theta) == (np.arange(6) < 3)).all()
    assert found["tract_load"].columns.shape[1] == found["lesion_volume"].columns.shape[1] + 1
    without = baselines(make_cohort(units, "fma_le"), {})
    assert "band_power" not in without
