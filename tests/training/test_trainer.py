"""One network trained: its learning rate, and its weights restored."""

from __future__ import annotations

import numpy as np
import torch

from bids_stroke.core.records import Labelled
from bids_stroke.training.cohort import make_cohort, read_cases
from bids_stroke.training.members import planned_members
from bids_stroke.training.trainer import Place, Trainer, fit, predict_rows
from tests.helpers.units import tiny_settings


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
