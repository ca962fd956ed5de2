"""Broken words: options, the filter file, the settings."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import yaml

from bids_stroke.core.frozen import Frozen
from bids_stroke.core.settings import Settings
from tests.fuzz.base import CONFIG
from tests.fuzz.text import VALUES, WORDS, broken_json, broken_text, replaced
from tests.fuzz.trial import Trial, copy, participant

_FILTER = {"bold": {"run": "1", "task": ["rest"]}, "eeg": {"task": "leg"}, "t1w": {"acquisition": "x"}}
_OPTIONS = (
    "--participant-label", "--session-label", "--task-label", "--bids-filter-file", "--modalities", "--derivatives",
    "--bids-database-dir", "--model", "--outcome", "--config", "--work-dir", "--nprocs", "--omp-nthreads", "--mem-gb",
    "--device", "--precision", "--cluster", "--seed", "BIDS_DIR", "OUTPUT_DIR", "LEVEL",
)  # fmt: skip
_RIGHT = (
    "01",
    "sub-02",
    "eegemg",
    "fa",
    "none",
    "fma_le<=17",
    "nihss>=5",
    "{place}/raw",
    "{place}/out",
    "a={place}/ready",
    "@{place}/labels",
    "cpu",
    "fp32",
    "participant",
    "train",
    "group",
    "leg",
    "16",
    "{place}/config.yml",
)
_WRONG = (
    "fma_le<=nan",
    "fma_le<=1e400",
    "fma_le<=" + "9" * 400,
    "<=",
    "a<b<c",
    "a=b=c",
    "=x",
    "raw={place}/raw",
    "@",
    "@{place}",
    "cuda:99",
    "cuda:-1",
    "9" * 30,
    "1e9",
    "-5",
    "nan",
    "inf",
    "{place}/raw/sub-01",
    "{place}/raw/participants.tsv",
    "/dev/null",
    "/proc/self/mem",
    "{place}/raw/../raw",
    "{place}/" + "x" * 300,
    "sub-",
    "..",
    "*",
    "[red]x[/red]",
    "01/..",
)


def options(base: Path, place: Path, rng: Random) -> Trial:
    """An option, or a positional argument, holds another word."""
    copy(base, place, "raw", "ready", "model")
    (place / "config.yml").write_bytes((base / "config.yml").read_bytes())
    (place / "labels").write_text(rng.choice(("01\n02\n", "", "sub-01", "\ufeff03\r\n", "\x00")))
    name = rng.choice(_OPTIONS)
    # no number of threads or processes that would start as many
    words = [word for word in (*WORDS, *_RIGHT, *_WRONG) if "\x00" not in word]
    value = rng.choice(words)
    if name in ("--omp-nthreads", "--nprocs") and value in ("16", "9" * 30, "99999999999999999999"):
        value = "2"
    positional = ("{place}/raw", "{place}/out")
    level = "participant"
    more = ["--skip-bids-validation"]
    if name == "BIDS_DIR":
        positional = (value, positional[1])
    elif name == "OUTPUT_DIR":
        positional = (positional[0], value if value.startswith("{place}") or value == "" else "{place}/o/" + value)
    elif name == "LEVEL":
        level = value
    else:
        more += [name, value] if rng.random() < 0.7 else [f"{name}={value}"]
    if "--dry-run" not in more and (level != "group" or rng.random() < 0.5):
        more.append("--dry-run")
    return Trial((level, *more), (), f"{name} {value[:40]!r} ({level})", positional)


def filter_file(base: Path, place: Path, rng: Random) -> Trial:
    """``--bids-filter-file``."""
    copy(base, place, "raw")
    content, what = broken_json(json.dumps(_FILTER).encode(), rng)
    (place / "filter.json").write_bytes(content)
    arguments = ("participant", "--bids-filter-file", "{place}/filter.json", "--dry-run")
    return Trial(arguments, ("filter.json", "--bids-filter-file"), f"filter.json: {what}")


def settings(base: Path, place: Path, rng: Random) -> Trial:
    """``--config``: a value of another kind, at its limit or beyond, or no YAML."""
    copy(base, place, "raw")
    if rng.random() < 0.2:
        content, what = broken_text(yaml.safe_dump(CONFIG | {"seed": 3, "outcome": "fma_le<=17"}).encode(), rng)
    else:
        keys = rng.choice(_keys(Settings()))
        value = rng.choice((*VALUES, *WORDS, 1, 2, 0.001, 1e-9, 99.0, 1e6, "normalise", "fill", ["eegemg"]))
        whole = json.loads(json.dumps({**CONFIG, "outcome": "fma_le<=17"}))
        chosen = replaced(_with(whole, keys), keys, value)
        content, what = _yaml(chosen), f"{'.'.join(keys)} = {repr(value)[:40]}"
    if rng.random() < 0.1:
        content, what = (
            rng.choice(
                (
                    b"5: 1\n",
                    b"true: 1\n",
                    b"? [a]\n: 1\n",
                    b"a: &x [*x]\n",
                    b"seed: 2026-01-01\n",
                    b"- 1\n",
                    b"eegemg:\n  5: 1\n",
                    b"training: {members: {1: {}}}\n",
                    b"modalities: 5\n",
                    b"modalities: {a: 1}\n",
                    b"!!python/object:os.x {}\n",
                    b"a: b: c\n",
                    b"[" * 1000,
                )
            ),
            "odd YAML",
        )
    (place / "config.yml").write_bytes(content)
    level: tuple[str, ...] = participant(
        "--participant-label", "02", "--config", "{place}/config.yml", "--modalities", "eegemg"
    )
    if rng.random() < 0.3:
        level = ("train", "--config", "{place}/config.yml")
    names = ("config.yml", "task-leg", what.split(" ")[0].split(".")[-1], "out")
    return Trial(level, names, f"config.yml: {what}; {level[0]}")


def _keys(section: Frozen, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every setting, and every section."""
    found = []
    for name in type(section).model_fields:
        value = getattr(section, name)
        found.append((*above, name))
        if isinstance(value, Frozen):
            found += _keys(value, (*above, name))
    return found


def _with(content: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Settings in which all sections of a key are there."""
    inner = content
    for key in keys[:-1]:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            return {keys[0]: _with({}, keys[1:])}
    inner.setdefault(keys[-1], None)
    return content


def _yaml(content: dict[str, Any]) -> bytes:
    return yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "surrogatepass")
