"""The model card of a bundle."""

from __future__ import annotations

from pathlib import Path

from bids_stroke.ensemble.bundle import write_bundle
from tests.helpers.units import tiny_contents


def test_model_card_tells_the_facts(tmp_path: Path) -> None:
    plain = write_bundle(tmp_path / "a", tiny_contents()).path / "docs" / "model_card.md"
    shown = write_bundle(tmp_path / "b", tiny_contents(demonstration=True)).path / "docs" / "model_card.md"
    text = plain.read_text()
    assert "Research use only" in text
    assert "| a | eegemg | lstm |" in text
    assert "0.750" in text
    assert "participants: 2" in text
    assert "- Members on modalities or covariates, fused and calibrated." in text
    assert "Demonstration" not in text
    assert "Demonstration ensemble" in shown.read_text()
