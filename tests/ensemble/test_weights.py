"""Weights that cannot be used: refused with the file and the weight, before anybody is predicted."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bids_stroke.core.errors import ModelError
from bids_stroke.core.records import Member
from bids_stroke.ensemble.bundle import Bundle, write_bundle
from bids_stroke.ensemble.metadata import weights_file
from bids_stroke.ensemble.weights import check_members, read_weights
from tests.helpers.units import tiny_contents


def members(bundle: Bundle) -> list[Member]:
    return [entry.member for entry in bundle.fitted]


def with_weights(folder: Path, **changed: torch.Tensor | None) -> Bundle:
    """A bundle whose member a has other weights of some keys (``.`` as ``__``), None: none."""
    contents = tiny_contents()
    state = dict(contents.states["a"])
    for key, value in changed.items():
        state.pop(key.replace("__", "."), None)
        if value is not None:
            state[key.replace("__", ".")] = value
    return write_bundle(folder / "m", tiny_contents(states={**contents.states, "a": state}))


def some_key() -> str:
    return next(key for key, value in tiny_contents().states["a"].items() if value.is_floating_point())


def test_sound_weights_pass_and_come_back(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "m", tiny_contents())
    check_members(bundle.path, members(bundle))
    wanted = tiny_contents().states["a"]
    assert all(torch.equal(value, wanted[key]) for key, value in read_weights(bundle.path, "a").items())


@pytest.mark.inputs("Weights that are NaN or infinite, or of other shapes than the network's, are refused (66).")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    key = some_key()
    weight = tiny_contents().states["a"][key].clone()
    weight.view(-1)[-1] = value
    bundle = with_weights(tmp_path, **{key.replace(".", "__"): weight})
    with pytest.raises(ModelError, match=f"a.safetensors cannot be read: {key} holds NaN or infinity") as caught:
        check_members(bundle.path, members(bundle), modalities=())
    assert caught.value.exit_code == 66
    with pytest.raises(ModelError, match="NaN or infinity"):
        bundle.state("a")


@pytest.mark.parametrize(("value", "refused"), [(float("inf"), False), (-float("inf"), True), (float("nan"), True)])
def test_thresholds_of_trees_are_infinite_where_nobody_is_divided(tmp_path: Path, value: float, refused: bool) -> None:
    file = tmp_path / weights_file("trees")
    file.parent.mkdir()
    save_file({"threshold": torch.tensor([1.5, value])}, file)
    with pytest.raises(ModelError, match="threshold holds") if refused else nullcontext():
        assert read_weights(tmp_path, "trees")["threshold"].tolist() == [1.5, value]


@pytest.mark.parametrize("weight", [torch.zeros(3, 3), torch.zeros(()), None])
def test_weights_of_another_shape_or_none(tmp_path: Path, weight: torch.Tensor | None) -> None:
    key = some_key()
    bundle = with_weights(tmp_path, **{key.replace(".", "__"): weight})
    with pytest.raises(
        ModelError, match=r"a\.safetensors cannot be read: The weights do not fit the network lstm"
    ) as caught:
        check_members(bundle.path, members(bundle), modalities=("eegemg",))
    assert key in caught.value.message
    check_members(bundle.path, members(bundle), modalities=("fa",))  # whose network is not asked for


def test_a_file_that_is_no_safetensors(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "m", tiny_contents())
    for content in (b"", b"x" * 100, b"\xff" * 8):
        (bundle.path / "models" / "b.safetensors").write_bytes(content)
        with pytest.raises(ModelError, match=r"b\.safetensors cannot be read"):
            check_members(bundle.path, members(bundle))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": "none"}, "There is no network 'none'"),
        ({"arguments": {"hidden": "x"}}, "lstm.hidden"),
        ({"arguments": {"n_channels": -1}}, "n_channels"),
        ({"modality": "ct"}, "There is no modality 'ct'"),
        ({"inputs": {"rate": "fast"}}, "inputs.rate is 'fast'"),
        ({"inputs": {"rate": 10**400}}, "Error"),
        ({"inputs": {"speed": 1}}, "no input option speed"),
    ],
)
def test_a_member_that_is_described_wrongly(tmp_path: Path, change: dict[str, object], said: str) -> None:
    bundle = write_bundle(tmp_path / "m", tiny_contents())
    harmed = [replace(members(bundle)[0], **change)]  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"metadata\.json cannot be read: members\.a: ") as caught:
        check_members(bundle.path, harmed)
    assert said in caught.value.message
