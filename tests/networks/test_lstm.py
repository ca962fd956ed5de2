"""The LSTMs read a window from its start to its end."""

from __future__ import annotations

import pytest
import torch

from bids_stroke.networks.lstm import StackedLstm
from tests.helpers.networks import SAMPLES, batch, make


def test_lstm_reads_the_window_from_its_start_in_order() -> None:
    model = make(SAMPLES["lstm"]).eval()
    image, covariates = batch(SAMPLES["lstm"], n=1)
    first_changed = torch.cat([image[:, :1] + 1, image[:, 1:]], dim=1)
    assert not torch.equal(model(image, covariates), model(first_changed, covariates))
    assert not torch.allclose(model(image, covariates), model(image.flip(1), covariates))


def test_it_predicts_with_one_thread_to_the_bytes_of_any_other_number(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(SAMPLES["lstm"]).eval()
    image, covariates = batch(SAMPLES["lstm"])
    found, before = [], torch.get_num_threads()
    compute = StackedLstm.compute

    def watched(self: StackedLstm, *inputs: torch.Tensor) -> torch.Tensor:
        found.append(torch.get_num_threads())
        return compute(self, *inputs)

    monkeypatch.setattr(StackedLstm, "compute", watched)
    try:
        said = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            said.append(model(image, covariates))
            found.append(torch.get_num_threads())
    finally:
        torch.set_num_threads(before)
    assert found == [1, 1, 1, 2]
    assert torch.equal(*said)
