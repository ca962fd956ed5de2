"""Which recordings of EEG and EMG belong together: by task and run, whatever the devices are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mne_bids import get_entities_from_fname

from bids_stroke.core.records import BidsFile

_ENTITIES = {"task": "task", "acq": "acquisition", "run": "run", "recording": "recording"}
"""As names write them -> as mne-bids calls them."""
_Key = tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """EEG and EMG of one task and run; the EEG may be lacking, and the EMG, or be inside the other's file."""

    entities: Mapping[str, str]
    """task, acq, run of what is written, as far as the names have them."""
    eeg: BidsFile | None
    emg: tuple[BidsFile, ...] = ()
    """One file a device."""

    @property
    def files(self) -> tuple[BidsFile, ...]:
        """Files to read; on the clock of the first are the others put."""
        return self.emg if self.eeg is None else (self.eeg, *self.emg)

    @property
    def label(self) -> str:
        """``task-gait_run-1``."""
        return "_".join(f"{key}-{value}" for key, value in self.entities.items())

    @property
    def devices(self) -> tuple[str, ...]:
        """A label for each device of EMG, no two alike: ``recording``, else ``acq``, else both, else its number."""
        keys = [_key(item, ("recording", "acq")) for item in self.emg]
        labels = [recording or acq for recording, acq in keys]
        if len({label for label in labels if label}) < len(labels):
            labels = [" ".join(filter(None, key)) for key in keys]
        if len({label for label in labels if label}) < len(labels):
            labels = [str(number) for number in range(1, len(keys) + 1)]
        return tuple(labels)


def pair_recordings(eeg: Sequence[BidsFile], emg: Sequence[BidsFile]) -> tuple[list[Pair], list[str]]:
    """Pair EEG with all EMG of the same task and run; the second value says what was paired, and what left out.

    ``acq`` and ``recording`` tell devices of EMG apart, of which an EEG has no like. Where several EEG are of one task
    and run, EMG belongs to that with its own ``acq``, or is a recording of its own. So it is where there is no EEG:
    then files that differ in ``recording`` alone belong together.
    """
    notes: list[str] = []
    heads = _single(eeg, ("task", "acq", "run"), notes)
    devices: dict[_Key, list[BidsFile]] = {key: [] for key in heads}
    for (task, acq, run, _), item in _single(emg, tuple(_ENTITIES), notes).items():
        of_run = [key for key in heads if (key[0], key[2]) == (task, run)]
        owners = [key for key in of_run if key[1] == acq] or of_run
        if len(owners) > 1:
            said = ", ".join(heads[key].path.name for key in owners)
            notes.append(f"{item.path.name} is a recording of its own: its acq does not tell to which EEG it belongs "
                         f"({said})")  # fmt: skip
        devices.setdefault(owners[0] if len(owners) == 1 else (task, acq, run), []).append(item)
    pairs = []
    for key in sorted(devices):
        entities = {name: value for name, value in zip(("task", "acq", "run"), key, strict=True) if value}
        pair = Pair(entities, heads.get(key), tuple(devices[key]))
        pairs.append(pair)
        notes += _said(pair)
    return pairs, notes


def _single(items: Sequence[BidsFile], names: tuple[str, ...], notes: list[str]) -> dict[_Key, BidsFile]:
    """The first file by name of each key; the others are named in the notes."""
    kept: dict[_Key, BidsFile] = {}
    for item in sorted(items, key=lambda item: item.path.name):
        chosen = kept.setdefault(_key(item, names), item)
        if chosen is not item:
            notes.append(f"{item.path.name} is left out: {chosen.path.name} is of the same task and run")
    return kept


def _said(pair: Pair) -> list[str]:
    """What to say of devices whose names differ in more than the kind from that whose clock they are put on."""
    first, others = pair.files[0], pair.files[1:]
    told = [_key(item, ("acq", "recording")) for item in (first, *others)]
    if set(told) == {told[0]}:
        return []
    names = ", ".join(item.path.name for item in others)
    return [f"{names}: of the same task and run as {first.path.name}, and put on its clock"]


def _key(item: BidsFile, names: Sequence[str]) -> _Key:
    found = get_entities_from_fname(item.path, verbose="error")
    return tuple(str(found[_ENTITIES[name]] or "") for name in names)
