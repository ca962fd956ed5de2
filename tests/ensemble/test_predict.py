"""Predictions of a bundle: members, fusion, what is missing, and what is kept in memory."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bids_stroke.core.errors import DataError, ModelError, UsageError
from bids_stroke.core.records import UnitFeatures
from bids_stroke.ensemble.bundle import Bundle, load_bundle, write_bundle
from bids_stroke.ensemble.predict import predict, predict_members
from bids_stroke.ensemble.weights import restore_network
from bids_stroke.features.readers import read_samples
from bids_stroke.fusion.fitted import Fusion
from bids_stroke.networks import registry
from tests.helpers.bundles import rhythm_unit, volume_bundle
from tests.helpers.units import LSTM, blob, tiny_contents, tiny_distribution, write_volume


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "models" / "tiny", tiny_contents())


@pytest.fixture
def unit(tmp_path: Path) -> UnitFeatures:
    return rhythm_unit(tmp_path)


def test_members_give_the_mean_of_their_windows(bundle: Bundle, unit: UnitFeatures) -> None:
    prediction = predict(bundle, unit, "cpu")
    windows = torch.from_numpy(read_samples("eegemg", unit.features["eegemg"], LSTM["inputs"]).data)
    for name in ("a", "b"):
        model = registry.build("lstm", n_channels=3, hidden=[4], dropout=0.0).eval()
        model.load_state_dict(bundle.state(name))
        with torch.no_grad():
            output = model(windows, torch.zeros(3, 0)).double()
        assert prediction.members[name].n_samples == 3
        assert prediction.members[name].probability == pytest.approx(float(output[:, 0].sigmoid().mean()), rel=1e-6)
        assert prediction.members[name].score == pytest.approx(float(output[:, 1].mean()) * 8 + 17, rel=1e-6)


def test_everything_that_is_predicted_comes_from_one_distribution(bundle: Bundle, unit: UnitFeatures) -> None:
    prediction = predict(bundle, unit, "cpu")
    a, b = prediction.members["a"], prediction.members["b"]
    degrees = [((np.log(m.probability / (1 - m.probability)) - 0.1) / 0.8 + (m.score - 17) / -9) / 2 for m in (a, b)]
    index = 0.75 * degrees[0] + 0.25 * degrees[1]
    known = tiny_distribution()
    assert prediction.probability_poor == pytest.approx(float(known.probability(np.array([index]))[0]))
    assert prediction.predicted_score == pytest.approx(float(known.score(np.array([index]))[0]))
    assert prediction.predicted_score_interval == pytest.approx(known.interval(index))
    assert prediction.probability_poor_interval == pytest.approx(known.probability_interval(index))
    assert prediction.decided_beyond == known.decided
    assert prediction.prediction == known.decide(prediction.probability_poor)


def test_without_a_distribution_outputs_are_averaged(tmp_path: Path, unit: UnitFeatures) -> None:
    fusion = Fusion({"a": 0.75, "b": 0.25})
    prediction = predict(write_bundle(tmp_path / "plain", tiny_contents(fusion=fusion)), unit, "cpu")
    a, b = prediction.members["a"], prediction.members["b"]
    assert prediction.probability_poor == pytest.approx(0.75 * a.probability + 0.25 * b.probability)
    assert prediction.predicted_score == pytest.approx(0.75 * a.score + 0.25 * b.score)
    assert prediction.probability_poor_interval is None and prediction.decided_beyond is None
    assert prediction.predicted_score_interval is None and prediction.prediction != "abstain"


def test_weights_are_renormalised_over_the_members_present(tmp_path: Path, unit: UnitFeatures) -> None:
    bundle = volume_bundle(tmp_path / "three")
    without = predict(bundle, unit, "cpu")
    assert {name: member.weight for name, member in without.members.items()} == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    assert without.missing == {"c": "no-dwi"}
    said = "2 of 3 members applied, which hold 75% of the weight; the weights were renormalised."
    assert said in without.warnings
    fa = write_volume(tmp_path / "fa.nii", blob(0.2, np.random.default_rng(0)))
    complete = predict(bundle, replace(unit, features={**unit.features, "fa": (fa,)}, missing={}), "cpu")
    assert complete.members["c"].weight == 0.25
    assert complete.members["c"].n_samples == 1
    assert complete.members["a"].probability == without.members["a"].probability
    assert complete.missing == {}


def test_missing_covariates_are_said(tmp_path: Path, unit: UnitFeatures) -> None:
    bundle = volume_bundle(tmp_path / "three")
    fa = write_volume(tmp_path / "fa.nii", blob(0.2, np.random.default_rng(0)))
    old = replace(unit, features={"fa": (fa,)}, covariates={"age": 95.0, "sex": "F"})
    warnings = " ".join(predict(bundle, old, "cpu").warnings)
    assert "age 95 is outside the training range 40 to 80" in warnings
    assert "days_since_stroke is missing" in warnings


def test_covariates_move_the_member_that_takes_them(tmp_path: Path, unit: UnitFeatures) -> None:
    bundle = volume_bundle(tmp_path / "three")
    fa = write_volume(tmp_path / "fa.nii", blob(0.2, np.random.default_rng(0)))
    young, old = (
        predict(bundle, replace(unit, features={"fa": (fa,)}, covariates={**unit.covariates, "age": age}), "cpu")
        for age in (40.0, 80.0)
    )
    assert young.members["c"].probability != old.members["c"].probability


def test_nothing_for_any_member_is_an_error_with_the_reasons(bundle: Bundle, unit: UnitFeatures) -> None:
    nothing = replace(unit, features={"fa": (Path("fa.nii"),)}, missing={"eegemg": "no-eeg"})
    with pytest.raises(DataError, match="a: no eeg; b: no eeg") as caught:
        predict(bundle, nothing, "cpu")
    assert caught.value.reason == "no-member-applies"


def test_recording_that_a_member_cannot_use_is_missing_not_failed(tmp_path: Path, unit: UnitFeatures) -> None:
    bundle = volume_bundle(tmp_path / "three")
    fa = write_volume(tmp_path / "fa.nii", blob(0.2, np.random.default_rng(0)))
    only_eeg = unit.features["eegemg"][:2]
    prediction = predict(bundle, replace(unit, features={"fa": (fa,), "eegemg": only_eeg}), "cpu")
    assert prediction.missing == {"a": "channels-missing", "b": "channels-missing"}
    assert prediction.members["c"].weight == 1.0


def test_training_participants_are_marked(bundle: Bundle, unit: UnitFeatures) -> None:
    known = predict(bundle, replace(unit, subject="01"), "cpu")
    assert known.in_training_set
    assert any("in the training set" in text for text in known.warnings)
    assert not predict(bundle, unit, "cpu").in_training_set
    assert not predict(bundle, replace(unit, subject="01", dataset="other"), "cpu").in_training_set


def test_demonstration_says_so(tmp_path: Path, unit: UnitFeatures) -> None:
    shown = predict(write_bundle(tmp_path / "demo", tiny_contents(demonstration=True)), unit, "cpu")
    assert shown.model["demonstration"] is True
    assert any("Demonstration" in text for text in shown.warnings)


def test_prediction_is_the_same_each_time_and_leaves_torch_as_it_was(bundle: Bundle, unit: UnitFeatures) -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert predict(bundle, unit, "cpu") == predict(bundle, unit, "cpu")
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()


def test_samples_keep_their_positions(bundle: Bundle, unit: UnitFeatures) -> None:
    samples, missing = predict_members(bundle, unit, "cpu")
    assert missing == {}
    assert samples["a"].positions == (0.0, 2.0, 4.0)
    assert len(samples["a"].probabilities) == 3


def test_changed_bundle_is_not_served_from_memory(tmp_path: Path, unit: UnitFeatures) -> None:
    first = predict(write_bundle(tmp_path / "m", tiny_contents()), unit, "cpu")
    states = {name: {k: v + 1 for k, v in state.items()} for name, state in tiny_contents().states.items()}
    second = predict(write_bundle(tmp_path / "m", tiny_contents(states=states)), unit, "cpu")
    assert first.probability_poor != second.probability_poor
    assert load_bundle(tmp_path / "m").sha256 == second.model["sha256"]


def test_bundle_that_changes_between_loading_and_use_is_refused(tmp_path: Path, unit: UnitFeatures) -> None:
    before = write_bundle(tmp_path / "m", tiny_contents())
    write_bundle(tmp_path / "m", tiny_contents(demonstration=True))
    with pytest.raises(ModelError, match="changed during the run"):
        predict(before, unit, "cpu")


def test_a_prediction_from_maps_waits_for_no_library_that_it_does_not_need() -> None:
    code = """
import sys
import bids_stroke.ensemble.predict
from bids_stroke.networks import registry
registry.build("miccai2025", n_covariates=3)
unwanted = {"pandas", "scipy.special", "sklearn", "monai", "timm", "torchvision", "mne", "pydantic"}
print(sorted(unwanted & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


KEEPING = """
import resource
from bids_stroke.networks.device import keep_memory
def faults(size):  # not of arrays, for which numpy asks for large pages
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"1" * size
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
def megabytes():
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
"""


def keeping(code: str) -> list[float]:
    if "glibc" not in platform.libc_ver():
        pytest.skip("the C library is not glibc")
    done = subprocess.run([sys.executable, "-c", KEEPING + code], capture_output=True, text=True, check=True)
    return [float(number) for number in done.stdout.split()]


def test_memory_is_kept_where_the_c_library_can() -> None:
    code = "assert keep_memory(); faults(80_000_000); print(faults(80_000_000))"
    assert keeping(code)[0] < 1000  # 80 MB anew would be 20,000 pages


def test_what_is_kept_between_predictions_has_a_limit() -> None:
    code = """
assert keep_memory(2**26)
faults(20_000_000)
print(faults(20_000_000), faults(80_000_000), megabytes())
held = [b"1" * 20_000_000 for _ in range(20)]
print(megabytes())
del held
print(megabytes())
"""
    again, large, before, full, after = keeping(code)
    assert again < 500  # of 5,000 pages
    assert large > 10_000  # larger than the largest piece that is kept
    assert full - before > 350
    assert after - before < 70


def test_weights_of_another_network_are_refused() -> None:
    state = registry.build("lstm", n_channels=3, hidden=[4]).state_dict()
    with pytest.raises(ModelError, match="do not fit"):
        restore_network("lstm", {"n_channels": 3, "hidden": [5]}, state, torch.device("cpu"))


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        ("miccai2025", {"depth": 9}),
        ("cbam_resnet3d", {"widths": (8, 8, 8, 8), "n_plain_blocks": 1, "dense": 8}),
        ("slice_cnn", {"backbone": "shufflenet_v2_x0_5"}),
        ("lstm", {"n_channels": 3, "hidden": (4,)}),
        ("regions", {}),
        ("covariates", {"n_covariates": 4}),
    ],
)
def test_a_restored_network_has_the_weights_for_itself_and_draws_no_random_number(
    network: str, arguments: dict[str, Any]
) -> None:
    state = registry.build(network, **arguments).state_dict()
    before = {key: value.clone() for key, value in state.items()}
    generator = torch.get_rng_state()
    model = restore_network(network, arguments, state, torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), generator)
    for value in state.values():
        value.zero_()
    restored = model.state_dict()
    assert all(torch.equal(restored[key], value) for key, value in before.items())
    assert not any(value.is_meta for value in (*model.parameters(), *model.buffers()))
    assert all(value.dtype == before[key].dtype for key, value in restored.items())


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:99", "CPU"])
def test_device_that_is_not_there_is_an_error(device: str, bundle: Bundle, unit: UnitFeatures) -> None:
    with pytest.raises(UsageError, match=device):
        predict(bundle, unit, device)


def test_bf16_is_near_fp32(bundle: Bundle, unit: UnitFeatures) -> None:
    exact, rough = (predict(bundle, unit, "cpu", precision).probability_poor for precision in ("fp32", "bf16"))
    assert exact == pytest.approx(rough, abs=0.02)


def test_a_prediction_says_how_the_covariates_were_read(tmp_path: Path) -> None:
    fa = write_volume(tmp_path / "fa.nii", blob(0.2, np.random.default_rng(0)))
    known: dict[str, float | str] = {"age": 70.0, "sex": "code 2", "days_since_stroke": -2.0}
    unit = UnitFeatures("07", None, {"fa": (fa,)}, {}, known, "tiny")
    told = [text for text in predict(volume_bundle(tmp_path / "model"), unit, "cpu").warnings if " is " in text]
    assert any(text.startswith("sex is code 2: nothing tells") and "Levels" in text for text in told)
    assert any(text.startswith("days_since_stroke is -2: cannot be a number of days") for text in told)
    assert any(text.startswith("sex is missing: the training mean") for text in told)
    assert not any(text.startswith("age is") for text in told)


def test_a_prediction_says_what_the_tables_lack(bundle: Bundle, unit: UnitFeatures) -> None:
    note = "participants.tsv has no row of this person; its first row is 'sub-1'."
    assert note in predict(bundle, replace(unit, notes=(note,)), "cpu").warnings
    assert note not in predict(bundle, unit, "cpu").warnings
