"""The committed Boutiques descriptor is the generated one, and Boutiques accepts it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest

from bids_stroke.cli.app import command
from bids_stroke.cli.boutiques import IDS, make_descriptor
from bids_stroke.cli.help import EPILOG
from bids_stroke.derivatives.names import is_named
from tests.conftest import ROOT
from tests.helpers.bids import make_dataset

DESCRIPTOR = ROOT / "descriptors" / "bids_stroke.json"


def bosh(*arguments: str, folder: Path | None = None, docker: Path | None = None) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "bosh"
    environment = os.environ | ({"PATH": f"{docker}{os.pathsep}{os.environ['PATH']}"} if docker else {})
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, cwd=folder, env=environment
    )


def test_the_committed_descriptor_is_current() -> None:
    assert json.loads(DESCRIPTOR.read_text()) == make_descriptor()


def test_every_parameter_is_described_once() -> None:
    described = {entry["value-key"] for entry in make_descriptor()["inputs"]} - {"[PARTICIPANT_LABEL_FILE]"}
    own = [item for item in command.params if item.name not in ("help", "version")]
    shown = [item for item in own if not (isinstance(item, click.Option) and item.hidden)]
    assert described == {f"[{item.name.upper()}]" for item in shown}


def test_every_exit_code_is_described() -> None:
    told = {int(code) for code in re.findall(r"(?m)(?:^|  ) *(\d+)  ", EPILOG)}
    assert {entry["code"] for entry in make_descriptor()["error-codes"]} == (told | {137}) - {0}


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


DOCKER = """#!/bin/sh
[ "$1" = run ] || exit 0
# docker run ... IMAGE SCRIPT: keep what it was asked, then run the script as if all that it names were mounted
printf '%s\\n' "$@" > "$(dirname "$0")/arguments"
for last; do :; done
cp "$last" "$(dirname "$0")/script"
PATH="$(dirname "$0"):$PATH" sh "$last"
"""
"""Stand-in for docker; beside it lies a ``bids_stroke``."""
CALL = re.compile(r"(?m)^(?:#  | {3})? *bids_stroke (\S+) (\S+) ((?:participant|train|group)\b[^#\n]*)")
PAGES = ("README.md", "CONTRIBUTING.md", "bids_stroke/cli/help.py", "docs/*.md", "docs/settings/*.yml")
CALLS = sorted({
    level.strip() for page in PAGES for path in ROOT.glob(page) for _, _, level in CALL.findall(path.read_text())
})  # fmt: skip
"""Every call in the documentation: the level and its options."""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("docker", DOCKER), ("bids_stroke", "#!/bin/sh\nexit 0\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def launch(stand_in: Path, values: dict[str, Any]) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Launch from a folder in which nothing lies; what ended, and the places that were mounted besides."""
    here = stand_in.parent / "here"
    here.mkdir()
    (stand_in / "invocation.json").write_text(json.dumps(values))
    words = ("exec", "launch", "--no-pull", "--skip-data-collection", str(DESCRIPTOR))
    done = bosh(*words, str(stand_in / "invocation.json"), folder=here, docker=stand_in)
    asked = (stand_in / "arguments").read_text().splitlines() if (stand_in / "arguments").exists() else []
    mounts = {value for word, value in pairwise(asked) if word == "-v"}
    return done, {source for source, _, target in (mount.partition(":") for mount in mounts) if source == target}


def as_values(options: dict[str, Any]) -> dict[str, Any]:
    """What click understood -> inputs of the descriptor, with each place made."""
    kinds = {entry["id"]: entry for entry in make_descriptor()["inputs"]}
    values = {}
    for name, value in options.items():
        entry = kinds.get(IDS.get(name, name))
        if entry is None or value in (None, (), False):
            continue
        if entry["type"] == "File":
            for place in map(Path, value if isinstance(value, tuple) else [value]):
                place.mkdir(parents=True, exist_ok=True)
        values[entry["id"]] = (
            list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
        )
    return {key: value for key, value in values.items() if key != "verbose"}


@pytest.mark.parametrize("call", CALLS)
def test_every_documented_call_can_be_launched(stand_in: Path, tmp_path: Path, call: str) -> None:
    words = [str(tmp_path / "data"), str(tmp_path / "out"), *shlex.split(call)]
    for option, place in (("--derivatives", "masks"), ("--config", "settings")):
        if option in words:
            words[words.index(option) + 1] = str(tmp_path / place)
    asked = command.make_context("bids_stroke", list(words)).params
    values = as_values(asked)
    done, mounted = launch(stand_in, values)
    assert done.returncode == 0, done.stdout + done.stderr
    script = shlex.split((stand_in / "script").read_text().splitlines()[1])
    assert command.make_context("bids_stroke", script[1:]).params == asked
    assert {word for word in words if word.startswith(str(tmp_path))} <= mounted


def test_a_launch_runs_the_app_for_features_only(stand_in: Path, tmp_path: Path) -> None:
    """And a file of labels is mounted, and read."""
    subjects = {f"sub-{label}/anat/sub-{label}_T1w.nii.gz": None for label in ("01", "02")}
    raw = make_dataset(tmp_path / "raw", subjects)
    (tmp_path / "out").mkdir()
    (tmp_path / "labels.txt").write_text("02\n")
    (stand_in / "bids_stroke").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bids_stroke "$@"\n')
    done, mounted = launch(stand_in, {
        "InputDataset": str(raw), "OutputLocation": str(tmp_path / "out"), "AnalysisLevel": "participant",
        "features_only": True, "dry_run": True, "participant_label_file": str(tmp_path / "labels.txt"),
    })  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("sub-02_T1w.nii.gz" in done.stdout, "sub-01_T1w.nii.gz" in done.stdout) == (True, False)
    assert {str(raw), str(tmp_path / "out"), str(tmp_path / "labels.txt")} <= mounted


def test_an_output_folder_that_is_not_there_is_refused_before_anything_runs(stand_in: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    values = {"InputDataset": str(tmp_path / "raw"), "OutputLocation": str(tmp_path / "out")}
    done, _ = launch(stand_in, {**values, "AnalysisLevel": "group"})
    assert done.returncode == 99
    assert "Missing local mount location" in done.stdout + done.stderr
    assert not (stand_in / "arguments").exists()


NIPOPPY = ROOT / "descriptors" / "nipoppy"
FILLED = {"PARTICIPANT_ID": "01", "SESSION_ID": "a", "BIDS_PARTICIPANT_ID": "sub-01", "BIDS_SESSION_ID": "ses-a"}


def filled(name: str, **places: Path) -> Any:
    """A file of the pipeline folder as nipoppy fills it in."""
    text = (NIPOPPY / name).read_text()
    for key, value in {**FILLED, **places}.items():
        text = text.replace(f"[[NIPOPPY_{key}]]", str(value))
    return json.loads(text)


def test_the_pipeline_folder_of_nipoppy_has_this_version_and_descriptor() -> None:
    assert json.loads((NIPOPPY / "descriptor.json").read_text()) == make_descriptor()
    config = json.loads((NIPOPPY / "config.json").read_text())
    assert config["VERSION"] == make_descriptor()["tool-version"]
    names = [value for step in config["STEPS"] for key, value in step.items() if key.endswith("_FILE")]
    assert [name for name in names if not (NIPOPPY / name).is_file()] == []


@pytest.mark.parametrize(("form", "labels"), [("", ["--session-label", "a"]), ("_no_session", [])])
def test_nipoppy_calls_a_command_line_that_is_ours_and_tracks_files_that_are(
    tmp_path: Path, form: str, labels: list[str]
) -> None:
    dataset = {"DPATH_BIDS": tmp_path, "DPATH_PIPELINE_OUTPUT": tmp_path, "DPATH_PIPELINE_WORK": tmp_path}
    (tmp_path / "invocation.json").write_text(json.dumps(filled(f"invocation{form}.json", **dataset)))
    done = bosh("exec", "simulate", str(NIPOPPY / "descriptor.json"), "-i", str(tmp_path / "invocation.json"))
    words = shlex.split(done.stdout.splitlines()[-1])
    assert words[4:][: 2 + len(labels)] == ["--participant-label", "01", *labels]
    assert command.make_context("bids_stroke", words[1:]).params["work_dir"] == tmp_path
    paths = [Path(path.replace("*", "any")) for path in filled(f"tracker{form}.json")["PATHS"]]
    roles = ("quality", "prediction")
    assert [is_named(path, role) for path, role in zip(paths, roles, strict=True)] == [True, True]
    unit = "sub-01/ses-a/sub-01_ses-a_" if labels else "sub-01/sub-01_"
    assert all(path.as_posix().startswith(unit) for path in paths)
