"""A model recalibrated on new people: right on further ones, coherent, and aware of whom it has seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bids_stroke.app.trained.recalibrate import recalibrate
from bids_stroke.cli.tools import command
from bids_stroke.core.errors import BidsStrokeError, DataError, InputError, UsageError
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.outputs import write_json, write_table
from bids_stroke.ensemble.baselines import Baseline
from bids_stroke.ensemble.bundle import Bundle, load_bundle, write_bundle
from bids_stroke.ensemble.predict import predict
from bids_stroke.evaluation.calibration import calibration_intercept
from bids_stroke.evaluation.metrics import calibration_slope
from bids_stroke.fusion.distribution import Distribution, expit
from bids_stroke.fusion.fitted import Fusion
from tests.helpers.bundles import rhythm_unit
from tests.helpers.units import tiny_contents

LEVEL, SLOPE = -1.2, 0.6
"""What is wrong with the probabilities at the other place."""


def distribution_of(bundle: Bundle) -> Distribution:
    assert bundle.fusion.distribution is not None
    return bundle.fusion.distribution


def people(bundle: Bundle, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of people of the other place, and their outcomes."""
    rng = np.random.default_rng(seed)
    index = rng.normal(0, 1.2, n)
    logit = LEVEL + SLOPE * distribution_of(bundle).line.logit(index)
    return index, (rng.random(n) < expit(logit)).astype(float)


def evaluated(root: Path, bundle: Bundle, n: int = 500, of: str = "Elsewhere", **changes: object) -> Path:
    """OUTPUT_DIR of another dataset, as after the level ``group``."""
    index, poor = people(bundle, n, seed=0)
    table = pd.DataFrame(
        {
            "participant_id": [f"sub-{i:04d}" for i in range(n)], "session_id": None, "excluded": None,
            "score": np.where(poor > 0, 10.0, 25.0), "poor": poor, "in_training_set": False,
            "probability_poor": distribution_of(bundle).probability(index),
        }
    )  # fmt: skip
    write_table(dataset_file(root, "group_predictions"), table.assign(**changes))
    write_json(dataset_file(root, "dataset"), {"Name": of, "Roots": []})
    return root


@pytest.fixture
def parent(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "parent", tiny_contents())


def calibration(bundle: Bundle, index: np.ndarray, poor: np.ndarray) -> tuple[float, float]:
    said, once = distribution_of(bundle).probability(index), np.ones((1, len(poor)))
    return float(calibration_intercept(poor, said, once)[0]), float(calibration_slope(poor, said, once)[0])


@pytest.mark.parametrize("method", ["intercept", "slope"])
def test_on_further_people_level_and_slope_are_right(tmp_path: Path, parent: Bundle, method: str) -> None:
    out = evaluated(tmp_path / "out", parent, 2000)
    new = recalibrate(parent.path, out, tmp_path / "new", method, lambda _: None)
    index, poor = people(parent, 4000, seed=1)
    before, after = calibration(parent, index, poor), calibration(new, index, poor)
    assert abs(before[0]) > 0.7 and before[1] < 0.7
    assert abs(after[0]) < 0.2
    assert (abs(after[1] - 1) < 0.2) == (method == "slope")


def test_probability_score_range_and_decision_stay_of_one_distribution(tmp_path: Path, parent: Bundle) -> None:
    out = evaluated(tmp_path / "out", parent)
    new = recalibrate(parent.path, out, tmp_path / "new", "slope", lambda _: None)
    old, found, index = distribution_of(parent), distribution_of(new), np.linspace(-4, 4, 41)
    beyond = 1 - found.level(index, np.full(len(index), found.limits[found.cut] * found.direction))
    assert np.allclose(beyond, found.probability(index))  # the score's mass beyond the cut is the probability
    assert (np.diff(found.probability(index)) > 0).all() and (np.diff(found.score(index)) < 0).all()
    assert (found.score(index) > old.score(index)).mean() > 0.5
    for x in index.tolist():
        low, high = found.probability_interval(x)
        assert low < float(found.probability(np.array([x]))[0]) < high
        assert found.decide(float(found.probability(np.array([x]))[0])) in (
            old.decide(float(old.probability(np.array([x]))[0])), "abstain",
        )  # fmt: skip
    assert found.decided[0] <= 0.2 and found.decided[1] >= 0.8


def test_a_prediction_is_the_parents_but_for_the_map(tmp_path: Path, parent: Bundle) -> None:
    out = evaluated(tmp_path / "out", parent)
    new = recalibrate(parent.path, out, tmp_path / "new", "slope", lambda _: None)
    unit, change = rhythm_unit(tmp_path), distribution_of(new).recalibration
    assert change is not None
    before, after = predict(parent, unit), predict(new, unit)
    assert after.index == before.index and after.members == before.members
    assert after.contributions == before.contributions
    assert sum(part.moves for part in after.contributions) == pytest.approx(after.index)
    assert after.probability_poor == pytest.approx(change.of(before.probability_poor))
    assert any("learned anew from 500 people of Elsewhere" in text for text in after.warnings)


def test_the_new_bundle_knows_its_parent_and_whom_it_has_seen(tmp_path: Path, parent: Bundle) -> None:
    out = evaluated(tmp_path / "out", parent)
    done = CliRunner().invoke(command, ["recalibrate", str(parent.path), str(out), str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    whole = CliRunner().invoke(command, ["model", "verify", str(tmp_path / "new")])
    assert whole.exit_code == 0 and "is whole" in whole.output
    new = load_bundle(tmp_path / "new")
    told = new.facts["recalibration"]
    assert (told["parent"], told["parent_sha256"]) == (parent.name, parent.sha256)
    assert (new.name, new.version) == ("new", "1.1.0") and new.sha256 != parent.sha256
    assert new.saw("Elsewhere", "sub-0007") is True and parent.saw("Elsewhere", "sub-0007") is False
    assert new.saw("tiny", "sub-00") is True and new.saw("Elsewhere", "sub-9999") is False
    assert {k: v for k, v in new.facts.items() if k != "recalibration"} == dict(parent.facts)
    card = (new.path / "docs" / "model_card.md").read_text()
    assert parent.sha256 in card and "500 people of Elsewhere" in card
    assert "sub-" not in (new.path / "configs" / "metadata.json").read_text()
    for file in ("a.safetensors", "b.safetensors"):
        assert (new.path / "models" / file).read_bytes() == (parent.path / "models" / file).read_bytes()


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda out, parent: evaluated(out, parent, 12), DataError, "needs 20 people with a known outcome"),
        (lambda out, parent: evaluated(out, parent, in_training_set=True), DataError, "Nobody in .* is new"),
        (lambda out, parent: evaluated(out, parent, in_training_set=None), DataError, "Nobody in .* is new"),
        (
            lambda out, parent: evaluated(out, parent, 40, "tiny", participant_id=[f"sub-{i:02d}" for i in range(40)]),
            DataError, "sub-00, sub-01 of tiny were in the model's training",
        ),
        (lambda out, parent: out, InputError, "holds no evaluation"),
    ],
    ids=["few", "training", "unknown", "ledger", "nothing"],
)  # fmt: skip
def test_what_cannot_be_fitted_is_refused(
    tmp_path: Path, parent: Bundle, wrong: Callable[[Path, Bundle], Path], error: type[BidsStrokeError], words: str
) -> None:
    wrong(tmp_path / "out", parent)
    with pytest.raises(error, match=words):
        recalibrate(parent.path, tmp_path / "out", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_other_models_and_second_recalibrations_are_refused(tmp_path: Path, parent: Bundle) -> None:
    out = evaluated(tmp_path / "out", parent)
    recalibrate(parent.path, out, tmp_path / "new", say=lambda _: None)
    with pytest.raises(UsageError, match="already there"):
        recalibrate(parent.path, out, tmp_path / "new")
    with pytest.raises(UsageError, match="is itself recalibrated"):
        recalibrate(tmp_path / "new", out, tmp_path / "again")
    bare = write_bundle(
        tmp_path / "bare", tiny_contents(fusion=tiny_contents().fusion.__class__({"a": 0.75, "b": 0.25}))
    )
    with pytest.raises(UsageError, match="no distribution"):
        recalibrate(bare.path, out, tmp_path / "again")
    prediction = out / "sub-0001" / "sub-0001_desc-fmale_prediction.json"
    prediction.parent.mkdir()
    prediction.write_text(json.dumps(prediction_of("0" * 64)))
    with pytest.raises(UsageError, match="was not made with the model"):
        recalibrate(parent.path, out, tmp_path / "again")


def prediction_of(sha256: str) -> dict[str, object]:
    """As in a file."""
    model = {"name": "x", "version": "1", "sha256": sha256, "demonstration": False, "outcome": "fma_le<=17"}
    return {
        "probability_poor": 0.5, "probability_poor_interval": None, "prediction": "abstain", "predicted_score": None,
        "members": {}, "missing": {}, "model": model, "in_training_set": False, "warnings": [],
    }  # fmt: skip


def test_baselines_are_recalibrated_on_the_same_people(tmp_path: Path) -> None:
    plain = tiny_contents()
    entries = [replace(plain.members[0], member=replace(plain.members[0].member, name=f"baseline_{x}")) for x in "xy"]
    own = [Fusion({e.member.name: 1.0}, plain.fusion.scales[:1], plain.fusion.distribution) for e in entries]
    states = {**plain.states, **{e.member.name: plain.states["a"] for e in entries}}
    both = tuple(Baseline(entry, fusion) for entry, fusion in zip(entries, own, strict=True))
    parent = write_bundle(tmp_path / "with", tiny_contents(baselines=both, states=states))
    out = evaluated(tmp_path / "out", parent)
    table = pd.read_csv(dataset_file(out, "group_predictions"), sep="\t")
    few = table["probability_poor"].where(table.index < 10)
    write_table(
        dataset_file(out, "group_predictions"), table.assign(baseline_x=table["probability_poor"], baseline_y=few)
    )
    new = recalibrate(parent.path, out, tmp_path / "new", say=lambda _: None)
    first, second = (one.fusion.distribution for one in new.baselines)
    assert first == distribution_of(new)  # as good as the fusion, it gets the same map
    assert second == distribution_of(parent)  # too few have it
