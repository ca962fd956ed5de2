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


def test_use_population_and_performance_have_sections_where_they_are_known(tmp_path: Path) -> None:
    facts = {
        "participants": 60,
        "population": {"known": {"age": 58}, "women": None, "men": None},
        "performance": {"participants": 60, "poor": 20, "quantities": {"auc": [0.8, 0.7, 0.9]}},
    }
    full = (write_bundle(tmp_path / "a", tiny_contents(facts=facts)).path / "docs" / "model_card.md").read_text()
    bare = (write_bundle(tmp_path / "b", tiny_contents()).path / "docs" / "model_card.md").read_text()
    assert "Not meant for decisions on care" in full and "Not meant for decisions on care" in bare
    assert "| age | | | 58 of 60 |" in full and "| AUC | 0.800 | 0.700 to 0.900 |" in full
    assert "## Population" not in bare and "## Performance" not in bare and "## Recalibration" not in bare
    assert "population:" not in full  # told once
