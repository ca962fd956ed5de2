"""What the coordinates of a lesion mask are those of: a closed list of spaces, and the images of the person.

Labels are those of BIDS (appendix "Coordinate systems"), of TemplateFlow, and what people write in their place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bids_stroke.core.records import SPACE, BidsFile

Kind = Literal["standard", "own", "image", "refused"]

NEAR = frozenset(
    {
        *(f"mni152nlin2009{letter}{form}" for letter in "abc" for form in ("sym", "asym")),
        *("mni152nlin6sym", "mni152nlin6asym", "mni152nlin6", "mni152nlin2009", "mni152lin", "mni152", "mni"),
        "ixi549space",
    }
)
"""Standard spaces, in small letters, that are taken as equal to ours: all fit the MNI152 brain, a few mm off."""
_OTHER_TEMPLATES = re.compile(
    r"talairach|mni305|(?:mni)?colin27|icbm452\w*|fsaverage\w*|fslr\w*|fsnative|mniinfant\w*|mnipediatric\w*|"
    r"mnineonat\w*|nihpd\w*|oasis\w*|uncinfant\w*|dhcp\w*|pnc|nki\w*|citi168\w*|sacsma\w*|spm\w*ct\w*|clinicalct\w*"
)
"""Brains of another size, shape or age, or surfaces; in small letters."""
_OWN = frozenset({"t1w", "t1", "mprage"})
_SOME_IMAGE = frozenset({"", "individual", "orig", "native", "scanner", "subject", "anat"})
"""Labels of an image that they do not tell: the T1w, unless something else names it."""
_WORDS = {
    **dict.fromkeys(("flair", "t2flair", "flairw"), "FLAIR"),
    **dict.fromkeys(("t2w", "t2"), "T2w"),
    **dict.fromkeys(("t2starw", "t2star"), "T2starw"),
    **dict.fromkeys(("swi", "minip"), "swi"),
    **dict.fromkeys(("pdw", "pd"), "PDw"),
    **dict.fromkeys(("dwi", "dti", "diffusion"), "dwi"),
    **dict.fromkeys(("b0", "b0s", "dwiref"), "b0"),
    **dict.fromkeys(("trace", "tracew", "b1000", "isodwi"), "TRACE"),
    **dict.fromkeys(("adc", "exp", "fa", "md"), "ADC"),
    **dict.fromkeys(("ct", "ncct", "nect"), "ct"),
    **dict.fromkeys(("cta", "ctp"), "cta"),
    **dict.fromkeys(("perf", "pwi", "dsc", "asl", "cbf", "tmax"), "perf"),
    **dict.fromkeys(("bold", "epi", "boldref"), "bold"),
    **dict.fromkeys(("t1w", "t1", "mprage"), "T1w"),
}
"""How an image is called, in small letters -> one name for it."""
DIFFUSION = ("TRACE", "dwi", "b0", "ADC")
"""Images of one diffusion scan: what was drawn on one lies on the others."""
_HINT = re.compile(r"(?i:flair|t2starw?|t2w|t1w|dwi|adc|swi|ncct)|TRACE|T1|T2|PD|CT|[bB]0|b1000")
"""Images named within the label of ``desc``, ``acq`` or ``label``; short names count in capitals only."""
_FOLDERS = {"dwi": "dwi", "func": "bold", "perf": "perf"}
"""Folders of a datatype: what lies there and tells nothing else was most likely drawn on the images there."""
_BARE = re.compile(r"(?<=_)[A-Za-z0-9]+(?=_)")


@dataclass(frozen=True)
class Place:
    """What the coordinates of a file are those of.

    Parameters
    ----------
    kind : {"standard", "own", "image", "refused"}
        A standard space near enough to ours; the T1w; another image of the person; none that is of use.
    label : str
        The space, or the image (``FLAIR``).
    certain : bool
        False where only a hint in the name tells of another image.
    why : str
        Of a refused one, after the file's name: what it is and why that does not do.
    reason : str
        Its reason code.
    """

    kind: Kind
    label: str
    certain: bool = True
    why: str = ""
    reason: str = ""


def place_of(file: BidsFile, t1w_space: str = "") -> Place:
    """The place of a lesion mask by its name and sidecar.

    Parameters
    ----------
    file : BidsFile
        With all entities of its name.
    t1w_space : str
        Space of the T1w that is used; empty for a raw one.

    Examples
    --------
    >>> from pathlib import Path
    >>> name = "sub-1_space-MNI152NLin6Asym_label-L_mask.nii.gz"
    >>> place_of(BidsFile(Path(name), {"space": "MNI152NLin6Asym"})).kind
    'standard'
    >>> place_of(BidsFile(Path("sub-1_T2w_desc-lesion_mask.nii.gz"), {"desc": "lesion"})).label
    'T2w'
    """
    space = file.entities.get("space", "")
    low = space.lower()
    turned = t1w_space.lower() not in ("", *_OWN)
    if low and low == t1w_space.lower():
        return Place("own", space)
    if low in NEAR:
        return Place("standard", space)
    if low in _SOME_IMAGE:
        found = _named_image(file)
    elif low in _OWN or low in _WORDS:
        found = Place("own", space) if low in _OWN else Place("image", _WORDS[low])
    elif _OTHER_TEMPLATES.fullmatch(low):
        why = f"is in the space of another template ({space}), which is not {SPACE}"
        found = Place("refused", space, why=why, reason="another-template")
    elif low == "acpc":
        why = f"is in the space {space}, and the T1w that is used is not"
        found = Place("refused", space, why=why, reason="another-space")
    else:
        why = f"is in a space that is not known ({space})"
        found = Place("refused", space, why=why, reason="unknown-space")
    if found.kind == "own" and turned:
        why = f"was drawn on the T1w before it was turned to {t1w_space}"
        return Place("refused", t1w_space, why=why, reason="another-space")
    return found


def _named_image(file: BidsFile) -> Place:
    """The image that a name without a telling space, or else a sidecar, or else a label in the name, tells of."""
    for word in _BARE.findall(file.path.name):
        if word.lower() in _WORDS:
            return _image(_WORDS[word.lower()], certain=True)
    for key in ("SpatialReference", "Sources", "RawSources"):
        names = list(names_in(file.metadata.get(key)))
        if templates := [name for name in names if name.startswith("tpl-")]:
            return place_of(BidsFile(file.path, {"space": templates[0].split("_")[0][4:]}))
        images = sorted({image for name in names if (image := image_of(name))})
        if "T1w" in images or len(images) == 1:
            return _image("T1w" if "T1w" in images else images[0], certain=True)
        if images and not set(images) <= set(DIFFUSION):
            why = f"was made from several images ({', '.join(images)}), and no T1w is among them"
            return Place("refused", "", why=why, reason="unknown-space")
        if images:
            return _image(images[0], certain=True)
    for entity in ("mod", "desc", "acq", "rec", "label"):
        if hint := _HINT.search(file.entities.get(entity, "")):
            return _image(_WORDS[hint[0].lower()], certain=entity == "mod")
    if neighbour := _FOLDERS.get(file.path.parent.name):
        return _image(neighbour, certain=False)
    return Place("own", "T1w")


def _image(name: str, *, certain: bool) -> Place:
    return Place("own", "T1w") if name == "T1w" else Place("image", name, certain)


def names_in(value: object) -> Iterator[str]:
    """File names in what a sidecar says of its sources: a path or BIDS URI, a list or an object of them."""
    if isinstance(value, str):
        yield re.split(r"[/:]", value)[-1]
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from names_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from names_in(item)


def image_of(name: str) -> str:
    """The image that a raw file's name tells of; empty for any other file.

    >>> image_of("sub-1_rec-TRACE_dwi.nii.gz"), image_of("sub-1_mask.nii.gz")
    ('TRACE', '')
    """
    if not name.endswith((".nii", ".nii.gz")):
        return ""
    *entities, suffix = name.split(".")[0].split("_")
    known = _WORDS.get(suffix.lower(), "")
    if known == "dwi":
        labels = (part.split("-", 1)[1].lower() for part in entities if part.startswith(("rec-", "acq-", "desc-")))
        return next((_WORDS[label] for label in labels if _WORDS.get(label) in DIFFUSION), known)
    return known


DRAWN_ON = "drawn_on_"
"""Beginning of the roles, in `BidsFile.beside`, of the images that a mask may have been drawn on."""


def refusal(file: BidsFile, t1w_space: str = "") -> tuple[str, str]:
    """Why a mask cannot be used, by its name, its sidecar and the images found, and the reason code; empty if it can.

    Parameters
    ----------
    file : BidsFile
        With the images that it may have been drawn on ``beside`` it.
    t1w_space : str
        As for `place_of`.
    """
    place = place_of(file, t1w_space)
    if place.kind == "image" and place.certain and not any(role.startswith(DRAWN_ON) for role in file.beside):
        return f"was drawn on {place.label}, of which there is no image in the dataset", "lesion-of-another-image"
    return place.why, place.reason


def drawn_on(file: BidsFile, place: Place, images: Sequence[BidsFile]) -> tuple[BidsFile, ...]:
    """Images of the person that a mask may have been drawn on: one where its name, or its sidecar, tells which.

    Parameters
    ----------
    file : BidsFile
        The mask.
    place : Place
        Its place, of the kind ``image``.
    images : sequence of BidsFile
        Raw images of the unit.
    """
    told = {name for key in ("SpatialReference", "Sources", "RawSources") for name in names_in(file.metadata.get(key))}
    if named := [image for image in images if image.path.name in told and image_of(image.path.name) != "T1w"]:
        return tuple(named[:1])
    family = DIFFUSION if place.label in DIFFUSION else (place.label,)
    kinds = {image: image_of(image.path.name) for image in images}
    for kind in dict.fromkeys((place.label, *family)):
        alike = [image for image in images if kinds[image] == kind and image.entities.get("part") in (None, "mag")]
        if alike:
            scores = [_agreement(file, image) for image in alike]
            best = [image for image, score in zip(alike, scores, strict=True) if score == max(scores)]
            return tuple(best[:1] if place.label in DIFFUSION else best)
    return ()


def _agreement(file: BidsFile, image: BidsFile) -> int:
    """Entities that a mask and an image share, less those that they have both and in which they differ."""
    keys = (file.entities.keys() & image.entities.keys()) - {"suffix", "desc", "space", "label", "subject", "session"}
    return sum(1 if file.entities[key] == image.entities[key] else -1 for key in keys)
