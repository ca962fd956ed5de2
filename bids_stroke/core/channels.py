"""Names of EEG sites and leg muscles: which are known, and what else they are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

EEG_SITES = (
    "P4", "CP2", "FC5", "C3", "P3", "C2", "FC6", "C4", "CP6", "F3", "FC2", "FC1", "F4", "CP5", "C1", "CP1",
)  # fmt: skip
EMG_MUSCLES = (
    "rectus femoris", "vastus medialis", "biceps femoris", "gluteus maximus", "semitendinosus", "prox rectus fem",
)  # fmt: skip
CHANNELS = (*EEG_SITES, *EMG_MUSCLES)
"""The published study's 16 sites and 6 leg muscles, in its order (EDF allows names of 16 characters)."""

SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "rectus femoris": ("rf", "rectusfem", "mrectusfemoris"),
        "vastus medialis": ("vm", "vastusmed", "vmo", "vastusmedialisobliquus"),
        "biceps femoris": ("bf", "bicepsfemorislonghead", "longheadofbicepsfemoris", "bicepsfemorislh", "bicepsfem"),
        "gluteus maximus": ("gmax", "glutmax", "glutmaximus", "gluteusmax"),
        "semitendinosus": ("st", "semitend", "semit"),
        "prox rectus fem": (
            "proximalrectusfemoris", "rectusfemorisproximal", "rfprox", "proxrf", "prf", "proximalrectus",
        ),
    }
)  # fmt: skip
"""Other names of the muscles, in lower case without blanks and signs."""

MONTAGE = "easycap-M1"
"""mne's name of the montage that has these sites, with their positions."""
MONTAGE_SITES = frozenset((
    "Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "F7", "F8", "T7", "T8", "P7", "P8", "Fz",
    "Cz", "Pz", "F1", "F2", "FC1", "FC2", "C1", "C2", "CP1", "CP2", "P1", "P2", "AF3", "AF4", "FC3", "FC4",
    "CP3", "CP4", "PO3", "PO4", "F5", "F6", "FC5", "FC6", "C5", "C6", "CP5", "CP6", "P5", "P6", "AF7", "AF8",
    "FT7", "FT8", "TP7", "TP8", "PO7", "PO8", "F9", "F10", "FT9", "FT10", "TP9", "TP10", "P9", "P10", "PO9",
    "PO10", "O9", "O10", "Fpz", "AFz", "FCz", "CPz", "POz", "Oz", "Iz",
))  # fmt: skip
"""Sites of the 10-10 system in their usual spelling. Written out, because a plan need not wait for mne."""

_KINDS = (
    ("emg", r".*(emg|tibial|tibant|tibpost|soleus|gastro|rectus|vastus|biceps|triceps|femor|glut|semit|semimem|bifem"
            r"|hamstr|quadri|sartor|gracil|tensorf|adduct|abduct|peron|fibular|flexor|extensor|digitorum|pollic|hallu"
            r"|carpi|carpal|inteross|thenar|deltoid|trapez|pector|brachi|latiss|serratus|erector|multifid|masseter"
            r"|sternocl|temporalis|calf|chin).*"),
    ("eog", r".*eog.*|[vh]eo[lrud]?|[lr]oc|(lo|so|io)[12]"),
    ("ecg", r".*e[ck]g.*|heart.*"),
    ("misc", r"(status|stim|sti\d|trig(?!no)|marker|sync|acc|gyr|mag|imu|quat|gonio|foot|force|gsr|resp|photo|light"
             r"|temp|pleth|pulse|aux|battery).*|.*(angle|switch|accel|gyro|(acc|gyr|mag|imu)[xyz]?)|mark|event|fsr|eda"
             r"|scr|breath|airflow|flow|nasal|thorax|thor|abdomen|abdo|snore|diode|ppg|spo2|sao2|osat|hr|bpm|misc"
             r"|analog|digi|din|dc|counter|time|sample|audio|mic|sound|ref|gnd|ground|pos"),
    # abbreviations come last: they are short
    ("emg", r"(ta|tib|sol|gm|gl|gam|gal|mg|lg|gas|gasm|gasl|gc|gcm|gcl|rf|prf|vm|vmo|vl|vlo|vi|bf|bflh|bfsh|st|sm|semi"
            r"|gmax|gmed|gmin|pl|pb|add|addl|tfl|gra|sar|es|ham|hams|quad|quads|bic|tri|bb|tb|br|brd|delt|del|trap|pec|fcr|fcu"
            r"|ecr|ecrl|ecu|edc|fds|fdp|fdi|apb|adm|edb|ehl|edl|fhl|fdl|abh|tp|scm|masse?)"),
)  # fmt: skip
"""Kinds of channels that are no sites, by names in lower case without blanks and signs; the first that fits counts."""

_SIDE = re.compile(r"^(left|right|l|r|li|re)[ _.-]+|[ _.(-]+(left|right|l|r|li|re)\)?$|^(left|right)|(left|right)$")


_NUMBERED = re.compile(r"(?:eeg[ _-]*)?([a-h])0?([1-9]|[12]\d|3[0-2])(?:[ _-]*(?:ref|le|avg))?", re.IGNORECASE)
"""Labels of BioSemi's caps: a bundle of 32 leads by its letter, and a number."""
_EAR = re.compile(r"(?:eeg[ _-]*)?([am])0?[12](?:[ _-]*(?:ref|le|avg))?", re.IGNORECASE)
_FEWEST_NUMBERED = 3


def numbered_electrodes(names: Sequence[str]) -> frozenset[str]:
    """Electrodes of a cap that numbers them by bundles (A1 to A32, B1 ...): its C4 is no site of the 10-20 system.

    It is such a cap where three labels or more can be nothing else (A3, B1, D7), and more than there are sites that
    can be nothing else (Fz, P3, Oz); then all labels of that form are its electrodes.

    Parameters
    ----------
    names : sequence of str
        Of all channels of a recording.

    Examples
    --------
    >>> sorted(numbered_electrodes(["A1", "A2", "A3", "B1", "B2", "C4", "EXG1", "M1"]))
    ['A1', 'A2', 'A3', 'B1', 'B2', 'C4']
    >>> numbered_electrodes(["C3", "C4", "F3", "A1", "A2", "Pz"])
    frozenset()
    """
    numbered = [name for name in names if _NUMBERED.fullmatch(name.strip())]
    sites = [name for name in names if is_site(canonical_name(name))]
    only = set(numbered) - set(sites) - {name for name in numbered if _EAR.fullmatch(name.strip())}
    if len(only) < _FEWEST_NUMBERED or len(only) <= len(set(sites) - set(numbered)):
        return frozenset()
    return frozenset(numbered)


def ears(names: Sequence[str]) -> frozenset[str]:
    """Earlobes and mastoids (A1, A2, M1, M2) among the channels of a recording, unless they go on to A3 or M3.

    Examples
    --------
    >>> sorted(ears(["C3", "A1", "EEG A2-REF", "M1"])), ears(["A1", "A2", "A3", "A4"])
    (['A1', 'EEG A2-REF', 'M1'], frozenset())
    """
    found = {name: match[1].lower() for name in names if (match := _EAR.fullmatch(name.strip()))}
    plain = {_plain(name) for name in names}
    going_on = {letter for letter in found.values() if f"{letter}3" in plain}
    return frozenset(name for name, letter in found.items() if letter not in going_on)


def canonical_name(name: str) -> str:
    """The published name of a channel, whatever its case, blanks, prefix (``EEG C3``) or reference (``C3-REF``).

    Other sites of the 10-10 system get their usual spelling. A muscle's side (``RF_L``, ``left rectus femoris``) is
    left out: the network reads those of one leg. Names that are not known are returned as they are.

    >>> canonical_name("EEG cp5-REF"), canonical_name("left RF"), canonical_name("unknown 7")
    ('CP5', 'rectus femoris', 'unknown 7')
    """
    plain = re.sub(r"^(eeg|emg)[ _]+|[-_ ](ref|le|avg)$", "", name.strip().lower())
    known = _canonical_names()
    found = known.get(_plain(plain))
    if found is None:
        found = known.get(_plain(_SIDE.sub("", plain)))
        found = found if found in EMG_MUSCLES else None
    return found or name


def is_site(name: str) -> bool:
    """Whether a name, as from `canonical_name`, is a site of the 10-10 system.

    >>> is_site("Cz"), is_site("rectus femoris")
    (True, False)
    """
    return name in MONTAGE_SITES


def kind_of(name: str) -> str:
    """What a name that is no site of a cap says of its channel: ``emg``, ``eog``, ``ecg``, ``misc``, or nothing.

    Muscles of leg and arm are known by their names and usual abbreviations, with or without a side or a number
    (``TA_L``, ``RSOL``, ``vastus lat. 2``); ``misc`` is what amplifiers record beside (triggers, acceleration, skin
    conductance, breathing).

    >>> [kind_of(name) for name in ("EMG3", "LTA", "hEOG", "EKG1", "ACC x", "X1", "C3")]
    ['emg', 'emg', 'eog', 'ecg', 'misc', '', '']
    """
    plain = _plain(re.sub(r"^eeg[ _-]+|[-_ ](ref|le|avg)$", "", name.strip().lower()))
    if any(plain in stripped for stripped in (_site_names(), {"", "l", "r"})):
        return ""
    for kind, pattern in _KINDS:
        if any(re.fullmatch(pattern, form) for form in _without_side(plain)):
            return kind
    return ""


def is_abbreviation(word: str) -> bool:
    """Whether a word is the usual abbreviation of a muscle, without a side: the L of ``VL`` is of the muscle.

    >>> is_abbreviation("VL"), is_abbreviation("LTA")
    (True, False)
    """
    return re.fullmatch(_KINDS[-1][1], word.lower()) is not None


def _without_side(plain: str) -> tuple[str, ...]:
    """A name as it is, and without a side or a number at either end."""
    bare = re.sub(r"\d+$", "", plain)
    worded = re.sub(r"^(left|right|li|re)|(left|right|li|re)$", "", bare)
    return plain, bare, worded, re.sub(r"^[lr]", "", bare), re.sub(r"[lr]$", "", bare)


@cache
def _site_names() -> frozenset[str]:
    return frozenset(_plain(site) for site in MONTAGE_SITES)


@cache
def _canonical_names() -> Mapping[str, str]:
    sites = {_plain(site): site for site in MONTAGE_SITES}
    muscles = {_plain(other): name for name in EMG_MUSCLES for other in (name, *SYNONYMS[name])}
    return sites | muscles


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
