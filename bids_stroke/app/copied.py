"""People who were copied under other labels: in different folds they would make an evaluation too good."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bids_stroke.core.records import UnitFeatures, unit_prefix
from bids_stroke.derivatives import manifest
from bids_stroke.preprocess.registry import STEPS

MEASURED = (".nii", ".nii.gz", ".edf", ".bdf", ".set", ".fdt", ".eeg", ".dat", ".fif", ".cnt", ".mff")
"""Ends of names of files that no two people share; tables, gradients and sidecars they may."""


def copied_people(root: Path, units: Iterable[UnitFeatures]) -> list[str]:
    """A sentence for each group of people of whom a measured file has the same content, by the steps' manifests.

    Masks count nothing: two people without a lesion have the same one.
    """
    owners: dict[str, dict[str, str]] = {}
    for unit in units:
        prefix = unit_prefix(unit.subject, unit.session)
        for step in STEPS:
            done = manifest.read_manifest(manifest.manifest_path(root, prefix, step), root)
            for name, mark in done.inputs.items() if done else ():
                if name.endswith(MEASURED) and "_mask." not in name:
                    owners.setdefault(mark.sha256, {}).setdefault(unit.participant_id, Path(name).name)
    groups: dict[tuple[str, ...], list[str]] = {}
    for files in owners.values():
        if len(files) > 1:
            groups.setdefault(tuple(files), []).append(", ".join(files.values()))
    return [
        f"{' and '.join(people)} have files of the same content ({files[0]}): if they are one person, give that person "
        "one label, because in different folds they make the evaluation too good."
        for people, files in groups.items()
    ]
