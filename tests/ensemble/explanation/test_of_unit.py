"""Which networks of a prediction are told of, and where their evidence lies in the standard space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from bids_stroke.core.records import Member, MemberPrediction, Prediction, UnitFeatures
from bids_stroke.ensemble.bundle import Bundle, write_bundle
from bids_stroke.ensemble.explanation.of_unit import chosen, explain
from bids_stroke.ensemble.predict import predict_here, unit_here
from bids_stroke.features.readers import GRID_AFFINE, GRID_SHAPE
from bids_stroke.networks import registry
from tests.helpers.bundles import rhythm_unit, volume_bundle
from tests.helpers.units import tiny_contents, tiny_fusion, write_volume


def with_map(folder: Path) -> UnitFeatures:
    unit = rhythm_unit(folder)
    data = np.random.default_rng(0).random(GRID_SHAPE)
    path = write_volume(folder / "unit" / "sub-07_space-MNI152NLin2009aSym_res-2_param-fa_dwimap.nii.gz", data)
    return replace(unit, features={**unit.features, "fa": (path,)}, missing={})


def said(prediction: Prediction, weights: Mapping[str, float]) -> Prediction:
    members = {name: replace(one, weight=weights[name]) for name, one in prediction.members.items()}
    return replace(prediction, members=members)


def test_the_networks_that_predicted_are_explained(tmp_path: Path) -> None:
    here = unit_here(volume_bundle(tmp_path / "model"), with_map(tmp_path))
    prediction = predict_here(here)
    found = {one.member.name: one for one in explain(here, prediction)}
    assert list(found) == ["a", "b", "c"]  # by weight, equals as in the bundle
    assert found["c"].evidence is not None and found["c"].evidence.data.shape == GRID_SHAPE
    assert np.array_equal(found["c"].evidence.affine, GRID_AFFINE)
    assert found["c"].evidence.data.min() >= 0 and min(found["c"].layer) >= 3
    assert not found["c"].evidence.data[88:].any()  # 91 is no multiple of 4: the rest is read by nobody
    window = found["a"]
    assert window.attributions is not None and window.attributions.shape == (3, len(window.bands))
    assert window.attributions.sum() == pytest.approx(window.moved, abs=1e-6)
    logit = np.log(prediction.members["a"].probability / (1 - prediction.members["a"].probability))
    samples = here.samples(window.member)
    with torch.no_grad():
        flat = here.network(window.member)(torch.zeros(1, *samples.data.shape[1:]), torch.zeros(1, 0))[0, 0]
    assert window.moved == pytest.approx(logit - float(flat), abs=1e-3)  # all three windows were looked at
    assert all(one.audit is None for one in found.values())


def test_without_much_weight_the_first_of_each_kind_is_told_of(tmp_path: Path) -> None:
    here = unit_here(volume_bundle(tmp_path / "model"), with_map(tmp_path))
    prediction = predict_here(here)
    assert chosen(here, said(prediction, {"a": 0.01, "b": 0.02, "c": 0.97})) == ["c", "b"]
    assert chosen(here, said(prediction, {"a": 0.5, "b": 0.5, "c": 0.0})) == ["a", "b"]
    assert chosen(here, said(prediction, {"a": 0.0, "b": 0.0, "c": 0.001})) == ["c"]


def slices_bundle(folder: Path) -> Bundle:
    contents = tiny_contents(names=("a",))
    inputs = {"maps": ["mean", "alff", "reho"], "size": 96, "min_area": 0.2}
    arguments = {"backbone": "shufflenet_v2_x0_5", "in_channels": 3}
    member = replace(contents.members[0], member=Member("a", "bold", "slice_cnn", arguments, inputs))
    torch.manual_seed(0)
    network = registry.build("slice_cnn", **arguments)
    return write_bundle(
        folder,
        tiny_contents(names=("a",), members=(member,), states={"a": network.state_dict()}, fusion=tiny_fusion("a")),
    )


def test_slices_are_put_back_where_they_were_read(tmp_path: Path) -> None:
    affine = np.diag([-3.0, 3, 3, 1])
    affine[:3, 3] = (90, -126, -72)
    data = np.zeros((61, 73, 61), np.float32)
    data[15:45, 20:60, 20:40] = np.random.default_rng(0).random((30, 40, 20)) + 0.1
    paths = []
    for stat in ("mean", "alff", "reho"):
        name = f"sub-07_task-rest_space-MNI152NLin2009aSym_res-3_stat-{stat}_boldmap.nii.gz"
        nib.Nifti1Image(data, affine).to_filename(tmp_path / name)
        paths.append(tmp_path / name)
    known = {"age": 66.0, "sex": "F", "days_since_stroke": 10.0}
    unit = UnitFeatures("07", None, {"bold": tuple(paths)}, {}, known, "tiny")
    here = unit_here(slices_bundle(tmp_path / "model"), unit)
    (found,) = explain(here, predict_here(here))
    assert found.evidence is not None and found.evidence.data.shape == data.shape
    read = np.flatnonzero(found.evidence.data.any(axis=(0, 1)))
    assert set(read) <= set(range(20, 40)) and found.samples == 20
    assert np.array_equal(found.evidence.affine, affine)


def test_a_member_without_weight_says_nothing(tmp_path: Path) -> None:
    here = unit_here(volume_bundle(tmp_path / "model"), rhythm_unit(tmp_path))
    prediction = predict_here(here)
    nobody = replace(prediction, members={"a": MemberPrediction(0.5, None, 1, 0.0, "eegemg")})
    assert explain(here, nobody) == ()
