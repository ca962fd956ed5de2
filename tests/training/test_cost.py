"""What a training costs is known before it starts, and what the budget does not hold is left out."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bids_stroke.core.errors import UsageError
from bids_stroke.core.records import Labelled
from bids_stroke.networks.device import GIVING_BACK, PLENTY, SPARING, Thrift
from bids_stroke.training import cost
from bids_stroke.training.cohort import Cases, first_samples, make_cohort, read_cases
from bids_stroke.training.cost import (
    Budget,
    Clock,
    Means,
    Need,
    estimated_minutes,
    needed_memory,
    plan_memory,
)
from bids_stroke.training.cross_validation import cross_validate, fit_final
from bids_stroke.training.ensemble import train_ensemble, write_trained
from bids_stroke.training.folds import nested_folds
from bids_stroke.training.members import planned_members
from bids_stroke.training.trainer import Place
from tests.helpers.training import CLINICAL_MEMBER, silent
from tests.helpers.units import LSTM, tiny_settings

PLACE = Place(torch.device("cpu"), "fp32", 0)


def test_the_estimate_is_what_it_takes(cohort: list[Labelled], monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that counts samples: one second for each that is trained, a third for each that is predicted."""
    settings = tiny_settings(members={"lstm": LSTM}, epochs=4, patience=100)
    whole = make_cohort(cohort, "fma_le")
    folds = nested_folds(whole.participants, whole.poor, settings.training, 0)
    cases = read_cases(*planned_members(settings, whole)[0], whole)
    monkeypatch.setattr(cost, "_seconds_per_sample", lambda *_: 60.0)
    counted = {"trained": 0, "predicted": 0}
    trainer = cost.Trainer
    batch, predict = trainer._covariates, trainer.predict

    def covariates(self, rows):  # type: ignore[no-untyped-def]
        counted["trained"] += len(rows) if self.model.training and torch.is_grad_enabled() else 0
        return batch(self, rows)

    def predicted(self, rows):  # type: ignore[no-untyped-def]
        counted["predicted"] += sum(len(self.cases.of(row)) for row in self.cases.having(rows))
        return predict(self, rows)

    monkeypatch.setattr(trainer, "_covariates", covariates)
    monkeypatch.setattr(trainer, "predict", predicted)
    run = cross_validate(cases, folds, PLACE, silent)
    chosen = run.epochs.copy()
    fit_final(cases, run, PLACE, np.arange(len(cohort)))
    most = estimated_minutes(cases, folds, PLACE)
    assert (chosen <= 4).all()
    assert counted["trained"] + counted["predicted"] / 3 <= most
    if (chosen == 4).all():
        assert counted["trained"] + counted["predicted"] / 3 == pytest.approx(most)
    assert counted["trained"] > 0.4 * most


def test_the_time_of_a_step_is_measured(cohort: list[Labelled]) -> None:
    settings = tiny_settings(members={"lstm": LSTM}, epochs=5)
    whole = make_cohort(cohort, "fma_le")
    cases = read_cases(*planned_members(settings, whole)[0], whole)
    begin = time.perf_counter()
    before = torch.get_rng_state()
    seconds = cost._seconds_per_sample(cases, PLACE)
    assert 0 < seconds < time.perf_counter() - begin
    assert torch.equal(torch.get_rng_state(), before)


def test_what_the_budget_does_not_hold_is_left_out_and_named(cohort: list[Labelled]) -> None:
    settings = tiny_settings(members={"clinical": CLINICAL_MEMBER, "lstm": LSTM}, epochs=2, max_minutes=1e-6)
    said: list[str] = []
    ensemble = train_ensemble(cohort, settings, "cpu", said.append)
    assert [entry.member.name for entry in ensemble.contents.members] == ["clinical"]
    (text,) = (text for text in said if text.startswith("lstm"))
    assert text.startswith("lstm: left out: it takes up to ") and text.endswith("training.max_minutes has 1e-06 left")


def test_a_budget_is_spent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "estimated_minutes", lambda *_: 4.0)
    budget = Budget(10.0)
    cases = SimpleNamespace(member=SimpleNamespace(name="x"))
    nothing: tuple[object, object, object] = (cases, None, None)
    assert [bool(budget.holds(*nothing)) for _ in range(3)] == [False, False, True]  # type: ignore[arg-type]
    assert budget.minutes == 2.0 and Budget(None).holds(*nothing) == ""  # type: ignore[arg-type]
    for asked in (Budget(None, estimates=True), Budget(None)):
        asked.holds(*nothing)  # type: ignore[arg-type]
        assert asked.needed == ({"x": 4.0} if asked.estimates else {})


def planned_cases(cohort: list[Labelled], **training: object) -> Cases:
    settings = tiny_settings(members={"lstm": LSTM | {"hidden": [64, 64, 64], "training": training}})
    whole = make_cohort(cohort, "fma_le")
    [(member, options)] = planned_members(settings, whole)
    return Cases(member, options, (), whole)


def needs(cases: Cases) -> list[float]:
    """GB by the three ways, the most first."""
    found = first_samples(cases)
    assert found is not None
    cpu = torch.device("cpu")
    return [needed_memory(cases, found, thrift).by(thrift, cpu) for thrift in (PLENTY, GIVING_BACK, SPARING)]


def test_the_fastest_way_that_fits_is_chosen_and_told(cohort: list[Labelled]) -> None:
    cases = planned_cases(cohort, batch_size=64)
    most, less, least = needs(cases)
    assert most > less > least
    for there, thrift, words in (
        (most + 0.001, PLENTY, "GB of memory"),
        (most - 0.001, GIVING_BACK, f"(otherwise {most:.1f}): what is freed is given back at once"),
        (less - 0.001, SPARING, "and some is computed twice"),
    ):
        said: list[str] = []
        assert plan_memory([cases], PLACE.device, there, said.append) == {"lstm": thrift}
        assert len(said) == 1 and said[0].startswith("lstm: up to ") and words in said[0]


def test_what_does_not_fit_is_refused_before_anything_is_trained(
    cohort: list[Labelled], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost.Trainer, "start", lambda *_: pytest.fail("it was trained"))
    with pytest.raises(UsageError) as caught:
        train_ensemble(cohort, tiny_settings(), "cpu", silent, Means(memory_gb=0.2))
    assert caught.value.reason == "too-little-memory"
    assert caught.value.message.startswith("lstm: training takes 0.3 GB of memory even where it is spared, and there")
    assert "are 0.2 (--mem-gb" in caught.value.message
    assert all(word in (caught.value.remedy or "") for word in ("batch_size", "shrink", "rate", "--mem-gb"))


def test_need_grows_with_batch_samples_and_people(cohort: list[Labelled]) -> None:
    small, large = (planned_cases(cohort, batch_size=n) for n in (8, 64))
    samples = first_samples(small)
    assert samples is not None
    one, other = (needed_memory(cases, samples, PLENTY) for cases in (small, large))
    assert 6 < other.step / one.step < 8.1
    assert one.samples == pytest.approx(len(cohort) * samples.nbytes / 1e9)
    few = needed_memory(planned_cases(cohort[:4], batch_size=10_000), samples, PLENTY)
    assert few.step < needed_memory(planned_cases(cohort, batch_size=10_000), samples, PLENTY).step / 4


def test_on_a_gpu_its_own_memory_counts(cohort: list[Labelled], monkeypatch: pytest.MonkeyPatch) -> None:
    need = Need(samples=50.0, step=4.0, prediction=1.0)
    assert need.by(PLENTY, torch.device("cuda")) == pytest.approx(0.3 + 1.3 * 4)
    assert need.by(PLENTY, torch.device("cpu")) == pytest.approx(0.3 + 50 + 2.6 * 4 + 1)
    assert need.by(GIVING_BACK, torch.device("cpu")) == pytest.approx(0.3 + 50 + 1.3 * 4)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (100_000_000, 8_000_000_000))
    with pytest.raises(UsageError, match=r"there are 0\.1"):
        plan_memory([planned_cases(cohort)], torch.device("cuda"), 1000.0, silent)


@pytest.mark.parametrize("thrift", [PLENTY, GIVING_BACK, SPARING], ids=["plenty", "giving back", "sparing"])
def test_every_way_trains_the_same_ensemble(
    cohort: list[Labelled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thrift: Thrift
) -> None:
    settings = tiny_settings(epochs=2)
    plain = write_trained(tmp_path / "plain", train_ensemble(cohort, settings, "cpu", silent), settings)
    monkeypatch.setattr("bids_stroke.training.ensemble.plan_memory", lambda *_: {"lstm": thrift})
    ensemble = train_ensemble(cohort, settings, "cpu", silent, Means(memory_gb=1.0))
    for name, value in plain.state("lstm").items():
        torch.testing.assert_close(ensemble.contents.states["lstm"][name], value, rtol=0, atol=1e-5)
    if thrift is PLENTY:
        assert write_trained(tmp_path / "other", ensemble, settings).sha256 == plain.sha256


def test_a_fold_says_member_fold_and_minutes_left() -> None:
    now = [0.0]
    clock = Clock([True, False, False], 2, lambda: now[0])

    def after(seconds: float, text: str) -> str:
        now[0] += seconds
        return clock.after_fold(text)

    clock.begin(0)
    assert after(10, "clinical: fold 1/2") == "[1/3] clinical: fold 1/2"  # less than a minute and a half: not worth it
    assert after(10, "clinical: fold 2/2") == "[1/3] clinical: fold 2/2"
    clock.end()
    clock.begin(1)  # nobody knows yet how long one takes that is trained by epochs
    assert after(600, "fa: fold 1/2") == "[2/3] fa: fold 1/2; about 20 minutes left for it"
    assert after(600, "fa: fold 2/2") == "[2/3] fa: fold 2/2; about 10 minutes left for it"
    now[0] += 600
    clock.end()
    clock.begin(2)
    assert after(1, "md: fold 1/2") == "[3/3] md: fold 1/2"  # from a training that was killed
    assert after(300, "md: fold 2/2") == "[3/3] md: fold 2/2; about 5 minutes left"


def test_the_minutes_of_all_are_told_where_members_of_the_same_kind_are_done() -> None:
    now = [0.0]
    clock = Clock([False, False, False], 1, lambda: now[0])
    for member in range(2):
        clock.begin(member)
        now[0] += 300
        said = clock.after_fold("")
        now[0] += 300
        clock.end()
    assert said.endswith("about 15 minutes left")  # 5 for its last fit, 10 for the last member
