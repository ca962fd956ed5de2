"""Parts of a training, in any order, some lost or broken off: the whole is to the same bytes as alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bids_stroke.core.errors import UsageError
from bids_stroke.core.records import Labelled
from bids_stroke.core.settings import Settings
from bids_stroke.networks.device import SPARING
from bids_stroke.training.checkpoint import Store
from bids_stroke.training.cohort import Cases, make_cohort
from bids_stroke.training.cost import Means
from bids_stroke.training.cross_validation import train_members
from bids_stroke.training.ensemble import train_ensemble, write_trained
from bids_stroke.training.members import planned_members
from bids_stroke.training.parts.fits import Part
from bids_stroke.training.trainer import Place, Trainer
from tests.helpers.training import POWER, silent
from tests.helpers.units import LSTM, rhythm_cohort, tiny_settings

N_FITS = 2 * 3 * (2 + 1)
"""Of two members that are trained by epochs: three outer folds, each with two inner ones."""


def settings(**changes: object) -> Settings:
    members = {"a": LSTM | {"dropout": 0.3}, "power": POWER, "b": LSTM | {"hidden": [4]}}
    return tiny_settings(members=members, epochs=2, patience=2, **changes)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    return rhythm_cohort(tmp_path_factory.mktemp("people"), 14)


@pytest.fixture(scope="module")
def alone(people: list[Labelled]) -> str:
    return members(people, None)


def members(people: list[Labelled], store: Store | None) -> str:
    """Digest of all that fits decide: what members said in each fold, and their last networks."""
    nothing = Part.of(people, settings(), "cpu", Means(store), (1, 1))
    found = hashlib.sha256()
    for entry in train_members(nothing.wanted, nothing.folds, nothing.place, silent).members:
        assert entry.shuffled is None or entry.shuffled.state.keys() == entry.fitted.state.keys()
        arrays = [entry.folds.inner_probability, entry.folds.test_score, *(one.losses for one in entry.folds.curves)]
        for fitted in filter(None, (entry.fitted, entry.shuffled)):
            arrays += [value.numpy() for value in fitted.state.values()]
        for array in arrays:
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def bundle(people: list[Labelled], folder: Path, store: Store | None) -> str:
    """Digests of all files of the bundle."""
    trained = train_ensemble(people, settings(), "cpu", silent, Means(store))
    return (write_trained(folder, trained, settings()).path / "SHA256SUMS").read_text()


def part(people: list[Labelled], store: Store, k: int, n: int, chosen: Settings | None = None) -> list[str]:
    return Part.of(people, chosen or settings(), "cpu", Means(store), (k, n)).compute(silent)


class Killed(Exception):
    """Stands for the end of the process."""


@contextmanager
def epochs_counted(most: int | None = None) -> Iterator[list[int]]:
    """Epochs that are trained meanwhile; one more than ``most`` kills."""
    ran, epoch = list[int](), Trainer.epoch

    def counted(trainer: Trainer) -> None:
        if len(ran) == most:
            raise Killed
        ran.append(trainer.done)
        epoch(trainer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "epoch", counted)
        yield ran


def test_parts_in_any_order_and_their_last_fits_leave_nothing_to_train(people: list[Labelled], tmp_path: Path) -> None:
    store, order = Store(tmp_path / "unfinished"), (3, 1, 2)
    waiting = [part(people, store, k, 3) for k in order]
    assert any(waiting)  # whose folds were of parts that came later
    assert len(store.names()) >= N_FITS
    again = Store(store.folder)
    with epochs_counted() as ran:
        assert [part(people, again, k, 3) for k in order] == [[], [], []]
    assert len(again.finished) >= N_FITS
    assert ran.count(0) <= 4  # two last fits of each member at most; folds are not trained again
    last = Store(store.folder)
    with epochs_counted(0):
        parts = bundle(people, tmp_path / "parts", last)
    assert parts == bundle(people, tmp_path / "alone", None)
    assert last.finished == store.names()
    assert len(last.finished) == N_FITS + 4


def test_a_lost_part_is_computed_by_the_training(people: list[Labelled], alone: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "unfinished")
    part(people, store, 1, 3)
    part(people, store, 3, 3)
    assert 0 < len(store.names()) < N_FITS
    there, last = store.names(), Store(store.folder)
    assert members(people, last) == alone
    assert there <= last.finished


def test_a_part_that_was_killed_goes_on(people: list[Labelled], alone: str, tmp_path: Path) -> None:
    most, store = 7, Store(tmp_path / "unfinished", every_seconds=0.0)
    with epochs_counted() as needed:
        part(people, Store(tmp_path / "other"), 1, 2)
    with epochs_counted(most), pytest.raises(Killed):
        part(people, store, 1, 2)
    with epochs_counted() as ran:
        part(people, store, 1, 2)
    assert len(ran) == len(needed) - most
    part(people, store, 2, 2)
    assert members(people, store) == alone


@pytest.mark.parametrize("other", ["settings", "seed", "people", "memory"])
def test_fits_of_another_training_are_not_taken(people: list[Labelled], tmp_path: Path, other: str) -> None:
    """That of other sources is tested with the checkpoints."""
    store, chosen, own = Store(tmp_path / "unfinished"), settings(), people
    if other == "settings":
        chosen = settings(learning_rate=0.01)
    elif other == "seed":
        chosen = chosen.model_copy(update={"seed": 1})
    elif other == "people":
        own = people[:-1]
    planned = Part.of(own, chosen, "cpu", Means(store), (1, 6))
    if other == "memory":
        planned = replace(planned, thrift={"a": SPARING})
    planned.compute(silent)
    there, same = store.names(), Store(store.folder)
    assert there
    part(people, same, 1, 6)
    assert not there & set(same.asked)
    part(people, same, 1, 6)
    assert set(same.asked) == same.names() - there


def test_threads_count_where_they_change_the_last_digits(people: list[Labelled], tmp_path: Path) -> None:
    names, before = dict[str, set[str]](), torch.get_num_threads()
    whole = make_cohort(people, "fma_le")
    for network in ("lstm", "tcn"):
        member = {"modality": "eegemg", "network": network, "inputs": LSTM["inputs"]}
        cases = Cases(*planned_members(tiny_settings(members={"x": member}), whole)[0], (), whole)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            place = Place(torch.device("cpu"), "fp32", 0, Store(tmp_path))
            names.setdefault(network, set()).add(place.keeper(cases, 1, {}).name)
    torch.set_num_threads(before)
    assert [len(names[network]) for network in ("lstm", "tcn")] == [1, 2]  # the LSTM has one thread whatever is given


def test_a_budget_of_minutes_is_refused(people: list[Labelled], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="max_minutes") as refused:
        part(people, Store(tmp_path), 1, 2, settings(max_minutes=5))
    assert "training.members" in refused.value.remedy


def test_members_without_epochs_are_of_no_part(people: list[Labelled], tmp_path: Path) -> None:
    chosen = tiny_settings(members={"power": POWER})
    assert Part.of(people, chosen, "cpu", Means(Store(tmp_path)), (1, 1)).share.members == ()
