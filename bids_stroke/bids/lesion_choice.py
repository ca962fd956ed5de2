"""Which lesion masks of a unit are used, and why the others are not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from bids_stroke.core.records import BidsFile, Session
from bids_stroke.core.spaces import DRAWN_ON, drawn_on, place_of, refusal

UNITED = "Several lesion masks of one session are united. Call them lesionAcute and lesionChronic if they are not one."
_FOR_TESTS = re.compile(r"(?i:truth)|GT(?![a-z])|Test(?![a-z])|(?<![A-Za-z])test(?![a-z])")
_OLDER = re.compile(r"(?i:chronic|previous)|Old(?![a-z])|(?<![A-Za-z])old(?![a-z])")
_LABELS = ("desc", "label", "acq", "rec")


def choose_lesions(unit: Session, images: Sequence[BidsFile]) -> Session:
    """A unit with the lesion masks that are used; those that are not are left out, with the reason.

    Masks made for tests are never used, and an older lesion only where no other one can be. With a T1w, masks on it
    come first, then those in standard space, then those drawn on another image; without one, those in standard space.
    Where there is none that can be used, the others stay, for the steps to say why.

    Parameters
    ----------
    unit : Session
        With all its masks.
    images : sequence of BidsFile
        Raw images of the unit that masks may have been drawn on.
    """
    if not unit.lesion:
        return unit
    has_t1w = bool(unit.files("t1w") or unit.ready_anat)
    t1w_space = unit.ready["t1w"].entities.get("space", "") if "t1w" in unit.ready else ""
    kinds: dict[str, list[BidsFile]] = {"own": [], "standard": [], "image": [], "refused": []}
    left_out = dict(unit.left_out)
    for mask in unit.lesion:
        if label := _label_like(_FOR_TESTS, mask):
            left_out[mask.path.name] = f"{label} is a mask for tests: call it desc-lesion if it is the lesion"
            continue
        place = place_of(mask, t1w_space)
        if place.kind == "image":
            candidates = drawn_on(mask, place, images)
            roles = {f"{DRAWN_ON}{index}": image.path for index, image in enumerate(candidates)}
            mask = replace(mask, beside={**mask.beside, **roles})
        why, _ = refusal(mask, t1w_space)
        if why:
            left_out[mask.path.name] = why
        kinds["refused" if why else place.kind].append(mask)
    usable = [mask for kind in ("own", "standard", "image") for mask in kinds[kind]]
    recent = [mask for mask in usable if not _label_like(_OLDER, mask)]
    older = [mask for mask in usable if recent and mask not in recent]
    for mask in older:
        left_out[mask.path.name] = f"{_label_like(_OLDER, mask)} is an older lesion: {recent[0].path.name} is used"
    order = (["own"], ["standard"], ["image"]) if has_t1w else (["standard"], ["own", "image"])
    groups = [[mask for kind in group for mask in kinds[kind] if mask not in older] for group in order]
    chosen = next((group for group in groups if group), [])
    if chosen:
        others = [mask for group in groups for mask in group if mask not in chosen]
        left_out |= {mask.path.name: f"{chosen[0].path.name} is used" for mask in others}
    for mask in chosen:  # the image that carries it is read, though no query finds it
        for role, path in mask.beside.items():
            if role.startswith(DRAWN_ON):
                left_out.pop(path.name, None)
    notes = (*unit.notes, UNITED) if len(chosen) > 1 else unit.notes
    return replace(unit, lesion=tuple(chosen or kinds["refused"]), left_out=left_out, notes=notes)


def _label_like(pattern: re.Pattern[str], mask: BidsFile) -> str:
    """The label of a mask's name that is like a pattern, with its entity; empty if none is."""
    labels = ((entity, mask.entities.get(entity, "")) for entity in _LABELS)
    return next((f"{entity}-{label}" for entity, label in labels if pattern.search(label)), "")
