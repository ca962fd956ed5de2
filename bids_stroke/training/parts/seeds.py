"""The seed of each fit: by where it stands in the training, never by what was computed before it."""

from __future__ import annotations

from dataclasses import replace

from bids_stroke.training.trainer import Place


def place_of_member(place: Place, member: int) -> Place:
    """The place of the training, with the seed of a member, by its number among all that are planned, from 0."""
    return replace(place, seed=1_000_000 * (member + 1) + place.seed)


def place_of_fold(place: Place, fold: int) -> Place:
    """The place of a member, with the seed of its fit in an outer fold, counted from 0."""
    return replace(place, seed=place.seed + 1000 * fold)
