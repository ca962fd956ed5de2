"""Early fusion of members that are fitted in one go: it finds a weak cause beside a strong one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

from bids_stroke.core.errors import UsageError
from bids_stroke.core.records import Labelled
from bids_stroke.derivatives.predictions import prediction_json, prediction_row, read_prediction
from bids_stroke.ensemble.metadata import EVIDENCE
from bids_stroke.ensemble.predict import predict
from bids_stroke.fusion.out_of_fold import read_out_of_fold
from bids_stroke.fusion.subset import fit_fusion
from bids_stroke.networks import registry
from bids_stroke.networks.regions import GRID_SHAPE
from bids_stroke.training.cohort import make_cohort, read_cases
from bids_stroke.training.early_fusion import join_cases
from bids_stroke.training.ensemble import train_ensemble, write_trained
from bids_stroke.training.members import planned_members
from tests.helpers.training import CLINICAL_MEMBER, POWER, REGIONS, TREES, silent
from tests.helpers.units import labelled, rhythm, tiny_settings, write_recording, write_volume


def hidden_cause(folder: Path, n: int) -> list[Labelled]:
    """The score follows the lesion's size, and half as much a rhythm; every eighth lacks one, every ninth the other."""
    rng = np.random.default_rng(1)
    units = []
    for i in range(n):
        big, slow = rng.uniform(-1, 1, 2)
        score = float(np.clip(np.round(17.5 - 11 * big - 5 * slow + rng.normal(0, 0.5)), 0, 34))
        size = round(13 + 9 * big)
        mask = np.zeros(GRID_SHAPE, np.float32)
        mask[50 : 50 + size, 40 : 40 + size, 40 : 40 + size] = 1
        features: dict[str, Sequence[Path]] = {}
        if i % 8:
            features["lesion"] = [write_volume(folder / f"sub-{i:02d}_mask.nii", mask)]
        if i % 9 != 1:
            features["eegemg"] = write_recording(folder, f"sub-{i:02d}_task-leg", rhythm(3.0 - 2 * slow, 6, rng))
        units.append(labelled(folder, f"{i:02d}", score, features))
    return units


def test_early_fusion_finds_the_weak_cause_beside_the_strong_one(tmp_path: Path) -> None:
    cohort = hidden_cause(tmp_path / "cohort", 64)
    settings = tiny_settings(members={"lesion": REGIONS, "power": POWER})
    trained = train_ensemble(cohort, settings, "cpu", silent)
    assert [entry.member.name for entry in trained.contents.members] == ["lesion", "power"]
    entry = trained.contents.early
    assert entry is not None and entry.member.inputs == {"parts": ["lesion", "power"]}
    table = trained.out_of_fold
    assert "fusion_early" in table and "p_early_fusion" not in table
    assert not trained.subsets["members"].str.contains("early").any()
    found = {name: r2_score(table["score"][known], table[name][known])
             for name in ("s_lesion", "s_power", "s_fusion_early") for known in [table[name].notna()]}  # fmt: skip
    assert found["s_fusion_early"] > max(found["s_lesion"], found["s_power"]) + 0.05
    # predicting says what training said, also of somebody who lacks a part
    bundle = write_trained(tmp_path / "models", trained, settings)
    cases = make_cohort(cohort, "fma_le")
    planned = {member.name: member for member, _ in planned_members(settings, cases)}
    parts = [read_cases(planned[name], settings.training, cases) for name in ("lesion", "power")]
    joined = join_cases(planned["early_fusion"], settings.training, parts)
    network = registry.build("early_fusion", **entry.member.arguments)
    network.load_state_dict(dict(trained.contents.states["early_fusion"]))
    for row in (2, 3):
        covariates = torch.from_numpy(entry.scaler.transform(joined.covariates[row]))[None]
        expected = float(network(joined.of(row), covariates)[0, 0].sigmoid())
        said = predict(bundle, cohort[row].unit, "cpu")
        assert said.missing == {} and said.early_fusion is not None and list(said.members) == ["lesion", "power"]
        assert said.early_fusion.probability == pytest.approx(expected, abs=1e-9)
        assert prediction_row(said)["fusion_early"] == said.early_fusion.probability
        (tmp_path / "p.json").write_text(json.dumps(prediction_json(said)))
        assert read_prediction(tmp_path / "p.json") == said
    for row, part in ((8, "lesion"), (10, "power")):  # without lesion, without recording: nothing is filled in
        assert joined.samples[row] is None
        said = predict(bundle, cohort[row].unit, "cpu")
        assert set(said.missing) == {part, "early_fusion"} and said.early_fusion is None
        (rest,) = said.members.values()
        assert rest.weight == 1 and said.predicted_score is not None
        (warning,) = (text for text in said.warnings if "weight" in text)
        assert warning.startswith("1 of 2 members and no early fusion applied, which hold ")
        assert warning.endswith("% of the weight; they have weights and a distribution of their own.")
        # as an ensemble of that member alone, fitted on the same people, would say
        evidence = read_out_of_fold(bundle.path / EVIDENCE)
        assert evidence is not None and evidence.names == ("lesion", "power", "early_fusion")
        (name,) = said.members
        own = fit_fusion(evidence, [name], 0.9)
        assert own.distribution is not None and own.distribution != bundle.fusion.distribution
        index = own.index(np.array([[rest.probability]]), np.array([[rest.score]]))
        assert said.probability_poor == pytest.approx(float(own.distribution.probability(index)[0]))
        assert said.predicted_score == pytest.approx(float(own.distribution.score(index)[0]))
    card = (bundle.path / "docs" / "model_card.md").read_text()
    assert "Whoever lacks something has those of a fusion of the other members" in card
    assert "| early_fusion | early_fusion |" in card


def test_early_fusion_is_left_out_without_two_parts_and_wrong_parts_are_refused(lesion_cohort: list[Labelled]) -> None:
    members = {"a": REGIONS, "trees": TREES, "clinical": CLINICAL_MEMBER, "power": POWER}

    def planned(early_fusion: object) -> list[str]:
        settings = tiny_settings(members=members, early_fusion=early_fusion)
        return [member.name for member, _ in planned_members(settings, make_cohort(lesion_cohort, "fma_le"))]

    alone = ["a", "trees", "clinical"]
    assert planned(True) == alone  # nobody has a recording; trees are no part unless named
    assert planned(["a", "power"]) == alone
    assert planned(["a", "trees"]) == [*alone, "early_fusion"]
    for wrong in (["a", "clinical"], ["a", "b"], ["a"], ["a", "a"], []):
        with pytest.raises(UsageError, match=r"training\.early_fusion"):
            planned(wrong)
    with pytest.raises(UsageError, match=r"training\.members\.early_fusion"):
        members["early_fusion"] = REGIONS
        planned(True)
    del members["early_fusion"]
    said: list[str] = []
    settings = tiny_settings(members={"a": REGIONS, "power": POWER}, early_fusion=["a", "power"])
    train_ensemble(lesion_cohort, settings, "cpu", said.append)
    assert "early_fusion: left out, fewer than two of its parts are there" in said


def test_parts_of_the_early_fusion_are_those_that_most_people_have(tmp_path: Path) -> None:
    cohort = hidden_cause(tmp_path, 16)
    rare = [replace(item, unit=replace(item.unit, features={**item.unit.features, "fa": (Path("fa.nii"),)}))
            if i < 3 else item for i, item in enumerate(cohort)]  # fmt: skip
    members = {"fa": REGIONS | {"modality": "fa"}, "lesion": REGIONS, "power": POWER}

    def parts(early_fusion: object) -> object:
        settings = tiny_settings(members=members, early_fusion=early_fusion)
        last, _ = planned_members(settings, make_cohort(rare, "fma_le"))[-1]
        return last.inputs.get("parts")

    assert parts(True) == ["lesion", "power"]
    assert parts(["fa", "lesion"]) == ["fa", "lesion"]
    assert parts(False) is None
