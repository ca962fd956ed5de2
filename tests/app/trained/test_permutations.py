"""The permutation test that trains anew: shuffles keep people whole, noise is no signal, and a stopped test goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_stroke.app.trained.permutations import Retraining, fusion_auc, permutation_test
from bids_stroke.core.records import Labelled
from bids_stroke.core.settings import Settings
from bids_stroke.evaluation.evaluate import evaluate
from bids_stroke.training.checkpoint import Store
from bids_stroke.training.cost import Means
from bids_stroke.training.ensemble import TrainedEnsemble, train_ensemble
from tests.helpers.training import POWER, silent
from tests.helpers.units import rhythm_cohort, tiny_settings

N = 9


def settings() -> Settings:
    return tiny_settings(
        members={"power": POWER, "fa": {"modality": "fa"}}, retrain_permutations=N, bootstrap=100, permutations=100
    )


def trained(cohort: list[Labelled]) -> TrainedEnsemble:
    return train_ensemble(cohort, settings(), "cpu", silent)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    return rhythm_cohort(tmp_path_factory.mktemp("planted"), 24)


def test_a_planted_signal_has_the_least_p_there_is_and_a_stopped_test_goes_on(
    planted: list[Labelled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensemble, said = trained(planted), list[str]()
    store = Store(tmp_path / "unfinished")
    test = Retraining.of(planted, ensemble, settings(), Means(store))
    assert [cases.member.name for cases in test.wanted] == ["power"]  # nobody has fa, which is not looked for again
    real, orders = Retraining.auc, list[tuple[int, ...]]()

    def stopping(self: Retraining, order: np.ndarray, own: Store | None) -> float | None:
        if len(orders) == 3:
            raise KeyboardInterrupt
        orders.append(tuple(order.tolist()))
        return real(self, order, own)

    monkeypatch.setattr(Retraining, "auc", stopping)
    with pytest.raises(KeyboardInterrupt):
        permutation_test(test, ensemble, N, 100.0, said.append)
    assert said[0].startswith("Permutation test: 9 trainings of up to 2 minutes each, 15 minutes in all.")
    first = orders.copy()
    orders.clear()
    monkeypatch.setattr(
        Retraining, "auc", lambda self, order, own: orders.append(tuple(order.tolist())) or real(self, order, own)
    )
    found = permutation_test(test, ensemble, N, 100.0, silent)
    assert len(orders) == N - 3 and not set(first) & set(orders)
    assert found["p"] == 1 / (N + 1) and found["at_least"] == 0 and found["not_trained"] == 0
    assert found["auc"] > 0.9 > found["highest_auc"] >= found["mean_auc"]
    assert not list(store.folder.glob("permutation-*/")) or all(p.is_file() for p in store.folder.iterdir())
    evaluation = evaluate(ensemble.out_of_fold, settings())
    auc = evaluation.metrics.set_index(["model", "metric"]).loc[("fusion", "auc"), "value"]
    assert found["auc"] == pytest.approx(auc)


def test_noise_has_no_small_p(tmp_path: Path) -> None:
    cohort = rhythm_cohort(tmp_path, 24, signal=False, seed=3)
    ensemble = trained(cohort)
    found = permutation_test(Retraining.of(cohort, ensemble, settings(), Means()), ensemble, N, 1.0, silent)
    assert found["p"] >= 0.2


def test_the_outcomes_as_they_are_give_the_trainings_own_auc(planted: list[Labelled]) -> None:
    ensemble = trained(planted)
    test = Retraining.of(planted, ensemble, settings(), Means())
    assert test.auc(np.arange(len(planted)), None) == pytest.approx(fusion_auc(ensemble.out_of_fold, settings()))


def test_shuffles_that_cannot_be_trained_count_against_the_model(
    planted: list[Labelled], monkeypatch: pytest.MonkeyPatch
) -> None:
    ensemble = trained(planted)
    monkeypatch.setattr(Retraining, "auc", lambda *_: None)
    found = permutation_test(Retraining.of(planted, ensemble, settings(), Means()), ensemble, N, 1.0, silent)
    assert (found["p"], found["not_trained"], found["mean_auc"]) == (1.0, N, None)
