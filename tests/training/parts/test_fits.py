"""Parts of a training, in any order, some lost or broken off: the whole is to the same bytes as alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from bids_stroke.core.errors import UsageError
from bids_stroke.core.records import Labelled
from bids_stroke.core.settings import Settings
from bids_stroke.training.checkpoint import Store
from bids_stroke.training.cost import Means
from bids_stroke.training.ensemble import train_ensemble, write_trained
from bids_stroke.training.parts.fits import Part
from bids_stroke.training.trainer import Trainer
from tests.helpers.training import POWER, silent
from tests.helpers.units import LSTM, rhythm_cohort, tiny_settings

N_FITS = 2 * 3 * (2 + 1)
"""Of two members that are trained by epochs: three outer folds, each with two inner ones."""


def settings(**changes: object) -> Settings:
    members = {"a": LSTM | {"dropout": 0.3}, "power": POWER, "b": LSTM | {"hidden": [4]}}
    return tiny_settings(members=members, epochs=3, patience=3, **changes)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    return rhythm_cohort(tmp_path_factory.mktemp("people"), 16)


@pytest.fixture(scope="module")
def alone(people: list[Labelled], tmp_path_factory: pytest.TempPathFactory) -> str:
    return whole(people, tmp_path_factory.mktemp("alone"), None)


def whole(people: list[Labelled], folder: Path, store: Store | None) -> str:
    """Digests of all files of the bundle."""
    trained = train_ensemble(people, settings(), "cpu", silent, Means(store))
    return (write_trained(folder / "models", trained, settings()).path / "SHA256SUMS").read_text()


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


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_parts_in_any_order_and_their_last_fits_leave_nothing_to_train(
    people: list[Labelled], alone: str, tmp_path: Path, order: tuple[int, ...]
) -> None:
    store = Store(tmp_path / "unfinished")
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
        assert whole(people, tmp_path, last) == alone
    assert last.finished == store.names()
    assert len(last.finished) == N_FITS + 4


def test_a_lost_part_is_computed_by_the_training(people: list[Labelled], alone: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "unfinished")
    part(people, store, 1, 3)
    part(people, store, 3, 3)
    assert 0 < len(store.names()) < N_FITS
    there, last = store.names(), Store(store.folder)
    assert whole(people, tmp_path, last) == alone
    assert there <= last.finished


@pytest.mark.parametrize("most", [2, 11])
def test_a_part_that_was_killed_goes_on(people: list[Labelled], alone: str, tmp_path: Path, most: int) -> None:
    store = Store(tmp_path / "unfinished", every_seconds=0.0)
    with epochs_counted() as needed:
        part(people, Store(tmp_path / "other"), 1, 2)
    with epochs_counted(most), pytest.raises(Killed):
        part(people, store, 1, 2)
    with epochs_counted() as ran:
        part(people, store, 1, 2)
    assert len(ran) == len(needed) - most
    part(people, store, 2, 2)
    assert whole(people, tmp_path, store) == alone


@pytest.mark.parametrize("other", ["settings", "seed", "people", "threads", "memory"])
def test_fits_of_another_training_are_not_taken(people: list[Labelled], tmp_path: Path, other: str) -> None:
    """That of other sources is tested with the checkpoints."""
    store, chosen, own = Store(tmp_path / "unfinished"), settings(), people
    threads, means = torch.get_num_threads(), Means(store)
    if other == "settings":
        chosen = settings(learning_rate=0.01)
    elif other == "seed":
        chosen = chosen.model_copy(update={"seed": 1})
    elif other == "people":
        own = people[:-1]
    planned = Part.of(own, chosen, "cpu", means, (1, 3))
    if other == "memory":
        from dataclasses import replace

        from bids_stroke.networks.device import SPARING

        planned = replace(planned, place=replace(planned.place, thrift=SPARING))
    planned.compute(silent)
    there = store.names()
    assert there
    last = Store(store.folder)
    train_ensemble(people, settings(), "cpu", silent, Means(last))
    assert not there & set(last.asked)
    torch.set_num_threads(threads)


def test_a_budget_of_minutes_is_refused(people: list[Labelled], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="max_minutes") as refused:
        part(people, Store(tmp_path), 1, 2, settings(max_minutes=5))
    assert "training.members" in refused.value.remedy


def test_members_without_epochs_are_of_no_part(people: list[Labelled], tmp_path: Path) -> None:
    chosen = tiny_settings(members={"power": POWER})
    assert Part.of(people, chosen, "cpu", Means(Store(tmp_path)), (1, 1)).share.members == ()
