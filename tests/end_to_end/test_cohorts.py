"""Whole cohorts: a planted signal is found and fusing pays, and without a signal nobody finds one.

The small cohorts have recordings alone. The slow ones have every modality and go through the command line; what is
measured is printed (``pytest -s``). Their features take most of an hour, so a folder can be kept in
``BIDS_STROKE_COHORT``: what is already there is not made again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from bids_stroke.core.modalities import EARLY
from bids_stroke.core.records import Labelled
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.simulate.options import CohortOptions, Weights
from bids_stroke.simulate.table import draw_people, outcome
from bids_stroke.training.ensemble import train_ensemble
from tests.helpers.units import LSTM, labelled, rhythm, tiny_settings, write_recording

MAP = {"network": "cbam_resnet3d", "widths": [4, 4, 4, 8, 16], "n_plain_blocks": 0, "dense": 8, "inputs": {"shrink": 8}}
MEMBERS = {modality: {"modality": modality, **MAP} for modality in ("fa", "md", "rd", "ad", "gm", "wm", "lesion")} | {
    "shufflenet": {
        "modality": "bold", "network": "slice_cnn", "backbone": "shufflenet_v2_x0_5", "inputs": {"size": 48},
        "training": {"epochs": 4, "patience": 2, "batch_size": 32, "learning_rate": 1e-3, "samples_per_epoch": 3},
    },
    "lstm": {
        "modality": "eegemg", "network": "lstm", "hidden": [16, 8], "inputs": {"rate": 50},
        "training": {"batch_size": 32, "samples_per_epoch": 3},
    },
    "clinical": {"modality": "clinical"},
    "lesion_regions": {"modality": "lesion", "network": "regions"},
    "fa_regions": {"modality": "fa", "network": "regions"},
    "eegemg_power": {"modality": "eegemg", "network": "band_power"},
    "eegemg_coherence": {"modality": "eegemg", "network": "coherence"},
}  # fmt: skip
TRAINING = {
    "outer_folds": 5, "inner_folds": 3, "epochs": 12, "patience": 4, "batch_size": 8, "learning_rate": 0.005,
    "weight_decay": 0.001, "augment": False, "bootstrap": 500, "permutations": 200, "members": MEMBERS,
}  # fmt: skip
N_SUBJECTS, SEEDS = 60, range(5)
COHORT = CohortOptions(n_subjects=N_SUBJECTS, seed=11, weights=Weights(lesion_load=1.0, age=0.3, coupling=0.7))
PLANTED = ("--seed", "11", "--lesion-weight", "1", "--age-weight", "0.3", "--coupling-weight", "0.7")
NEAR_CHANCE = 0.12
"""The standard error of a mean over five cohorts of 60 people is 0.034."""

SMALL = {
    "lstm": LSTM,
    "power": {"modality": "eegemg", "network": "band_power", "inputs": LSTM["inputs"], "n_covariates": 0},  # not age
    "clinical": {"modality": "clinical"},
}


def silent(_: str) -> None:
    """Progress that nobody reads."""


def two_causes(folder: Path, n: int) -> list[Labelled]:
    """The score follows age and, as much, the frequency of a rhythm."""
    rng = np.random.default_rng(0)
    cohort = []
    for i in range(n):
        slow, old = rng.uniform(-1, 1, 2)
        score = float(
            np.clip(
                np.round(
                    17.5 - 11 * (slow + old) + rng.normal(0, 1),
                ),
                0,
                34,
            )
        )
        paths = write_recording(folder, f"sub-{i:02d}_task-leg", rhythm(3.0 - 2 * slow, 6, rng))
        item = labelled(folder, f"{i:02d}", score, {"eegemg": paths})
        cohort.append(replace(item, unit=replace(item.unit, covariates={"age": 60 + 15 * old, "sex": "F"})))
    return cohort


def permuted(cohort: Sequence[Labelled], seed: int) -> list[Labelled]:
    """The same people with each other's outcomes."""
    order = np.random.default_rng(seed).permutation(len(cohort))
    return [replace(item, score=cohort[j].score, poor=cohort[j].poor) for item, j in zip(cohort, order, strict=True)]


def areas(table: pd.DataFrame) -> dict[str, float]:
    """AUC of the fusion and of each member, out of fold and pooled over the folds, as the evaluation reports it."""
    columns = {"fusion": "probability_poor"} | {str(c)[2:]: str(c) for c in table if str(c).startswith("p_")}
    columns |= {EARLY: "fusion_early"} if "fusion_early" in table else {}
    known = {name: table.dropna(subset=[column]) for name, column in columns.items()}
    return {name: float(roc_auc_score(known[name]["poor"], known[name][column])) for name, column in columns.items()}


def show(title: str, found: Mapping[str, object]) -> None:
    print(title, {name: np.round(value, 3).tolist() for name, value in found.items()})  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    return two_causes(tmp_path_factory.mktemp("small"), 48)


def small_settings(**training: object) -> Settings:
    return tiny_settings(members=SMALL, **training)


def test_fusing_members_that_know_different_things_pays(small: list[Labelled]) -> None:
    found = areas(train_ensemble(small, small_settings(), "cpu", silent).out_of_fold)
    show("planted, small:", found)
    assert found["fusion"] > 0.85
    assert found["fusion"] > max(area for name, area in found.items() if name != "fusion")


def test_permuted_outcomes_are_not_predicted_by_anybody(small: list[Labelled]) -> None:
    runs = [
        areas(train_ensemble(permuted(small, seed), small_settings(epochs=2), "cpu", silent).out_of_fold)
        for seed in range(3)
    ]
    found = pd.DataFrame(runs).to_dict("list")
    show("permuted, small:", found)
    for name, values in found.items():
        assert abs(np.mean(values) - 0.5) < 0.16, name  # of three cohorts of 48: more than three standard errors


def bids_stroke(*arguments: object) -> None:
    command = [sys.executable, "-m", "bids_stroke", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Whole:
    """A cohort of every modality, with features."""

    raw: Path
    out: Path
    people: pd.DataFrame
    """participants.tsv without the first score, an echo of the outcome beside which the images would be idle."""

    def train(self, name: str, people: pd.DataFrame, **training: object) -> dict[str, float]:
        """Train with these people's outcomes and these settings, and the areas under the curves."""
        people.to_csv(self.raw / "participants.tsv", sep="\t", index=False)
        settings = self.out.parent / f"{name}.yml"
        settings.write_text(yaml.safe_dump({"training": {**TRAINING, **training, "name": name}}))
        bids_stroke(self.raw, self.out, "train", "--config", settings, "--device", "cpu")
        return areas(pd.read_csv(self.out / "models" / name / "out_of_fold.tsv", sep="\t", na_values="n/a"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    kept = os.environ.get("BIDS_STROKE_COHORT")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("whole")
    raw, out = folder / "raw", folder / "out"
    if not raw.exists():
        tools = Path(sys.executable).parent / "bids_stroke_tools"
        subprocess.run([tools, "simulate", raw, "--n-subjects", str(N_SUBJECTS), *PLANTED], check=True)
        shutil.copy(raw / "participants.tsv", folder / "participants.tsv")
    if not (out / "logs" / "status.tsv").exists():
        bids_stroke(raw, out, "participant", "--model", "none", "--skip-bids-validation")
    people = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str)
    return Whole(raw, out, people.drop(columns="fma_le_baseline"))


def outcomes(people: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The same people and causes, with other luck: what the causes do not explain is drawn anew."""
    causes = {f"sub-{person.subject}": (person.load, person.age, person.coupling) for person in draw_people(COHORT)}
    luck = np.random.default_rng(seed).standard_normal(len(people))
    drawn = [outcome(causes[name], COHORT.weights, z) for name, z in zip(people["participant_id"], luck, strict=True)]
    return people.assign(fma_le=[str(score) for score in drawn])


def planted_means(whole: Whole, name: str, **training: object) -> dict[str, float]:
    """Mean areas over cohorts: in one of 60 people, luck moves an area by 0.05."""
    runs = [whole.train(f"{name}{seed}", outcomes(whole.people, seed), **training) for seed in SEEDS]
    found = pd.DataFrame(runs).to_dict("list")
    show(f"{name}:", found)
    return {str(member): float(np.mean(values)) for member, values in found.items()}


@pytest.fixture(scope="module")
def planted(whole: Whole) -> dict[str, float]:
    return planted_means(whole, "planted")


@pytest.mark.slow
def test_planted_signal_is_found_by_the_fusion_above_every_member(planted: dict[str, float]) -> None:
    """A member is one network on one input."""
    assert planted["fusion"] > 0.85
    assert planted["fusion"] > max(area for name, area in planted.items() if name not in ("fusion", EARLY))


@pytest.mark.slow
def test_planted_signal_is_found_by_fusing_members_alone_above_every_member(whole: Whole) -> None:
    found = planted_means(whole, "apart", early_fusion=False)
    fusion = found.pop("fusion")
    assert EARLY not in found
    assert fusion > 0.85
    assert fusion > max(found.values())


@pytest.mark.slow
def test_planted_signal_is_found_by_the_fusion_above_the_early_fusion(planted: dict[str, float]) -> None:
    """The early fusion has the numbers of all causes, in the linear form in which they act: little can be added."""
    assert planted["fusion"] > planted[EARLY]


@pytest.mark.slow
def test_whole_cohort_with_permuted_outcomes_gives_chance(whole: Whole) -> None:
    runs = []
    for seed in SEEDS:
        order = np.random.default_rng(seed).permutation(len(whole.people))
        runs.append(whole.train(f"null{seed}", whole.people.assign(fma_le=whole.people["fma_le"].to_numpy()[order])))
    found = pd.DataFrame(runs).to_dict("list")
    show("permuted:", found)
    for name, values in found.items():
        assert abs(np.mean(values) - 0.5) < NEAR_CHANCE, name


@pytest.mark.slow
def test_group_says_what_training_said(whole: Whole) -> None:
    """People of the training set count with what was predicted out of fold."""
    found = whole.train("planted", whole.people)
    some = [f"{i:02d}" for i in range(1, 25)]
    model = whole.out / "models" / "planted"
    bids_stroke(whole.raw, whole.out, "participant", "--model", model, "--participant-label", *some)
    bids_stroke(whole.raw, whole.out, "group", "--model", model, "--participant-label", *some)
    table = pd.read_csv(dataset_file(whole.out, "group_predictions"), sep="\t", na_values="n/a")
    assert table["out_of_fold"].all() and len(table) == len(some)
    held_out = pd.read_csv(model / "out_of_fold.tsv", sep="\t", na_values="n/a")
    assert set(table["probability_poor"].round(6)) <= set(held_out["probability_poor"].round(6))
    assert set(table["prediction"]) <= {"poor", "good", "abstain"}
    assert dataset_file(whole.out, "patterns", name="group").is_file() and found["fusion"] > 0.5
