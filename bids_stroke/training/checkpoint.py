"""Unfinished trainings on disk: a killed one goes on at the epoch where it was, to the same weights."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import bids_stroke
from bids_stroke.core.digest import code_digest
from bids_stroke.core.libraries import deciding_versions
from bids_stroke.derivatives.outputs import TEMPORARY, write_atomic
from bids_stroke.training.cohort import Cases

Rows = NDArray[np.int64]


class UnfinishedError(Exception):
    """A fit that was to be finished is not."""


@dataclass(frozen=True)
class Store:
    """States of fits under names that tell their whole content, so that no fit ever finds another one's.

    Attributes
    ----------
    folder : Path
        Holds ``<name>.pt``; made when it is needed.
    every_seconds : float
        At most so much work is lost.
    must : bool
        Whether only finished fits are asked for: see `finished_only`.
    asked : dict of str to bool
        Names under which something was found, and whether that was finished when it was first looked at.
    """

    folder: Path
    every_seconds: float = 5.0
    must: bool = False
    asked: dict[str, bool] = field(default_factory=dict, compare=False)

    def load(self, name: str) -> dict[str, Any] | None:
        """What was saved last; None for nothing. A damaged file counts as nothing: the fit starts anew.

        Raises
        ------
        UnfinishedError
            Nothing, or something unfinished, in a store of `finished_only`.
        """
        found = self._read(name)
        finished = found is not None and ("fitted" in found or "finished" in found)
        if self.must and not finished:
            raise UnfinishedError(name)
        if found is not None:
            self.asked.setdefault(name, finished)
        return found

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = torch.load(self.folder / f"{name}.pt", map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):  # not there, or damaged
            return None
        return found

    def finished_only(self) -> Store:
        """The same store for one who wants to know what is finished, and computes nothing himself."""
        return replace(self, must=True)

    @property
    def finished(self) -> set[str]:
        """Names of the fits that were found finished."""
        return {name for name, finished in self.asked.items() if finished}

    def names(self) -> set[str]:
        """Of all that is there now, other trainings' fits among them."""
        return {path.stem for path in self.folder.glob("*.pt") if not path.name.startswith(TEMPORARY)}

    def save(self, name: str, state: Mapping[str, Any]) -> None:
        """Replace what was saved before, wholly or not at all."""
        content = io.BytesIO()  # torch's own writer says of a full disk no more than that positions differ
        torch.save(dict(state), content)
        write_atomic(self.folder / f"{name}.pt", lambda temporary: temporary.write_bytes(content.getbuffer()))


class Keeper:
    """Saves one fit now and then; does nothing without a store."""

    def __init__(self, store: Store | None, name: str) -> None:
        self.store, self.name = store, name
        self.last = time.monotonic()

    def found(self) -> dict[str, Any] | None:
        """State or result of this fit from an earlier run."""
        return self.store.load(self.name) if self.store else None

    def keep(self, state: Mapping[str, Any]) -> None:
        """Save a result."""
        if self.store:
            self.store.save(self.name, state)

    @property
    def due(self) -> bool:
        """Whether it is time to save the state of an unfinished fit."""
        if not self.store or time.monotonic() - self.last < self.store.every_seconds:
            return False
        self.last = time.monotonic()
        return True


def fit_name(cases: Cases, seed: int, how: Mapping[str, Any], rows: Mapping[str, Rows], module: str) -> str:
    """Name of a fit: the member, and a digest of everything that decides its result.

    The sources and the libraries are part of it: an unfinished fit of another version is never continued.

    Parameters
    ----------
    cases : Cases
        Member, settings, samples and outcomes.
    seed : int
        Of the fit.
    how : mapping
        Device, precision, number of epochs.
    rows : mapping of str to (n,) int64
        Rows trained on and watched.
    module : str
        That fits: its sources count, with all that it imports.
    """
    said = {
        "member": asdict(cases.member),
        "options": cases.options.model_dump(mode="json"),
        "seed": seed,
        "how": dict(how),
        "rows": {role: part.tolist() for role, part in rows.items()},
        "data": cases.digest,
        "start": _starting_weights(cases.member.arguments.get("pretrained_dir")),
        "versions": program_versions(module),
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
    return f"{cases.member.name}-{digest[:24]}"


@cache
def program_versions(module: str) -> tuple[str, ...]:
    """Version of this program, sources of the module that fits, and versions of the libraries that compute in it.

    Of the libraries' versions all counts: what goes on from an unfinished state must end with the same bytes.
    """
    return (
        bids_stroke.__version__,
        code_digest(module),
        *(f"{name} {version}" for name, version in deciding_versions(module, whole=True).items()),
    )


def _starting_weights(folder: str | Path | None) -> list[tuple[str, int, int]]:
    """Name, size and time of the files in a folder of weights; reading them all would take longer than a small fit."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file()) if folder else []
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
