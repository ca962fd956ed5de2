"""Which EEG channel of a recording has which site on the other side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bids_stroke.preprocess.eegemg.montage import has_site
from bids_stroke.signals.sides import other_site


def other_sites(names: Sequence[str]) -> Mapping[str, str]:
    """Name -> site of the 10-05 system on the other side, of those that are sites; the midline stays.

    Parameters
    ----------
    names : sequence of str
        As from `standard_names`, of all EEG channels of a recording.

    Examples
    --------
    >>> dict(other_sites(["C3", "TP10", "Cz", "E12"]))
    {'C3': 'C4', 'TP10': 'TP9', 'Cz': 'Cz'}
    """
    return {name: other_site(name) for name, known in zip(names, has_site(names), strict=True) if known}
