"""An audit of each deep member lies in the bundle that ``train`` writes, in its card, and comes back with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bids_stroke.app.model import DEMONSTRATION
from bids_stroke.core.errors import ModelError
from bids_stroke.ensemble.bundle import load_bundle, write_bundle
from bids_stroke.ensemble.explanation.looking import kind_of
from bids_stroke.ensemble.explanation.of_training import Learned, audited
from bids_stroke.ensemble.explanation.verdict import Audit
from bids_stroke.ensemble.metadata import METADATA, MODEL_CARD
from bids_stroke.ensemble.metadata_fields import metadata_fields
from tests.helpers.units import rhythm_cohort, tiny_contents

CPU = torch.device("cpu")


def test_each_deep_member_is_audited_and_the_bundle_tells(tmp_path: Path) -> None:
    cohort = rhythm_cohort(tmp_path / "files", 6)
    shuffled = tiny_contents().states["b"]
    said = {"a": Learned(np.linspace(0.1, 0.9, 6)), "b": Learned(np.linspace(0.1, 0.9, 6), shuffled)}
    lines: list[str] = []
    where = (CPU, 0, lines.append)
    contents = audited(tiny_contents(), cohort, np.arange(4), said, where)
    assert set(contents.audits) == {"a", "b"}
    assert all(one.people == 4 and one.outside is None for one in contents.audits.values())
    assert [line.split(":")[0] for line in lines] == ["a", "b"]
    assert contents.audits["a"].shuffled is None
    assert contents.audits["b"].shuffled == pytest.approx(1.0)  # it is "b" itself
    bundle = write_bundle(tmp_path / "model", contents)
    assert bundle.audits == contents.audits
    card = (bundle.path / MODEL_CARD).read_text()
    assert "Whether the pictures of where the networks looked can be believed" in card
    assert all(fault in card for one in contents.audits.values() for fault in one.faults)


def test_the_same_training_gives_the_same_bytes(tmp_path: Path) -> None:
    cohort = rhythm_cohort(tmp_path / "files", 4)
    said = {name: Learned(np.linspace(0.1, 0.9, 4)) for name in ("a", "b")}
    bundles = [
        write_bundle(tmp_path / name, audited(tiny_contents(), cohort, np.arange(4), said, (CPU, 7, str)))
        for name in ("one", "two")
    ]
    assert bundles[0].sha256 == bundles[1].sha256


def test_a_bundle_from_before_loads_and_is_not_audited(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "model", tiny_contents())
    assert bundle.audits == {}
    assert "pictures" not in (bundle.path / MODEL_CARD).read_text()
    content = json.loads((bundle.path / METADATA).read_text())
    del content["explanation_audit"]
    assert metadata_fields(bundle.path / METADATA, content).explanation_audit == {}


def test_the_demonstration_tells_what_its_pictures_are_worth() -> None:
    bundle = load_bundle(DEMONSTRATION)
    deep = {entry.member.name for entry in bundle.members if kind_of(entry.member) is not None}
    assert set(bundle.audits) == deep != set()


@pytest.mark.parametrize(
    ("key", "value"), [("outside", 2.0), ("alike", -3), ("people", 0), ("auc", "good"), ("shuffled", 2)]
)
def test_an_audit_that_is_none_is_refused(tmp_path: Path, key: str, value: object) -> None:
    known = Audit(0.8, 0.7, 0.1, 0.3, 0.9, 0.0, 8)
    bundle = write_bundle(tmp_path / "model", tiny_contents(audits={"a": known}))
    content = json.loads((bundle.path / METADATA).read_text())
    content["explanation_audit"]["a"][key] = value
    with pytest.raises(ModelError, match=rf"explanation_audit.a.{key}"):
        metadata_fields(bundle.path / METADATA, content)
