"""What a newcomer reads at 80 columns."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest

from bids_stroke.cli.app import command
from bids_stroke.cli.help import SECTIONS


@pytest.fixture(scope="module")
def text() -> str:
    """``--help`` in a terminal of 80 columns."""
    context = click.Context(command, info_name="bids_stroke", terminal_width=80, max_content_width=80)
    return command.get_help(context)


def test_help_answers_by_itself() -> None:
    done = subprocess.run([sys.executable, "-m", "bids_stroke", "--help"], capture_output=True, text=True, check=True)
    assert "bids_stroke BIDS_DIR OUTPUT_DIR {participant|train|group} [OPTIONS]" in done.stdout


def test_no_mark_of_click_is_left_and_nothing_is_wider_than_the_terminal(text: str) -> None:
    assert "\\" not in text and "\b" not in text
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_each_level_has_a_line_of_its_own(text: str) -> None:
    for level in ("participant", "train", "group"):
        assert re.search(rf"^  {level} +[a-z]", text, re.MULTILINE), level
    assert "  65  some or all units failed\n" in text


def test_every_option_stands_below_one_heading_once(text: str) -> None:
    named = [name for names in SECTIONS.values() for name in names]
    assert sorted(set(named)) == sorted(named)
    assert set(named) <= {param.name for param in command.params}
    shown = re.findall(r"^  (?:-\w, )?--([a-z-]+)", text, re.MULTILINE)
    visible = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    assert sorted(shown) == sorted([*(str(p.name).replace("_", "-") for p in visible), "help"])
    assert all(f"{heading}:\n" in text for heading in (*SECTIONS, "Other"))
