"""Baselines: what each one uses, where it is missing, and that it is kept for new people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import r2_score, roc_auc_score

from bids_stroke.core.records import Labelled, UnitFeatures
from bids_stroke.ensemble.baselines import ordinary_mean
from bids_stroke.ensemble.predict import predict
from bids_stroke.evaluation.evaluate import evaluate
from bids_stroke.features.readers import GRID_SHAPE
from bids_stroke.training.baselines import planned_baselines, train_baselines
from bids_stroke.training.cohort import make_cohort, read_shallow_cases
from bids_stroke.training.ensemble import train_ensemble, write_trained
from bids_stroke.training.folds import nested_folds
from tests.helpers.new_people import PLACE
from tests.helpers.training import CLINICAL_MEMBER, REGIONS, settings_of, silent
from tests.helpers.units import LSTM, labelled, rhythm, tiny_settings, write_recording, write_volume


def baselines_of(units: list[Labelled]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Out-of-fold probabilities and scores of each baseline."""
    cohort, settings = make_cohort(units, "fma_le"), tiny_settings()
    folds = nested_folds(cohort.participants, cohort.poor, settings.training, 0)
    trained = train_baselines(
        read_shallow_cases(planned_baselines(settings, cohort, [])), folds, PLACE, settings.training
    )
    merged = {}
    for one in trained:
        values = (one.fused.probability, one.fused.score)
        merged[one.name] = tuple(np.where(np.isfinite(v).any(0), np.nansum(v, axis=0), np.nan) for v in values)
    return merged


def test_baselines_use_only_what_they_are_named_for() -> None:
    rng = np.random.default_rng(0)
    units = []
    for i in range(60):
        score = float(rng.integers(0, 34))
        known = {"age": rng.normal(60, 10), "sex": "F", "fma_le": score}
        if i < 50:
            known["fma_le_baseline"] = score + rng.normal()
        units.append(Labelled(UnitFeatures(f"{i}", None, {}, {}, known, "d"), score, score <= 17))
    found = baselines_of(units)
    assert set(found) == {"clinical", "initial_score"}
    poor, score = (np.array([getattr(unit, name) for unit in units]) for name in ("poor", "score"))
    assert np.isfinite(found["initial_score"][0]).tolist() == [i < 50 for i in range(60)]
    assert np.isfinite(found["clinical"][0]).all()
    assert roc_auc_score(poor[:50], found["initial_score"][0][:50]) > 0.95
    assert roc_auc_score(poor, found["clinical"][0]) < 0.85
    assert r2_score(score[:50], found["initial_score"][1][:50]) > 0.9
    assert r2_score(score, found["clinical"][1]) < 0.3


def of_rules(n: int = 60) -> list[Labelled]:
    """People whose PREP2 tells the outcome; the last six lack what it needs. TWIST 2017 knows nothing."""
    rng = np.random.default_rng(0)
    steps: list[dict[str, float | str]] = [
        {"safe": 9.0}, {"safe": 3.0, "mep": 1.0}, {"safe": 3.0, "mep": "absent", "nihss_day3": 4.0},
        {"SAFE_score": 2.0, "mep": "no", "nihss_day3": 9.0},
    ]  # fmt: skip
    units = []
    for i in range(n):
        rank = int(rng.integers(0, 4))
        known = steps[rank] | {"age": float(rng.normal(60, 10)), "sex": "F", "tct": float(rng.integers(0, 2) * 60)}
        known |= {"hip_extension_mrc": 4.0}
        known = known if i < n - 6 else {"sex": "F", "safe": 6.0}  # for which PREP2 needs the age
        score = float(np.clip(28 - 7 * rank + rng.normal(0, 1), 0, 34))
        units.append(Labelled(UnitFeatures(f"{i}", None, {}, {}, known, "d"), score, score <= 17))
    return units


def test_a_rule_of_the_clinic_is_a_baseline_of_those_whom_it_can_be_computed_for(tmp_path: Path) -> None:
    units, settings = of_rules(), settings_of(clinical=CLINICAL_MEMBER)
    ensemble = train_ensemble(units, settings, "cpu", silent)
    table = ensemble.out_of_fold
    assert {"baseline_prep2", "baseline_twist_2017"} <= set(table) and "baseline_twist_2022" not in set(table)
    known = table.dropna(subset=["baseline_prep2"])
    lacking = {f"sub-{i}" for i in range(54, 60)}
    assert set(known["participant_id"]) == {unit.unit.participant_id for unit in units} - lacking
    assert roc_auc_score(known["poor"], known["baseline_prep2"]) > 0.97
    assert r2_score(known["score"], known["s_baseline_prep2"]) > 0.9
    assert roc_auc_score(known["poor"], known["baseline_twist_2017"]) < 0.75
    against = evaluate(table, settings, {"clinical": "clinical"}, settings.training.coverage).comparisons
    rows = against[(against["kind"] == "baseline") & (against["metric"] == "auc")].set_index("model")
    assert {"prep2", "twist_2017"} <= set(rows.index) and rows.loc["prep2", "difference"] < -0.2
    bundle = write_trained(tmp_path, ensemble, settings)
    (own,) = (one for one in bundle.baselines if one.name == "prep2")
    assert own.needs == "prep2" and own.entry.scaler.names == ("prep2",)
    told = {i: predict(bundle, new(**known), "cpu").baselines for i, known in enumerate([
        {"safe": 10.0}, {"safe": 1.0, "mep": 0.0, "nihss_day3": 20.0}, {"safe": 1.0}, {"prep2": 3.0}
    ])}  # fmt: skip
    assert told[0]["prep2"][0] < 0.1 < 0.9 < told[1]["prep2"][0]
    assert told[0]["prep2"][1] > 20 > 14 > told[1]["prep2"][1]
    assert set(told[2]) == set(told[3]) == {"clinical"}


def new(**known: float | str) -> UnitFeatures:
    """Somebody whom nothing is known of but age, sex and this."""
    return UnitFeatures("new", None, {}, {}, {"age": 60.0, "sex": "M", **known}, "other")


def test_a_baseline_that_few_have_is_left_out() -> None:
    """With five people of each class, an inner fold would be calibrated on one or two of them."""
    rng = np.random.default_rng(0)
    units = []
    for i in range(40):
        score = float(i % 2 * 10 + 12 + rng.normal())
        known = {"age": rng.normal(60, 10)} | ({"fma_le_baseline": score} if i < 10 else {})
        units.append(Labelled(UnitFeatures(f"{i}", None, {}, {}, known, "d"), score, score <= 17))
    assert set(baselines_of(units)) == {"clinical"}


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
    cohort, settings = make_cohort(units, "fma_le"), tiny_settings(members={"lstm": LSTM})
    from bids_stroke.training.members import planned_members

    members = [member for member, _ in planned_members(settings, cohort)]
    planned = planned_baselines(settings, cohort, members)
    read = {cases.member.name: cases for cases in read_shallow_cases(planned)}
    assert set(read) == {
        "baseline_clinical", "baseline_initial_score", "baseline_lesion_volume", "baseline_tract_load",
        "baseline_parcels_linear", "baseline_parcels_trees", "baseline_band_power",
    }  # fmt: skip

    def numbers(name: str) -> np.ndarray:
        return np.stack([read[f"baseline_{name}"].of(i).numpy().mean(0) for i in range(6)])

    np.testing.assert_allclose(numbers("lesion_volume")[:, 0], np.log1p(np.arange(6) / 5 * 600 * 0.008), rtol=1e-5)
    assert numbers("lesion_volume").shape[1] == 1 and numbers("tract_load").shape[1] == 2
    np.testing.assert_array_equal(numbers("parcels_linear")[:, :2], numbers("tract_load"))
    np.testing.assert_array_equal(numbers("parcels_linear"), numbers("parcels_trees"))
    power = numbers("band_power")
    assert ((power[:, 0] > power[:, 3]) == (np.arange(6) < 3)).all()  # delta, theta of the first of three channels
    assert read["baseline_clinical"].names == ("age", "sex", "days_since_stroke")
    assert read["baseline_initial_score"].names[-1] == "fma_le_baseline"
    without = [cases.member.name for cases in planned_baselines(settings, cohort, [])]
    assert "baseline_band_power" not in without  # nobody says which channels


def test_they_are_kept_in_the_bundle_and_applied_to_new_people(lesion_cohort: list[Labelled], tmp_path: Path) -> None:
    settings = settings_of(clinical=CLINICAL_MEMBER, lesion_regions=REGIONS)
    ensemble = train_ensemble(lesion_cohort, settings, "cpu", silent)
    columns = {name.removeprefix("baseline_") for name in ensemble.out_of_fold if name.startswith("baseline_")}
    assert {"clinical", "lesion_volume", "tract_load", "parcels_linear", "parcels_trees", "ordinary_mean"} <= columns
    bundle = write_trained(tmp_path, ensemble, settings)
    assert {one.name for one in bundle.baselines} == columns - {"ordinary_mean"}
    assert bundle.baselines == ensemble.contents.baselines
    said = predict(bundle, lesion_cohort[0].unit, "cpu")
    assert set(said.baselines) == columns and said.missing == {}
    for i in (0, 1):
        parts = [said.baselines[name][i] for name in ("parcels_linear", "parcels_trees")]
        assert said.baselines["ordinary_mean"][i] == pytest.approx(np.mean(parts))
    assert all(0 < probability < 1 for probability, _ in said.baselines.values())
    bare = UnitFeatures("x", None, {}, {"lesion": "no-lesion"}, {"age": 60.0}, "other")
    assert set(predict(bundle, bare, "cpu").baselines) == {"clinical"}


def test_there_is_no_mean_of_half_of_its_parts() -> None:
    assert ordinary_mean({"parcels_linear": (0.2, 1.0)}) == {}
    both = ordinary_mean({"parcels_linear": (0.2, 1.0), "parcels_trees": (0.4, 3.0), "clinical": (0.9, 9.0)})
    assert both == {"ordinary_mean": (pytest.approx(0.3), 2.0)}
