"""Broken files of the app itself: models, and what an earlier run left in OUTPUT_DIR."""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random

from bids_stroke.ensemble.metadata import CHECKSUMS, METADATA
from tests.fuzz.text import broken_bytes, broken_json, broken_text
from tests.fuzz.trial import Trial, copy, participant, stem_of

EEG_OPTIONS = ("--participant-label", "02", "--modalities", "eegemg", "--config", "{place}/config.yml")


def bundles(base: Path, place: Path, rng: Random) -> Trial:
    """A file of a model; half of the time with checksums that fit, as somebody would make them who means harm."""
    copy(base, place, "raw", "model")
    (place / "config.yml").write_bytes((base / "config.yml").read_bytes())
    model = place / "model"
    names = [
        METADATA,
        METADATA,
        "models/a.safetensors",
        CHECKSUMS,
        "out_of_fold.tsv",
        "splits.tsv",
        "docs/model_card.md",
    ]
    path = model / rng.choice(names)
    change = (
        broken_json if path.name.endswith(".json") else broken_bytes if "models" in path.parts[-2:] else broken_text
    )
    content, what = change(path.read_bytes(), rng)
    path.write_bytes(content)
    if path.name != CHECKSUMS and rng.random() < 0.75:
        rows = [line.split("  ", 1)[1] for line in (model / CHECKSUMS).read_text().splitlines()]
        sums = [f"{hashlib.sha256((model / name).read_bytes()).hexdigest()}  {name}" for name in rows]
        (model / CHECKSUMS).write_text("\n".join(sums) + "\n")
        what += ", signed"
    arguments = participant(*EEG_OPTIONS, model="{place}/model")
    if rng.random() < 0.2:
        arguments = ("group", "--model", "{place}/model")
    names = (path.name, "SHA256SUMS", "model", "no prediction")
    return Trial(arguments, names, f"{path.name}: {what}; {arguments[0]}")


def outputs(base: Path, place: Path, rng: Random) -> Trial:
    """A file in OUTPUT_DIR; then the same command, or the next level."""
    copy(base, place, "raw", "model", "out")
    (place / "config.yml").write_bytes((base / "config.yml").read_bytes())
    files = sorted(
        path for path in (place / "out").rglob("*") if path.is_file() and path.suffix not in (".png", ".svg")
    )
    logs = [path for path in files if "logs" in path.parts or path.name.endswith("prediction.json")]
    path = rng.choice(logs if rng.random() < 0.7 else files)
    if path.read_bytes().startswith(b"{"):
        content, what = broken_json(path.read_bytes(), rng)
    else:
        content, what = (broken_text if path.suffix in (".tsv", ".log", ".html") else broken_bytes)(
            path.read_bytes(), rng
        )
    path.write_bytes(content)
    ways = (
        participant(*EEG_OPTIONS, model="{place}/model"),
        ("group",),
        ("group",),
        ("train", "--config", "{place}/config.yml"),
        ("participant", *EEG_OPTIONS, "--dry-run"),
    )
    arguments = rng.choice(ways)
    names = (path.name, stem_of(path), "sub-02", "out")
    return Trial(arguments, names, f"{path.relative_to(place / 'out')}: {what}; {arguments[0]}")
