"""What counts as up to date."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.manifest import code_digest, make_manifest, read_manifest, stamp, write_manifest


@pytest.fixture
def done(tmp_path: Path):
    """A step that read ``in.txt`` and wrote ``out/a.txt`` and ``out/b.txt``."""
    root = tmp_path / "out"
    root.mkdir()
    for path in (tmp_path / "in.txt", root / "a.txt", root / "b.txt"):
        path.write_text(path.name)
    report = StepReport(
        {"fa": (root / "a.txt",)}, {"md": "why"}, {"volume_ml": 1.5}, ("careful",), {"b": root / "b.txt"}
    )
    write_manifest(tmp_path / "m.json", root, make_manifest(root, "key", [tmp_path / "in.txt"], [], report))
    return tmp_path, root, report


def test_a_manifest_survives_the_disk(done) -> None:
    folder, root, report = done
    assert read_manifest(folder / "m.json", root).report == report


def test_the_output_folder_may_move(done) -> None:
    folder, root, _ = done
    moved = folder / "moved"
    root.rename(moved)
    again = read_manifest(folder / "m.json", moved)
    assert again.is_current(moved, "key", [folder / "in.txt"])
    assert again.report.outputs == {"fa": (moved / "a.txt",)}


def test_nothing_changed_is_current_also_after_a_touch(done) -> None:
    folder, root, _ = done
    os.utime(folder / "in.txt", ns=(1, 1))
    assert read_manifest(folder / "m.json", root).is_current(root, "key", [folder / "in.txt"])


@pytest.mark.parametrize("change", ["key", "input", "same size", "output", "output gone", "input gone", "more inputs"])
def test_every_change_is_seen(done, change: str) -> None:
    folder, root, _ = done
    key, inputs = "key", [folder / "in.txt"]
    if change == "key":
        key = "other"
    elif change == "input":
        (folder / "in.txt").write_text("longer than before")
    elif change == "same size":
        (folder / "in.txt").write_text("IN.TXT")
        os.utime(folder / "in.txt", ns=(1, 1))
    elif change == "output":
        (root / "a.txt").write_text("tampered with")
    elif change == "output gone":
        (root / "b.txt").unlink()
    elif change == "input gone":
        (folder / "in.txt").unlink()
    else:
        inputs.append(root / "a.txt")
    assert not read_manifest(folder / "m.json", root).is_current(root, key, inputs)


@pytest.mark.parametrize("text", ["", "{", "{}", '{"key": 1, "report": []}'])
def test_a_broken_manifest_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    assert read_manifest(tmp_path / "m.json", tmp_path) is None
    assert read_manifest(tmp_path / "none.json", tmp_path) is None


def test_stamps_and_code_digests() -> None:
    assert stamp(Path(__file__)).matches(Path(__file__))
    assert code_digest("preprocess") != code_digest("networks")
    assert len(code_digest("features")) == 64
