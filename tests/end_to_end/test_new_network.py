"""Networks that the package does not have, added in the places that CONTRIBUTING names and nowhere else.

One is trained by epochs, one is fitted in one go. The real code then checks, trains, joins, keeps and loads them.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bids_stroke import networks
from bids_stroke.core.errors import ModelError, UsageError
from bids_stroke.ensemble.bundle import load_bundle
from bids_stroke.ensemble.predict import predict
from bids_stroke.networks import registry
from bids_stroke.networks.registry import NetworkSpec
from bids_stroke.training.cohort import make_cohort
from bids_stroke.training.ensemble import train_ensemble, write_trained
from bids_stroke.training.members import planned_members
from tests.conftest import ROOT
from tests.helpers.networks import SAMPLES, Sample, sample
from tests.helpers.units import LSTM, rhythm_cohort, tiny_settings
from tests.networks import test_registry as contract

FILE = '''
"""Roughness of EEG and EMG windows: how much each channel changes from one sample to the next."""

from __future__ import annotations

from dataclasses import dataclass

from bids_stroke.networks.base import {imports}


@dataclass(frozen=True)
class RoughnessArguments({arguments}):
    """What a `Roughness` reads.

    Attributes
    ----------
    n_channels : int
        EEG and EMG channels.
    """

    n_channels: int = 22

    def check(self):
        require(self.n_channels >= 1, f"n_channels={{self.n_channels}} must be positive.")


class Roughness({base}):
    """One linear function of the logarithmic roughness of each channel.

    Input: windows (n, time, n_channels).

    >>> from torch import randn, zeros
    >>> Roughness(RoughnessArguments(n_channels=3))(randn(2, 50, 3), zeros(2, 0)).shape
    torch.Size([2, 2])
    """

    arguments_class = RoughnessArguments

    def __init__(self, arguments):
        super().__init__(arguments{features})
        self.input_shape = (None, arguments.n_channels)

    @classmethod
    def from_input(cls, modality, inputs):
        return {{"n_channels": len(inputs["channels"])}}

    def features(self, image):
        return (image.diff(dim=1).square().mean(1) + 1e-6).log(){numbers}
'''
BY_EPOCHS = FILE.format(
    imports="Arguments, Network, dense_head, require", arguments="Arguments", base="Network", features="", numbers=""
).replace(
    "        self.input_shape",
    "        self.head = dense_head(arguments.n_channels, (), 0.0)\n        self.input_shape",
)
BY_EPOCHS += """
    def compute(self, image, covariates):
        return self.head(self.features(image))
"""
IN_ONE_GO = FILE.format(
    imports="require\nfrom bids_stroke.networks.shallow import ShallowArguments, ShallowNetwork",
    arguments="ShallowArguments", base="ShallowNetwork",
    features=", arguments.n_channels", numbers=".double()",
)  # fmt: skip
LINES = {
    "toy": NetworkSpec("bids_stroke.networks.toy:Roughness", kind="window"),
    "shallow_toy": NetworkSpec("bids_stroke.networks.shallow_toy:Roughness", kind="window"),
}
"""In bids_stroke/networks/registry.py."""
TEST_LINES = (
    sample("toy", (20, 3), n_channels=3),
    sample("shallow_toy", (20, 3), n_channels=3, n_covariates=4),
)
"""In tests/helpers/networks.py."""
TOY = {"modality": "eegemg", "network": "toy", "inputs": LSTM["inputs"]}
SHALLOW_TOY = TOY | {"network": "shallow_toy"}


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """One file and one line a network."""
    (tmp_path / "toy.py").write_text(BY_EPOCHS)
    (tmp_path / "shallow_toy.py").write_text(IN_ONE_GO)
    monkeypatch.setattr(networks, "__path__", [*networks.__path__, str(tmp_path)])
    monkeypatch.setattr(registry, "NETWORKS", {**registry.NETWORKS, **LINES})
    yield
    for name in LINES:
        sys.modules.pop(f"bids_stroke.networks.{name}", None)
        vars(networks).pop(name, None)


def test_contributing_names_these_places() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (row,) = (line for line in text.splitlines() if line.startswith("| add a network |"))
    wanted = {"networks/", "networks/registry.py", "report/methods.py", "tests/helpers/networks.py"}
    assert set(re.findall(r"`([^`]+)`", row)) == wanted


def test_without_its_line_in_the_tests_it_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="a line for each network"):
        contract.test_every_network_of_the_registry_is_tested()
    for item in TEST_LINES:
        monkeypatch.setitem(SAMPLES, item.network, item)
    contract.test_every_network_of_the_registry_is_tested()


@pytest.mark.parametrize("item", TEST_LINES, ids=str)
def test_it_keeps_the_contract_of_all_networks(item: Sample, tmp_path: Path) -> None:
    given = {"item": item, "trained": item, "tmp_path": tmp_path}
    checked = 0
    for name, check in vars(contract).items():
        wanted = inspect.signature(check).parameters if name.startswith("test_") else {}
        applies = "item" in wanted or ("trained" in wanted and item.network == "toy")
        if applies:
            check(**{parameter: given[parameter] for parameter in wanted})
            checked += 1
    assert checked == {"toy": 13, "shallow_toy": 11}[item.network]


def test_it_is_trained_joined_kept_and_predicts(tmp_path: Path) -> None:
    cohort = rhythm_cohort(tmp_path / "cohort", 24)
    members = {"lstm": LSTM, "toy": TOY, "shallow": SHALLOW_TOY, "power": TOY | {"network": "band_power"}}
    settings = tiny_settings(members=members, epochs=15)
    planned = [member for member, _ in planned_members(settings, make_cohort(cohort, "fma_le"))]
    arguments = {member.name: member.arguments for member in planned}
    assert arguments["toy"] == {"n_channels": 3}
    assert arguments["shallow"] == {"n_covariates": 6, "n_channels": 3}
    ensemble = train_ensemble(cohort, settings, "cpu", lambda _: None)
    table = ensemble.out_of_fold
    for name in ("p_toy", "p_shallow", "fusion_early", "probability_poor"):
        assert roc_auc_score(table["poor"], table[name]) > 0.9, name
    bundle = load_bundle(write_trained(tmp_path / "models", ensemble, settings).path)
    assert [entry.member.network for entry in bundle.members] == ["lstm", "toy", "shallow_toy", "band_power"]
    said = [predict(bundle, unit.unit, "cpu") for unit in rhythm_cohort(tmp_path / "others", 4, seed=1)]
    assert all(prediction.members.keys() == members.keys() for prediction in said)
    for name in ("toy", "shallow"):
        probabilities = np.array([prediction.members[name].probability for prediction in said])
        assert (probabilities[1::2] > 0.5).all() and (probabilities[::2] < 0.5).all()


def test_it_is_offered_and_checked_as_the_others_are(tmp_path: Path) -> None:
    cohort = make_cohort(rhythm_cohort(tmp_path, 4), "fma_le")

    def planned(**member: object) -> None:
        planned_members(tiny_settings(members={"x": TOY | member}), cohort)

    with pytest.raises(UsageError, match="Choose one of lstm, tcn, band_power, coherence, toy, shallow_toy"):
        planned(network="regions")
    with pytest.raises(UsageError, match="n_channels is 5, but eegemg as it is read here makes it 3"):
        planned(n_channels=5)
    with pytest.raises(UsageError, match="shallow_toy is fitted in one go, without epochs"):
        planned(network="shallow_toy", training={"epochs": 3})
    with pytest.raises(ModelError, match=r"^toy: n_covariates=1, but this network reads no covariates"):
        planned(n_covariates=1)
    with pytest.raises(UsageError, match="Name regions, band_power, coherence, biomarkers or shallow_toy members"):
        early = tiny_settings(members={"x": TOY, "y": SHALLOW_TOY}, early_fusion=["x", "y"])
        planned_members(early, cohort)
