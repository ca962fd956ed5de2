"""Where the numbers of a person's page come from: stages with date, code and libraries, files with digests, methods."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.manifest import manifest_path, read_manifest
from bids_stroke.derivatives.provenance import RunTold
from bids_stroke.report.methods import installed_versions, methods


@dataclass(frozen=True)
class Ran:
    """A stage of a unit, as its manifest tells.

    Attributes
    ----------
    stage, date : str
        When it ended (UTC): the manifest is written last.
    code : str
        Digest of the code that it ran; empty where the manifest has none.
    libraries : mapping
        Version by package, as far as it decides the numbers.
    inputs : mapping
        SHA-256 of each file that it read, by name.
    """

    stage: str
    date: str
    code: str
    libraries: Mapping[str, str]
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class Made:
    """How a page came about.

    Attributes
    ----------
    run : RunTold or None
        The last run before the page was written.
    methods : tuple of str
        Paragraphs.
    references : tuple of (str, str)
        Key and work, as the methods cite them.
    """

    run: RunTold | None = None
    methods: tuple[str, ...] = ()
    references: tuple[tuple[str, str], ...] = field(default=())


def stages_that_ran(root: Path, prefix: str, subject: str, stages: Iterable[str]) -> tuple[Ran, ...]:
    """What the manifests of a unit tell.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    prefix, subject : str
        Of the unit: ``sub-01_ses-02`` and ``01``.
    stages : iterable of str
        Which, in the order in which they are told; those that have not run are passed over.
    """
    found = []
    for stage in stages:
        path = manifest_path(root, prefix, stage)
        done = read_manifest(path, root)
        if done is not None:
            date = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M")
            inputs = {_short(name, subject): mark.sha256 for name, mark in done.inputs.items()}
            recipe = done.recipe
            found.append(Ran(stage, date, str(recipe.get("code", "")), dict(recipe.get("libraries", {})), inputs))
    return tuple(found)


def _short(name: str, subject: str) -> str:
    """A file's path from the person's folder on, or its name alone: the folders above are of one machine."""
    parts = Path(name).parts
    own = f"sub-{subject}"
    return "/".join(parts[parts.index(own) :]) if own in parts else parts[-1]


def made(run: RunTold | None, steps: Collection[str], networks: Collection[str], settings: Settings) -> Made:
    """The methods of what ran for a person, in the words of `methods.methods`.

    Parameters
    ----------
    run : RunTold or None
        The last run.
    steps, networks : collection of str
        Preprocessing steps that ran for this person, and networks that predicted.
    settings : Settings
        As the steps ran.
    """
    text, cited = methods(steps, networks, installed_versions(), settings)
    listed = tuple((key, item.in_words().strip()) for key, item in cited.items())
    return Made(run, tuple(text.replace("@", "").split("\n\n")), listed)
