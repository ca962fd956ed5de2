"""The LSTMs read a window from its start to its end."""

from __future__ import annotations

import torch

from tests.helpers.networks import SAMPLES, batch, make


def test_lstm_reads_the_window_from_its_start_in_order() -> None:
    model = make(SAMPLES["lstm"]).eval()
    image, covariates = batch(SAMPLES["lstm"], n=1)
    first_changed = torch.cat([image[:, :1] + 1, image[:, 1:]], dim=1)
    assert not torch.equal(model(image, covariates), model(first_changed, covariates))
    assert not torch.allclose(model(image, covariates), model(image.flip(1), covariates))
