"""A training that is killed goes on and ends with the same bytes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import bids_stroke
from bids_stroke.core.digest import closure
from bids_stroke.core.libraries import deciding_versions
from bids_stroke.core.records import Member
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.names import beside
from bids_stroke.ensemble.one_unit import run_network
from bids_stroke.ensemble.weights import restore_network
from bids_stroke.features.covariates import CovariateScaler
from bids_stroke.networks import registry
from bids_stroke.networks.device import reproducible, resolve_device
from bids_stroke.training import checkpoint
from bids_stroke.training.checkpoint import Store
from bids_stroke.training.cohort import Cases, make_cohort, read_cases
from bids_stroke.training.cost import Means
from bids_stroke.training.ensemble import train_ensemble
from bids_stroke.training.members import planned_members
from bids_stroke.training.trainer import Fitted, Place, Trainer, fit, fit_watching
from tests.conftest import ROOT
from tests.helpers.imagenet import published
from tests.helpers.units import (
    LSTM,
    VOLUME,
    blob,
    labelled,
    rhythm,
    rhythm_cohort,
    tiny_settings,
    write_recording,
    write_volume,
)

SCRIPT = """
import sys
from pathlib import Path
import torch
from bids_stroke.training.checkpoint import Store
from bids_stroke.training.cost import Means
from bids_stroke.training.ensemble import train_ensemble, write_trained
from tests.end_to_end.test_training_resume import cohort_of, settings
torch.set_num_threads(1)
data, out = Path(sys.argv[1]), Path(sys.argv[2])
store = Store(out / "unfinished", every_seconds=0.0)
print("begins", flush=True)
write_trained(out / "models", train_ensemble(cohort_of(data), settings(), "cpu", means=Means(store)), settings())
"""


def settings() -> Settings:
    """Two kinds of networks, with everything that takes random numbers."""
    members = {
        "lstm": LSTM | {"dropout": 0.3, "training": {"schedule": "cosine"}},
        "fa": VOLUME | {"dropout": 0.3, "training": {"schedule": "plateau"}},
    }
    return tiny_settings(members=members, epochs=4, patience=2)


def cohort_of(folder: Path) -> list:
    """Twelve people with a map and a recording, made by `make_files`."""
    rng = np.random.default_rng(1)
    units = []
    for i in range(12):
        score = float(rng.integers(2, 16) if i % 2 else rng.integers(20, 34))
        recording = [beside(folder / f"sub-{i:02d}_task-leg_x", role) for role in ("windows", "eeg", "emg")]
        units.append(labelled(folder, f"{i:02d}", score, {"eegemg": recording, "fa": [folder / f"sub-{i:02d}.nii.gz"]}))
    return units


def make_files(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(12):
        write_recording(folder, f"sub-{i:02d}_task-leg", rhythm(1.0 + 3 * (i % 2), 4, rng))
        write_volume(folder / f"sub-{i:02d}.nii.gz", blob(0.2 * (i % 2), rng))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    chosen = tiny_settings(members={"lstm": LSTM | {"dropout": 0.3}}, epochs=5, patience=5)
    cohort = make_cohort(rhythm_cohort(tmp_path_factory.mktemp("cohort"), 12), "fma_le")
    [(member, options)] = planned_members(chosen, cohort)
    return read_cases(member, options, cohort)


def place(store: Store | None = None) -> Place:
    return Place(torch.device("cpu"), "fp32", 3, store)


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("last", [1, 3])
def test_a_fit_goes_on_at_its_epoch(cases: Cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    rows = np.arange(8)
    whole, curve = fit(cases, rows, 5, place()), fit_watching(cases, rows, np.arange(8, 12), place())
    store, epoch, ran = Store(tmp_path, 0.0), Trainer.epoch, []

    def dying(trainer: Trainer) -> None:
        if trainer.done == last:
            raise Killed
        epoch(trainer)

    def counted(trainer: Trainer) -> None:
        ran.append(trainer.done)
        epoch(trainer)

    monkeypatch.setattr(Trainer, "epoch", dying)
    for run in (lambda: fit(cases, rows, 5, place(store)),
                lambda: fit_watching(cases, rows, np.arange(8, 12), place(store))):  # fmt: skip
        with pytest.raises(Killed):
            run()
    monkeypatch.setattr(Trainer, "epoch", counted)
    again, same = fit(cases, rows, 5, place(store)), fit_watching(cases, rows, np.arange(8, 12), place(store))
    assert ran == [*range(last, 5), *range(last, 5)]
    for key, value in whole.state.items():
        assert torch.equal(value, again.state[key]), key
    for name, values in curve.tensors().items():
        assert torch.equal(values, same.tensors()[name]), name
    ran.clear()
    finished = fit(cases, rows, 5, place(store))
    fit_watching(cases, rows, np.arange(8, 12), place(store))
    assert ran == []  # results are kept too
    assert all(torch.equal(value, finished.state[key]) for key, value in whole.state.items())


def test_other_rows_seeds_or_data_find_nothing(cases: Cases, tmp_path: Path) -> None:
    store = Store(tmp_path, 0.0)
    first = fit(cases, np.arange(8), 1, place(store))
    assert len(list(tmp_path.iterdir())) == 1
    fit(cases, np.arange(9), 1, place(store))
    fit(cases, np.arange(8), 2, place(store))
    fit(cases, np.arange(8), 1, Place(torch.device("cpu"), "fp32", 4, store))
    changed = Cases(cases.member, cases.options, (cases.samples[0] + 1, *cases.samples[1:]), cases.cohort)
    fit(changed, np.arange(8), 1, place(store))
    assert len(list(tmp_path.iterdir())) == 5
    name = next(path for path in tmp_path.iterdir())
    for path in tmp_path.iterdir():
        path.write_bytes(name.read_bytes()[:100])  # damaged: as if there were none
    again = fit(cases, np.arange(8), 1, place(store))
    assert all(torch.equal(value, again.state[key]) for key, value in first.state.items())


@pytest.mark.parametrize("changed", ["sources", "torch", "package"])
def test_an_unfinished_fit_of_another_version_is_not_continued(
    cases: Cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    store, epoch, ran = Store(tmp_path, 0.0), Trainer.epoch, []

    def dying(trainer: Trainer) -> None:
        if trainer.done == 2:
            raise Killed
        epoch(trainer)

    def counted(trainer: Trainer) -> None:
        ran.append(trainer.done)
        epoch(trainer)

    monkeypatch.setattr(Trainer, "epoch", dying)
    with pytest.raises(Killed):
        fit(cases, np.arange(8), 3, place(store))
    monkeypatch.setattr(Trainer, "epoch", counted)
    checkpoint.program_versions.cache_clear()
    if changed == "sources":
        monkeypatch.setattr(checkpoint, "code_digest", lambda *_: "other")
    elif changed == "torch":
        versions = {**deciding_versions(Trainer.__module__, whole=True), "torch": "0.0"}
        monkeypatch.setattr(checkpoint, "deciding_versions", lambda *_, **__: versions)
    else:
        monkeypatch.setattr(bids_stroke, "__version__", "0.0")
    fit(cases, np.arange(8), 3, place(store))
    checkpoint.program_versions.cache_clear()
    assert ran == [0, 1, 2]


def test_the_sources_that_fit_are_part_of_the_name() -> None:
    counted = closure(fit.__module__)
    for used in (fit, Cases, registry.build, CovariateScaler, run_network, resolve_device):
        assert used.__module__ in counted
    assert {"torch", "numpy", "scikit-learn"} <= set(deciding_versions(fit.__module__))


def test_a_fit_from_imagenet_weights_knows_them_and_needs_them_no_more(cases: Cases, tmp_path: Path) -> None:
    folder, store = tmp_path / "weights", Store(tmp_path / "store", 0.0)
    file = folder / "shufflenet_v2_x0_5.safetensors"
    folder.mkdir()
    arguments = {"backbone": "shufflenet_v2_x0_5", "in_channels": 1}

    def started(seed: int, **more: object) -> Fitted:
        save_file(published("shufflenet_v2_x0_5", seed), file)
        member = Member("bold", "bold", "slice_cnn", arguments | more, {})
        slices = torch.randn((12, 2, 1, 32, 32), generator=torch.Generator().manual_seed(0))
        return fit(Cases(member, cases.options, tuple(slices), cases.cohort), np.arange(8), 1, place(store))

    plain, first, second = started(3), started(3, pretrained_dir=folder), started(4, pretrained_dir=folder)
    assert len(list(store.folder.iterdir())) == 3  # other weights in the same folder are another fit
    assert not torch.equal(first.state["head.1.weight"], second.state["head.1.weight"])
    assert not torch.equal(first.state["backbone.conv1.0.weight"], plain.state["backbone.conv1.0.weight"])
    file.unlink()
    model = restore_network(first.network, first.arguments, first.state, torch.device("cpu"))
    assert torch.equal(model.state_dict()["head.1.weight"], first.state["head.1.weight"])


def test_the_random_state_outside_is_left_alone(cases: Cases, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit(cases, np.arange(8), 2, place(Store(tmp_path, 0.0)))
    assert torch.equal(torch.rand(3), expected)
    with reproducible(torch.device("cpu"), 0):
        pass


def killed_at_random(data: Path, out: Path, n_kills: int, longest: float) -> tuple[int, float]:
    """Run the training until it ends, killed first at random moments up to ``longest`` seconds after its beginning.

    Number of kills, and seconds that the run took which was not killed, from its beginning (imports take longer).
    """
    rng, kills = np.random.default_rng(7), 0
    while True:
        command = [sys.executable, "-c", SCRIPT, str(data), str(out)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        begin = time.monotonic()
        if kills < n_kills:
            time.sleep(float(rng.uniform(0.05, longest)))
            process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == 0:
            return kills, time.monotonic() - begin
        assert process.returncode == -signal.SIGKILL
        kills += 1


@pytest.mark.parametrize("n_kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_trainings_end_with_the_same_bytes(tmp_path: Path, n_kills: int) -> None:
    make_files(tmp_path / "data")
    _, took = killed_at_random(tmp_path / "data", tmp_path / "whole", 0, 1.0)
    assert killed_at_random(tmp_path / "data", tmp_path / "killed", n_kills, took / 3)[0] >= 1
    files = [path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole" / "models").rglob("*.safetensors")]
    files += [path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole" / "models").rglob("*.tsv")]
    assert len(files) >= 3
    for file in files:
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes(), file


def test_the_ensemble_without_a_store_is_the_same(tmp_path: Path) -> None:
    cohort = rhythm_cohort(tmp_path / "cohort", 12)
    chosen = tiny_settings(epochs=2, patience=2)
    kept = train_ensemble(cohort, chosen, "cpu", lambda _: None, Means(Store(tmp_path / "store", 0.0)))
    plain = train_ensemble(cohort, chosen, "cpu", lambda _: None)
    for name, state in plain.contents.states.items():
        assert all(torch.equal(value, kept.contents.states[name][key]) for key, value in state.items())
