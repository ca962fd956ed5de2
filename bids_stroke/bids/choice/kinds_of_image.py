"""Entities and header words that change what an image is: one table for all raw images.

A scanner's console writes images of its own beside what was measured (ADC, FA, projections, scouts), complex data come
in parts, an MP2RAGE in inversions. By suffix alone they all look like the T1w, the diffusion or the BOLD series.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bids_stroke.bids.choice.duplicates import n_volumes
from bids_stroke.bids.entities import named_entities
from bids_stroke.core.errors import InputError
from bids_stroke.core.image_labels import has_word
from bids_stroke.core.records import BidsFile

LABELS = ("acq", "rec", "desc")
"""Entities whose labels are free words, in which converters put what the scanner called a series."""
FILTER_NAMES: Mapping[str, str] = {
    "acq": "acquisition", "rec": "reconstruction", "ce": "ceagent", "sub": "subject", "ses": "session"
}  # fmt: skip
"""Entity in a name -> its name in a filter file, where they differ."""


@dataclass(frozen=True)
class Mark:
    """What makes an image something else than its suffix says.

    Parameters
    ----------
    what : str
        What the image is: the reason for which it is not used.
    entities : tuple of str
        In whose labels the words are looked for.
    words : frozenset of str
        Small letters. Empty: any label.
    suffixes : tuple of str
        Of the images that it holds for. Empty: of all.
    whole : bool
        Whether a word must be the whole label (``acq-phase``, but not ``acq-phaseAP``), or may be a part of it.
    unless : frozenset of str
        Labels with which the image is what its suffix says.
    """

    what: str
    entities: tuple[str, ...]
    words: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    whole: bool = False
    unless: frozenset[str] = field(default_factory=frozenset)

    def found_in(self, label: str) -> bool:
        """Whether a label has one of the words."""
        small = label.lower()
        if small in self.unless:
            return False
        if not self.words or small in self.words:
            return True
        return not self.whole and has_word(label, self.words)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DIFFUSION_MAPS = _words(
    "adc eadc dadc expadc adcmap avgdc trace tracew traceweighted fa colfa colorfa colourfa cfa fracaniso "
    "fractionalanisotropy tensor md meandiff meandiffusivity dtiad dtird lowb gmean geomean calcb calcbval"
)
COMPUTED = "an image that the scanner computed, no diffusion series"
_DIRECTIONS = 6
"""Different ones, from which on a file of b-vectors is that of a series."""
MARKS: tuple[Mark, ...] = (
    Mark("only magnitude images are used", ("part",), unless=_words("mag magnitude")),
    Mark("one inversion of an MP2RAGE is no T1w", ("inv",), suffixes=("T1w",)),
    Mark("one inversion of an MP2RAGE is no T1w", LABELS,
         _words("inv1 inv2 mp2rageinv1 mp2rageinv2 inv1mp2rage inv2mp2rage"), ("T1w",), True),
    Mark("after a contrast agent the signal is not BOLD's", ("ce",), suffixes=("bold",),
         unless=_words("none no pre")),
    Mark(COMPUTED, LABELS, DIFFUSION_MAPS, ("dwi",)),
    Mark("a phase image", LABELS, _words("phase pha phasemap phaseimage phasediff pha1 pha2"), whole=True),
    Mark("a part of a complex image", LABELS, _words("imag imaginary real"), whole=True),
    Mark("a projection or subtraction of other images", LABELS,
         _words("mip minip mipthin projection subtraction subtracted")),
    Mark("a projection or subtraction of other images", LABELS, _words("sub subtr"), ("T1w",), True),
    Mark("an angiogram", LABELS, _words("tof mra angio venogram"), ("T1w",)),
    Mark("a scout", LABELS, _words("localizer localiser localizers scout scouts aahscout aascout survey smartbrain"),
         ("T1w", "dwi", "epi")),
    Mark("a map that the scanner computed", LABELS, _words("t1map t1mapping r1map b1map b0map fieldmap fmap"),
         ("T1w",)),
    Mark("a map that the scanner computed", LABELS, _words("glm tmap tmaps evaseries"), ("bold",)),
    Mark("derived images are read from --derivatives only", ("space", "model", "param", "stat", "label")),
    Mark("derived images are read from --derivatives only", ("desc",),
         unless=_words("deface defaced defacing anon anonymized anonymised raw orig original")),
)  # fmt: skip
"""In the order in which they are looked for."""

_RELEVANT = re.compile("_(?:" + "|".join(sorted({entity for mark in MARKS for entity in mark.entities})) + ")-", re.I)

_DIFFUSION_TYPES = _words(
    "ADC EADC EXPADC ADC_UNSPECIFIED TRACEW TRACE FA COLFA TENSOR TENSOR_B0 AVDC LOWB CALC_BVALUE"
)
IMAGE_TYPES: tuple[tuple[str, frozenset[str], tuple[str, ...]], ...] = (
    (COMPUTED, _DIFFUSION_TYPES, ("dwi",)),
    ("a phase image", frozenset({"P", "PHASE", "PHASE MAP", "PHASE_MAP", "B0 MAP", "FIELD_MAP"}), ()),
    ("a part of a complex image", frozenset({"REAL", "IMAGINARY", "R", "I"}), ()),
    ("a projection or subtraction of other images",
     frozenset({"MIP", "MINIP", "PROJECTION IMAGE", "MAX_IP", "MIN_IP", "SUBTRACTION", "SUBTRACT"}), ()),
    ("a scout", frozenset({"LOCALIZER", "LOCALISER"}), ()),
    ("no image of a head", frozenset({"CSA REPORT", "CSAPARALLEL", "SCREEN SAVE"}), ()),
    ("a map that the scanner computed", frozenset({"T1 MAP", "T1_MAP", "R1 MAP", "B1", "B1 MAP"}), ("T1w",)),
)  # fmt: skip
"""What an image is, the values of ``ImageType`` that tell it, and for which suffixes (none: for all). ``DERIVED`` alone
tells nothing: scanners write it for what they only normalised or corrected for the gradients' bending."""
_MAGNITUDE = frozenset({"M", "MAGNITUDE"})


def what_name_tells(name: str, asked: Collection[str] = ()) -> str:
    """Why an image is not what its suffix says, by its name; empty if it is.

    Parameters
    ----------
    name : str
        Of a file.
    asked : collection of str
        Entities that a filter file names (``acquisition``): what a user asks for by name is believed.

    Examples
    --------
    >>> what_name_tells("sub-01_part-phase_bold.nii.gz")
    'part-phase: only magnitude images are used'
    >>> what_name_tells("sub-01_acq-FAST_dwi.nii.gz")
    ''
    """
    if not (name.endswith((".nii", ".nii.gz")) and _RELEVANT.search(name)):
        return ""
    entities = {key.lower(): value for key, value in named_entities(name).items()}
    for mark in MARKS:
        if mark.suffixes and entities["suffix"] not in mark.suffixes:
            continue
        for entity in mark.entities:
            label = entities.get(entity)
            if label is not None and FILTER_NAMES.get(entity, entity) not in asked and mark.found_in(label):
                return f"{entity}-{label}: {mark.what}"
    return ""


def what_tells(file: BidsFile, asked: Collection[str] = ()) -> str:
    """Why a raw image is not what its suffix says, by its name; a dwi with directions of its own is a series.

    ``acq-MD64``, ``acq-FA90`` and ``acq-lowb`` are said of maps and of series alike.
    """
    why = what_name_tells(file.path.name, asked)
    return "" if why.endswith(COMPUTED) and _has_directions(file) else why


def _has_directions(file: BidsFile) -> bool:
    """Whether a file of b-vectors of its own gives each of its volumes one, six or more different ones in all."""
    try:
        text, bvals = (
            file.companion(end).read_text(encoding="utf-8-sig").replace(",", " ") for end in (".bvec", ".bval")
        )
        rows = [line.split() for line in text.splitlines() if line.strip()]
        vectors = list(zip(*rows, strict=True)) if len(rows) == 3 else [tuple(row) for row in rows]
        different = {vector for vector in vectors if any(float(number) for number in vector)}
    except (OSError, ValueError):
        return False
    return len(different) >= _DIRECTIONS and len(vectors) == len(bvals.split()) == n_volumes(file.path)


def what_sidecar_tells(file: BidsFile) -> str:
    """Why an image is not what its suffix says, by the ``ImageType`` of its sidecar; empty if it is, or is not told."""
    if file.entities.get("extension") not in (".nii.gz", ".nii"):
        return ""
    try:
        told = file.metadata.get("ImageType")
    except InputError:  # said where all of the unit's sidecars are read
        return ""
    values = [told] if isinstance(told, str) else told if isinstance(told, Sequence) else []
    types = {part.strip().upper() for value in values if isinstance(value, str) for part in value.split("\\")}
    suffix = file.entities.get("suffix")
    for what, telling, suffixes in IMAGE_TYPES:
        found = sorted(types & telling)
        if found and (not suffixes or suffix in suffixes) and not (len(found[0]) == 1 and types & _MAGNITUDE):
            return f"ImageType {found[0]}: {what}"
    return ""


def as_sidecars_tell(
    raw: Mapping[str, Sequence[BidsFile]],
) -> tuple[dict[str, tuple[BidsFile, ...]], dict[str, str]]:
    """Raw files by query without those whose ``ImageType`` says that they are something else; and why, by name."""
    told = {file: why for files in raw.values() for file in files if (why := what_sidecar_tells(file))}
    kept = {query: tuple(file for file in files if file not in told) for query, files in raw.items()}
    return kept, {file.path.name: why for file, why in told.items()}
