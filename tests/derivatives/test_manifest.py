"""What counts as up to date, and what is said where a step is not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.manifest import make_manifest, read_manifest, stamp, write_manifest

RECIPE = {"code": "a" * 64, "settings": {"fit": "wls"}, "seed": 0, "modalities": ["fa", "md"]}


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
    write_manifest(tmp_path / "m.json", root, make_manifest(root, RECIPE, [tmp_path / "in.txt"], [], report))
    return tmp_path, root, report


def test_a_manifest_survives_the_disk(done) -> None:
    folder, root, report = done
    again = read_manifest(folder / "m.json", root)
    assert (again.report, again.recipe) == (report, RECIPE)


def test_the_output_folder_may_move(done) -> None:
    folder, root, _ = done
    moved = folder / "moved"
    root.rename(moved)
    again = read_manifest(folder / "m.json", moved)
    assert again.why_stale(moved, RECIPE, [folder / "in.txt"]) == ""
    assert again.report.outputs == {"fa": (moved / "a.txt",)}


def test_nothing_changed_is_current_also_after_a_touch(done) -> None:
    folder, root, _ = done
    os.utime(folder / "in.txt", ns=(1, 1))
    assert read_manifest(folder / "m.json", root).why_stale(root, RECIPE, [folder / "in.txt"]) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("recipe", "settings changed: fit wls -> restore"),
        ("input", "inputs changed: in.txt"),
        ("same size", "inputs changed: in.txt"),
        ("output", "outputs changed: a.txt"),
        ("output gone", "outputs changed: b.txt (gone)"),
        ("output is a folder", "outputs changed: b.txt"),
        ("input gone", "inputs changed: in.txt (gone)"),
        ("more inputs", "inputs changed: a.txt (new)"),
    ],
)
def test_every_change_is_seen_and_said(done, change: str, words: str) -> None:
    folder, root, _ = done
    recipe, inputs = RECIPE, [folder / "in.txt"]
    if change == "recipe":
        recipe = {**RECIPE, "settings": {"fit": "restore"}}
    elif change == "input":
        (folder / "in.txt").write_text("longer than before")
    elif change == "same size":
        (folder / "in.txt").write_text("IN.TXT")
        os.utime(folder / "in.txt", ns=(1, 1))
    elif change == "output":
        (root / "a.txt").write_text("tampered with")
    elif change == "output gone":
        (root / "b.txt").unlink()
    elif change == "output is a folder":
        (root / "b.txt").unlink()
        (root / "b.txt").mkdir()
    elif change == "input gone":
        (folder / "in.txt").unlink()
    else:
        inputs.append(root / "a.txt")
    assert read_manifest(folder / "m.json", root).why_stale(root, recipe, inputs) == words


def test_a_recipe_that_differs_is_never_current(done) -> None:
    """Also where nothing is said of the part: metadata of a file that is new are told of with the file."""
    folder, root, _ = done
    other = {**RECIPE, "metadata": {"in.txt": "b" * 64}}
    again = read_manifest(folder / "m.json", root)
    assert again.why_stale(root, other, [folder / "in.txt"])
    write_manifest(folder / "m.json", root, make_manifest(root, other, [folder / "in.txt"], [], again.report))
    more = {**RECIPE, "metadata": {"in.txt": "b" * 64, "new.txt": "c" * 64}}
    assert read_manifest(folder / "m.json", root).why_stale(root, more, [folder / "in.txt"]) == "inputs changed"


def test_a_manifest_of_an_earlier_version_is_read_and_is_not_current(done) -> None:
    folder, root, report = done
    content = json.loads((folder / "m.json").read_text())
    del content["recipe"]
    (folder / "m.json").write_text(json.dumps({"key": "a:b", **content}))
    again = read_manifest(folder / "m.json", root)
    assert again.report == report
    assert again.why_stale(root, RECIPE, [folder / "in.txt"]) == "made by another version"


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "[]", '{"recipe": 1, "report": []}', "[" * 100_000], ids=lambda text: repr(text[:9])
)
def test_a_broken_manifest_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    assert read_manifest(tmp_path / "m.json", tmp_path) is None
    assert read_manifest(tmp_path / "none.json", tmp_path) is None


def test_a_stamp_matches_the_file_itself() -> None:
    assert stamp(Path(__file__)).matches(Path(__file__))
