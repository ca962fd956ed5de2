"""The committed Boutiques descriptor is the generated one, and Boutiques accepts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click

from bids_stroke.cli.app import command
from bids_stroke.cli.boutiques import make_descriptor
from tests.conftest import ROOT

DESCRIPTOR = ROOT / "descriptors" / "bids_stroke.json"


def bosh(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "bosh"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_the_committed_descriptor_is_current() -> None:
    assert json.loads(DESCRIPTOR.read_text()) == make_descriptor()


def test_every_parameter_is_described_once() -> None:
    described = {entry["value-key"] for entry in make_descriptor()["inputs"]}
    own = [item for item in command.params if item.name not in ("help", "version")]
    shown = [item for item in own if not (isinstance(item, click.Option) and item.hidden)]
    assert described == {f"[{item.name.upper()}]" for item in shown}


def test_boutiques_validates_it() -> None:
    done = bosh("validate", str(DESCRIPTOR))
    assert done.returncode == 0, done.stderr
    assert "OK" in done.stdout


def test_boutiques_makes_the_command_line(tmp_path: Path) -> None:
    invocation = tmp_path / "invocation.json"
    values = {"InputDataset": str(tmp_path), "OutputLocation": "/out", "AnalysisLevel": "participant"}
    invocation.write_text(json.dumps(values | {"SubjectLabel": ["01", "02"], "dry_run": True}))
    done = bosh("exec", "simulate", str(DESCRIPTOR), "-i", str(invocation))
    assert done.returncode == 0, done.stderr
    assert f"bids_stroke {tmp_path} /out participant --participant-label 01 02 --dry-run" in done.stdout


def test_boutiques_refuses_an_unknown_level(tmp_path: Path) -> None:
    invocation = tmp_path / "invocation.json"
    values = {"InputDataset": str(tmp_path), "OutputLocation": "/out", "AnalysisLevel": "nonsense"}
    invocation.write_text(json.dumps(values))
    assert bosh("invocation", str(DESCRIPTOR), "-i", str(invocation)).returncode != 0
