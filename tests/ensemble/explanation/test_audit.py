"""The audit refuses maps of networks that have learned nothing, and says why; it repeats to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from bids_stroke.core.records import Member
from bids_stroke.ensemble.explanation.audit import Audited, audit
from bids_stroke.ensemble.explanation.looking import Kind
from bids_stroke.ensemble.explanation.verdict import Audit
from bids_stroke.networks import registry

RATE, TIME = 32.0, 64
TCN = Member("eeg", "eegemg", "tcn", {"n_channels": 3, "widths": (8, 8), "kernel": 3, "dropout": 0.0}, {"rate": RATE})
VOLUME = Member("fa", "fa", "cbam_resnet3d", {"widths": (2, 2, 2, 4), "n_plain_blocks": 0, "dense": 4}, {"shrink": 4})


def rhythms(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows of noise; every second person has a rhythm of 4 Hz in the second channel, the others one of 10 Hz."""
    rng = np.random.default_rng(seed)
    poor = np.arange(n) % 2 == 0
    time = np.arange(TIME) / RATE
    data = rng.normal(size=(n, TIME, 3))
    for i in range(n):
        data[i, :, 1] += 2 * np.sin(2 * np.pi * (4 if poor[i] else 10) * time + rng.uniform(0, 6))
    return data.astype(np.float32), poor


def say(network: nn.Module, data: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(network.eval()(torch.from_numpy(data), torch.zeros(len(data), 0))[:, 0].double())


def audited(network: nn.Module, seed: int = 0, shuffled: nn.Module | None = None) -> Audit:
    data, _ = rhythms(8, 1)
    new, poor = rhythms(40, 2)
    people = [one[None] for one in data]
    one = Audited(TCN, network, people, np.zeros((8, 0), np.float32), say(network, new), poor, shuffled)
    return audit(one, "window", seed)


def learn(order: np.ndarray) -> nn.Module:
    """Trained with the outcome of ``order[i]`` for person i."""
    data, poor = (torch.from_numpy(item) for item in rhythms(32, 0))
    poor = poor[order]
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = registry.build(TCN.network, **TCN.arguments)
        optimiser = torch.optim.AdamW(network.parameters(), lr=0.01)
        for _ in range(60):
            loss = functional.binary_cross_entropy_with_logits(network(data, torch.zeros(32, 0))[:, 0], poor.float())
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return network.eval()


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    return learn(np.arange(32))


def test_a_network_that_has_learned_passes_and_one_that_has_not_fails(trained: nn.Module) -> None:
    found = audited(trained)
    assert found.passed, found
    assert found.auc is not None and found.auc > 0.9
    torch.manual_seed(5)
    nothing = audited(registry.build(TCN.network, **TCN.arguments))
    assert not nothing.passed
    assert "no better than chance" in nothing.faults[0]


def test_maps_that_untrained_networks_give_too_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network itself, drawn anew from its seed, is what it is compared with."""
    monkeypatch.setattr("bids_stroke.ensemble.explanation.audit.UNTRAINED", 1)
    torch.manual_seed(0)
    own = audited(registry.build(TCN.network, **TCN.arguments), seed=0)
    assert own.alike == pytest.approx(1.0)
    assert any("much the same map" in fault for fault in own.faults)


def test_maps_that_shuffled_outcomes_give_too_fail(trained: nn.Module) -> None:
    other = audited(trained, shuffled=learn(np.random.default_rng(0).permutation(32)))
    assert other.shuffled is not None and other.passed, other
    own = audited(trained, shuffled=trained)
    assert own.shuffled == pytest.approx(1.0)
    assert [fault for fault in own.faults if "shuffled among the people" in fault] == list(own.faults)


def test_the_same_seed_gives_the_same_audit(trained: nn.Module) -> None:
    assert audited(trained, 3) == audited(trained, 3)
    assert audited(trained, 3).alike != audited(trained, 4).alike


@pytest.mark.parametrize("kind", ["volume", "slice"])
def test_images_are_audited_inside_and_outside_the_brain(kind: Kind) -> None:
    rng = np.random.default_rng(0)
    shape = (1, 22, 27, 22) if kind == "volume" else (3, 96, 96)
    member = VOLUME if kind == "volume" else Member("bold", "bold", "slice_cnn", {"backbone": "shufflenet_v2_x0_5"}, {})
    people = [rng.normal(size=(2, *shape)).astype(np.float32) for _ in range(2)]
    torch.manual_seed(0)
    network = registry.build(member.network, **member.arguments).eval()
    poor = np.arange(20) % 2 == 0
    found = audit(Audited(member, network, people, np.zeros((2, 0), np.float32), rng.random(20), poor), kind, 0)
    assert found.people == 2
    assert found.outside is not None and 0 <= found.outside <= 1
    assert found.faithful is not None and 0 <= found.faithful <= 1
    assert found.auc_low is not None and found.auc is not None and found.auc_low < found.auc


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"auc_low": 0.45}, "no better than chance"),
        ({"alike": 0.6}, "much the same map"),
        ({"alike": None}, "no map"),
        ({"shuffled": 0.6}, "trained on outcomes that were shuffled"),
        ({"outside": 0.7}, "outside the brain"),
        ({"faithful": 0.5}, "Hiding the places"),
    ],
)
def test_every_fault_is_told(change: dict[str, float | None], word: str) -> None:
    good = {"auc": 0.8, "auc_low": 0.7, "alike": 0.1, "outside": 0.3, "faithful": 0.9, "empty": 0.0, "people": 8}
    assert Audit(**good).passed  # type: ignore[arg-type]
    (fault,) = Audit(**{**good, **change}).faults  # type: ignore[arg-type]
    assert word in fault
