"""The settings of a run, as they are kept: another run can be given them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

import bids_stroke
from bids_stroke.core.settings import Settings, load_settings
from bids_stroke.derivatives.provenance import RunTold, read_run, write_settings

GIVEN = {
    "seed": 7,
    "outcome": {"column": "nihss", "operator": ">=", "threshold": 5},
    "modalities": ["fa", "lesion"],
    "dwi": {"max_b": 1000.5, "gibbs": "off"},
    "training": {
        "members": {"fa": {"modality": "fa", "inputs": {"shrink": 4}}},
        "max_minutes": 3,
        "early_fusion": ["a", "b"],
    },
}


@pytest.mark.parametrize("given", [{}, GIVEN])
def test_what_is_kept_can_be_given_again(tmp_path: Path, given: dict[str, object]) -> None:
    settings = Settings.model_validate(given)
    path = write_settings(tmp_path, "participant", settings, ["/data", "/out", "participant"])
    assert path == tmp_path / "logs" / "settings_participant.yml"
    again = load_settings(path)
    assert again == settings
    assert again.digest() == settings.digest()


@pytest.mark.parametrize("word", ["fma_le<=17", "my data", "two\nlines: [", "a\x85b\x07", "\udcff", "ünlü", "#x: {"])
def test_whatever_the_command_line_holds_stays_a_comment(tmp_path: Path, word: str) -> None:
    path = write_settings(tmp_path, "train", Settings(), ["/data", "/out", "train", "--outcome", word])
    assert load_settings(path) == Settings()
    first, _, third = path.read_text("utf-8").split("\n")[:3]
    assert bids_stroke.__version__ in first and "level train" in first
    assert third.startswith("#   bids_stroke /data /out train --outcome ")
    if word.isprintable():
        assert shlex.split(third[1:])[-1] == word


@pytest.mark.parametrize("word", ["fma_le<=17", "my data", "two\nlines: [", "ünlü"])
def test_the_last_run_is_read_again(tmp_path: Path, word: str) -> None:
    assert read_run(tmp_path, "participant") is None
    path = write_settings(tmp_path, "participant", Settings(), ["/data", word])
    told = read_run(tmp_path, "participant")
    assert isinstance(told, RunTold)
    assert told.version == bids_stroke.__version__ and told.date in path.read_text("utf-8").splitlines()[0]
    assert f"#   {told.command}" == path.read_text("utf-8").split("\n")[2]
    path.write_bytes(b"\xff")
    assert read_run(tmp_path, "participant") is None
