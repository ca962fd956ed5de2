"""Small bundles of untrained networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bids_stroke.core.records import Member, UnitFeatures
from bids_stroke.ensemble.bundle import Bundle, write_bundle
from bids_stroke.networks import registry
from tests.helpers.units import VOLUME, rhythm, tiny_contents, tiny_fusion, write_recording


def volume_bundle(folder: Path) -> Bundle:
    """Members a and b on EEG/EMG, and c on FA with covariates; weights 0.5, 0.25, 0.25."""
    contents = tiny_contents()
    arguments = {"widths": [2, 2, 2, 4], "n_plain_blocks": 0, "dense": 4, "n_covariates": 6}
    torch.manual_seed(0)
    entry = replace(
        contents.members[0], member=Member("c", "fa", "cbam_resnet3d", arguments, {"scale": 1.0, **VOLUME["inputs"]})
    )
    return write_bundle(
        folder,
        tiny_contents(
            members=(*contents.members, entry),
            states={**contents.states, "c": registry.build("cbam_resnet3d", **arguments).state_dict()},
            fusion=replace(tiny_fusion("a", "b", "c"), weights={"a": 0.5, "b": 0.25, "c": 0.25}),
        ),
    )


def rhythm_unit(folder: Path) -> UnitFeatures:
    """A person with one recording of EEG and EMG, and known covariates."""
    paths = write_recording(folder / "unit", "sub-07_task-leg", rhythm(2.0, 3, np.random.default_rng(0)))
    known = {"age": 66.0, "sex": "F", "days_since_stroke": 10.0}
    return UnitFeatures("07", None, {"eegemg": tuple(paths)}, {"fa": "no-dwi"}, known, "tiny")
