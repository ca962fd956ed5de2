"""A trained ensemble on disk, laid out like a MONAI Bundle, with checksums, without pickle.

It is none: an ensemble of networks on different inputs has no single ``network_def`` that MONAI's commands could build.

Layout: ``configs/metadata.json`` (MONAI's names where they say what ours mean), ``models/<member>.safetensors``,
``docs/model_card.md``, ``docs/tripod_ai.md`` (items of a report, of what was trained here), ``splits.tsv`` and
``out_of_fold.tsv`` (participants as salted hashes), ``evidence.tsv`` (what the fusion was fitted on, and the fusion of
whoever lacks something will be), and ``SHA256SUMS`` over all of them, which ``sha256sum -c`` can check too.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save

import bids_stroke
from bids_stroke.bids.labels import ledger_hash, participant_hash
from bids_stroke.core.records import SPACE
from bids_stroke.derivatives.outputs import temporary_beside, write_json, write_table, write_text, writing
from bids_stroke.ensemble.baselines import Baseline
from bids_stroke.ensemble.card.tripod import FILE as TRIPOD
from bids_stroke.ensemble.card.tripod import tripod_sheet
from bids_stroke.ensemble.explanation.verdict import Audit, audits_of
from bids_stroke.ensemble.member import BundleMember
from bids_stroke.ensemble.metadata import (
    CHECKSUMS,
    EVIDENCE,
    FORMAT_VERSION,
    METADATA,
    MODEL_CARD,
    OUT_OF_FOLD,
    PREPROCESSING_VERSION,
    bundle_digest,
    verify_bundle,
    verify_checksums,
    weights_file,
)
from bids_stroke.ensemble.model_card import model_card
from bids_stroke.ensemble.profile import CohortProfile
from bids_stroke.ensemble.records import fusion_json, fusion_of, member_of, profile_of
from bids_stroke.ensemble.tables import read_people
from bids_stroke.ensemble.weights import read_weights
from bids_stroke.fusion.fitted import Fusion
from bids_stroke.fusion.out_of_fold import OutOfFold, out_of_fold_table

if TYPE_CHECKING:
    import pandas as pd  # half a second that a prediction can do without

TEST = "test"
"""Role of people on whom the finished model was tested: it has learned nothing from them."""


@dataclass(frozen=True, eq=False)
class BundleContents:
    """Everything that `write_bundle` puts on disk."""

    name: str
    version: str
    outcome: str
    demonstration: bool
    members: tuple[BundleMember, ...]
    states: Mapping[str, Mapping[str, torch.Tensor]]
    """State dict of each member, of the early fusion and of the baselines."""
    fusion: Fusion
    salt: str
    participants: Mapping[str, tuple[str, ...]]
    """Role (``train``; in a fixed split also ``validation`` and ``test``) -> hashes; empty where nobody knows them."""
    splits: pd.DataFrame
    out_of_fold: pd.DataFrame
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the model card tells: cohort, settings, procedure, results."""
    early: BundleMember | None = None
    """The early fusion; ``fusion`` weighs it beside the members."""
    evidence: OutOfFold | None = None
    """What the fusion was fitted on; None where there is nothing, as in a model that was not trained here."""
    baselines: tuple[Baseline, ...] = ()
    """What the fusion is held against."""
    profile: CohortProfile | None = None
    """The training people in numbers, and how far they are from each other; None where nobody knows."""
    audits: Mapping[str, Audit] = field(default_factory=dict)
    """Of deep members: whether pictures of where they looked can be believed."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """``description``, ``authors``, ``copyright`` and ``made`` (a sentence) of a model that was not trained here."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified bundle."""

    path: Path
    name: str
    version: str
    sha256: str
    outcome: str
    demonstration: bool
    members: tuple[BundleMember, ...]
    fusion: Fusion
    salt: str
    participants: Mapping[str, frozenset[str]]
    facts: Mapping[str, Any]
    early: BundleMember | None = None
    baselines: tuple[Baseline, ...] = ()
    profile: CohortProfile | None = None
    """None in bundles from before there was such a thing."""
    audits: Mapping[str, Audit] = field(default_factory=dict)

    @property
    def fitted(self) -> tuple[BundleMember, ...]:
        """The members and, last, the early fusion."""
        return fitted(self)

    def saw(self, dataset: str, participant_id: str) -> bool | None:
        """Whether anything was learned from the participant (any role but ``test``); None where nobody knows."""
        if not self.participants:
            return None
        marks = {ledger_hash(self.salt, dataset, participant_id), participant_hash(self.salt, dataset, participant_id)}
        return any(marks & hashes for role, hashes in self.participants.items() if role != TEST)

    def out_of_fold(self) -> pd.DataFrame:
        """Out-of-fold predictions of the training participants, by ``participant_hash``."""
        return read_people(self.path)

    def state(self, member: str) -> dict[str, torch.Tensor]:
        """Weights of a member, on the CPU; ModelError where they cannot be read, or one is NaN or infinite."""
        return read_weights(self.path, member)


def fitted(bundle: Bundle | BundleContents) -> tuple[BundleMember, ...]:
    """The members of a bundle and, last, its early fusion."""
    return (*bundle.members, bundle.early) if bundle.early else bundle.members


def networks_of(bundle: Bundle | BundleContents) -> tuple[BundleMember, ...]:
    """All that has weights: `fitted`, then the baselines."""
    return (*fitted(bundle), *(one.entry for one in bundle.baselines))


def write_bundle(folder: Path, contents: BundleContents) -> Bundle:
    """Write a bundle beside its final place, rename it into place, and load it back.

    The same contents give the same bytes; a bundle that is already there is replaced.

    Raises
    ------
    OutputError
        The folder cannot be written; nothing is lost of a bundle that was there.
    """
    return _put(folder, lambda temporary: _write_files(temporary, contents))


def write_derived(folder: Path, parent: Bundle, metadata: Mapping[str, Any]) -> Bundle:
    """Write a bundle with the files of another one and metadata of its own, and load it back.

    Raises
    ------
    OutputError
        The folder cannot be written.
    ModelError
        A file of the parent has changed since it was loaded, or the metadata are not what they must be.
    """

    def write(temporary: Path) -> None:
        for name in sorted(verify_checksums(parent.path)):
            copy = temporary / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(parent.path / name, copy)
        _write_told(temporary, metadata, trained=(temporary / EVIDENCE).is_file())
        _write_sums(temporary)

    return _put(folder, write)


def _put(folder: Path, write: Callable[[Path], None]) -> Bundle:
    """Write a bundle beside its final place, rename it into place, and load it back."""
    temporary = temporary_beside(folder)
    try:
        with writing(folder):
            write(temporary)
            old = temporary.with_name(f"{temporary.name}-old")
            if folder.exists():
                folder.rename(old)
            temporary.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return load_bundle(folder)


def _write_files(folder: Path, contents: BundleContents) -> None:
    (folder / "models").mkdir(parents=True)
    for entry in networks_of(contents):
        state = {key: value.detach().cpu().contiguous() for key, value in contents.states[entry.member.name].items()}
        weights = save(state)  # save_file would make it unreadable for other users
        (folder / weights_file(entry.member.name)).write_bytes(weights)
    metadata = _metadata(contents)
    _write_told(folder, metadata, trained=contents.evidence is not None)
    write_table(folder / "splits.tsv", _hashed(contents.splits, contents))
    write_table(folder / OUT_OF_FOLD, _hashed(contents.out_of_fold, contents))
    if contents.evidence:
        write_table(folder / EVIDENCE, out_of_fold_table(contents.evidence))
    _write_sums(folder)


def _write_told(folder: Path, metadata: Mapping[str, Any], *, trained: bool) -> None:
    """Metadata and what people read; of what was not trained here there is no training to report."""
    write_json(folder / METADATA, metadata)
    write_text(folder / MODEL_CARD, model_card(metadata))
    if trained:
        write_text(folder / TRIPOD, tripod_sheet(metadata))


def _write_sums(folder: Path) -> None:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}" for name in names]
    write_text(folder / CHECKSUMS, "\n".join(sums) + "\n")


def _hashed(table: pd.DataFrame, contents: BundleContents) -> pd.DataFrame:
    """The table with ``participant_hash`` instead of ``dataset`` and ``participant_id``."""
    marks = [
        participant_hash(contents.salt, dataset, participant)
        for dataset, participant in zip(table["dataset"], table["participant_id"], strict=True)
    ]
    rest = table.drop(columns=["dataset", "participant_id"])
    rest.insert(0, "participant_hash", marks)
    return rest


def _metadata(contents: BundleContents) -> dict[str, Any]:
    return {
        "version": contents.version,
        "changelog": {contents.version: contents.origin.get("made", "Trained by bids_stroke.")},
        "monai_version": installed_version("monai"),
        "pytorch_version": installed_version("torch"),
        "numpy_version": installed_version("numpy"),
        "required_packages_version": {"bids_stroke": bids_stroke.__version__},
        "name": contents.name,
        "task": f"Prediction of a poor motor outcome after stroke ({contents.outcome})",
        "description": contents.origin.get("description", "Members on modalities or covariates, fused and calibrated."),
        "authors": contents.origin.get("authors", "Trained with bids_stroke by its user"),
        "copyright": contents.origin.get("copyright", "As the training data's terms say"),
        "intended_use": "Research only; not for decisions about patients.",
        "format_version": FORMAT_VERSION,
        "preprocessing_version": PREPROCESSING_VERSION,
        "space": SPACE,
        "outcome": contents.outcome,
        "label_map": {"poor": 1, "good": 0},
        "demonstration": contents.demonstration,
        "members": [asdict(entry) for entry in contents.members],
        "early_fusion": asdict(contents.early) if contents.early else None,
        **fusion_json(contents.fusion),
        "baselines": [asdict(one.entry) | {"needs": one.needs} | fusion_json(one.fusion) for one in contents.baselines],
        "applicability": asdict(contents.profile) if contents.profile else None,
        "explanation_audit": {name: asdict(one) for name, one in contents.audits.items()},
        "salt": contents.salt,
        "participants": {role: sorted(hashes) for role, hashes in contents.participants.items()},
        "facts": dict(contents.facts),
    }


def load_bundle(path: Path) -> Bundle:
    """Read a bundle after checking checksums, format, preprocessing and metadata; weights are read by `Bundle.state`.

    Raises
    ------
    ModelError
        From `verify_bundle`.
    """
    digest = bundle_digest(path)
    metadata = verify_bundle(path)
    return Bundle(
        path=path,
        name=metadata.name,
        version=metadata.version,
        sha256=digest,
        outcome=metadata.outcome,
        demonstration=metadata.demonstration,
        members=tuple(member_of(entry) for entry in metadata.members),
        fusion=fusion_of(metadata),
        early=member_of(metadata.early_fusion) if metadata.early_fusion else None,
        baselines=tuple(Baseline(member_of(one), fusion_of(one), one.needs) for one in metadata.baselines),
        profile=profile_of(metadata),
        audits=audits_of({name: one.model_dump() for name, one in metadata.explanation_audit.items()}),
        salt=metadata.salt,
        participants={role: frozenset(hashes) for role, hashes in metadata.participants.items()},
        facts=metadata.facts.model_dump(exclude_unset=True),
    )
