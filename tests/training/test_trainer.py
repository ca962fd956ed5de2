"""One network trained: its learning rate, and its weights restored."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bids_stroke.core.records import Labelled
from bids_stroke.networks.device import GIVING_BACK, PLENTY, SPARING
from bids_stroke.networks.lstm import StackedLstm
from bids_stroke.training.cohort import make_cohort, read_cases
from bids_stroke.training.members import planned_members
from bids_stroke.training.trainer import Place, Trainer, fit, predict_rows
from tests.helpers.training import cases_of
from tests.helpers.units import VOLUME, tiny_settings


def test_restored_weights_predict_what_the_trained_network_did(cohort: list[Labelled]) -> None:
    settings = tiny_settings(epochs=2)
    whole = make_cohort(cohort, "fma_le")
    cases = read_cases(*planned_members(settings, whole)[0], whole)
    place = Place(torch.device("cpu"), "fp32", 0)
    fitted = fit(cases, np.arange(24), 2, place)
    probabilities, scores = predict_rows(fitted, cases, np.arange(24), place)
    assert np.isfinite(probabilities).all() and np.isfinite(scores).all()
    assert probabilities.std() > 0
    assert 0 < fitted.score_sd < 34


def test_the_learning_rate_follows_its_schedule(cohort: list[Labelled]) -> None:
    rates = {}
    for schedule in ("constant", "cosine", "plateau"):
        settings = tiny_settings(schedule=schedule, epochs=20, learning_rate=0.01)
        whole = make_cohort(cohort, "fma_le")
        [(member, options)] = planned_members(settings, whole)
        trainer = Trainer(read_cases(member, options, whole), np.arange(8), Place(torch.device("cpu"), "fp32", 0))
        trainer.start({})
        rates[schedule] = []
        for _ in range(20):
            trainer.epoch()
            rates[schedule].append(trainer.optimiser.param_groups[0]["lr"])
    assert set(rates["constant"]) == {0.01}
    np.testing.assert_allclose(rates["cosine"], 0.005 * (1 + np.cos(np.pi * np.arange(1, 21) / 20)), atol=1e-12)
    assert set(rates["plateau"]) <= {0.01 * 0.5**i for i in range(5)}
    assert rates["plateau"] == sorted(rates["plateau"], reverse=True)


def test_memory_that_is_spared_changes_no_weight_by_more_than_last_digits(lesion_cohort: list[Labelled]) -> None:
    """Batch normalisation in every layer, dropout, statistics that are settled at last; the usual learning rate.

    Of covariates behind a ReLU that is all but shut the gradient is nearly 0: Adam, which divides by it, makes a step
    of its last digits.
    """
    own = {"modality": "lesion", "dropout": 0.3, "training": {"learning_rate": 1e-4}}
    cases = cases_of(lesion_cohort, VOLUME | own)
    plain, back, spared = (
        fit(cases, np.arange(32), 2, Place(torch.device("cpu"), "fp32", 0, thrift=thrift))
        for thrift in (PLENTY, GIVING_BACK, SPARING)
    )
    for name, value in plain.state.items():
        assert torch.equal(back.state[name], value)
        image = name.startswith("features")
        rtol = 1e-4 if "running" in name else 0  # statistics are not trained: they follow the weights
        torch.testing.assert_close(spared.state[name], value, rtol=rtol, atol=1e-5 if image else 1e-4, msg=name)


def test_an_lstm_is_trained_with_one_thread(cohort: list[Labelled], monkeypatch: pytest.MonkeyPatch) -> None:
    found, before = set(), torch.get_num_threads()
    step = torch.optim.AdamW.step

    def watched(self, *arguments):  # type: ignore[no-untyped-def]
        found.add(torch.get_num_threads())
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    whole = make_cohort(cohort, "fma_le")
    cases = read_cases(*planned_members(tiny_settings(), whole)[0], whole)
    states = []
    try:
        for threads, one in ((2, True), (2, False)):
            torch.set_num_threads(threads)
            monkeypatch.setattr(StackedLstm, "one_thread", one)
            states.append(fit(cases, np.arange(24), 2, Place(torch.device("cpu"), "fp32", 0)).state)
            assert torch.get_num_threads() == threads
            assert found == {1 if one else 2}
            found.clear()
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())
