"""Every kind of input with what breaks it, and how many of a hundred cases are of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from tests.fuzz import commands, images, recordings, stored, tables
from tests.fuzz.trial import Mutator


class Kind(NamedTuple):
    """What breaks an input, and its share."""

    mutator: Mutator
    share: int


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "image-header": Kind(images.header, 16),
        "image-voxels": Kind(images.voxels, 6),
        "gradients": Kind(images.gradients, 6),
        "brainvision": Kind(recordings.brainvision, 10),
        "edf": Kind(recordings.edf, 10),
        "eeglab": Kind(recordings.eeglab, 6),
        "people": Kind(tables.people, 8),
        "recording-tables": Kind(tables.of_recordings, 8),
        "sidecars": Kind(tables.sidecars, 8),
        "derivatives": Kind(tables.derivatives, 4),
        "description": Kind(tables.description, 2),
        "options": Kind(commands.options, 5),
        "filter-file": Kind(commands.filter_file, 2),
        "settings": Kind(commands.settings, 4),
        "bundles": Kind(stored.bundles, 3),
        "outputs": Kind(stored.outputs, 2),
    }
)
CYCLE = sum(kind.share for kind in KINDS.values())


def kind_of(number: int) -> str:
    """The kind of a case: any stretch of CYCLE cases holds each kind by its share."""
    order = [name for turn in range(max(kind.share for kind in KINDS.values())) for name, kind in KINDS.items()
             if turn < kind.share]  # fmt: skip
    return order[number % CYCLE]
