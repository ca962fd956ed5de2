"""Which preprocessed images of ``--derivatives`` replace which raw files of a unit, and which field images it has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bids_stroke.bids.derivative_files import TURNED
from bids_stroke.core.modalities import given_by
from bids_stroke.core.records import READY_ANAT, READY_DWI, SPACE, BidsFile, Session


@dataclass(frozen=True)
class Found:
    """Ready images of one dataset for one unit.

    Parameters
    ----------
    dataset : str
        Name given to it in ``--derivatives``.
    files : mapping of str to BidsFile
        By role; the main one (``t1w``, ``dwi``) is among them.
    spare : mapping of str to str
        Names of files that are not used, and why.
    """

    dataset: str
    files: Mapping[str, BidsFile]
    spare: Mapping[str, str]

    @property
    def space(self) -> str | None:
        """Space of the main image."""
        return next(iter(self.files.values())).entities.get("space")


def choose_ready(files: Sequence[BidsFile], main: str) -> tuple[Found, ...]:
    """What each dataset offers for a step, best first: a space that is not turned, then the order of the options.

    Parameters
    ----------
    files : sequence of BidsFile
        From :func:`find_native`, of one unit.
    main : {"t1w", "dwi"}
        Role without which the others of a dataset are of no use. They must have its space, run and acquisition.
    """
    roles = READY_ANAT if main == "t1w" else READY_DWI
    offers = []
    for name in dict.fromkeys(file.entities["dataset"] for file in files):
        own = [file for file in files if file.entities["dataset"] == name and file.entities["role"] in roles]
        # the unit's own session before the person, a space as acquired before one that is turned
        mains = sorted((file for file in own if file.entities["role"] == main), key=_preference)
        if not mains:
            continue
        chosen = {main: mains[0]}
        for file in sorted(own, key=_preference):
            if file.entities["role"] != main and _image_of(file) == _image_of(mains[0]):
                chosen.setdefault(file.entities["role"], file)
        spare = {file.path.name: f"{mains[0].path.name} is used" for file in mains[1:]}
        offers.append(Found(name, {role: chosen[role] for role in roles if role in chosen}, spare))
    return tuple(sorted(offers, key=lambda offer: offer.space == TURNED))


def _preference(file: BidsFile) -> tuple[bool, bool, str]:
    return file.entities.get("session") is None, file.entities.get("space") == TURNED, file.path.name


def _image_of(file: BidsFile) -> dict[str, str]:
    """Entities that tell which image a file belongs to."""
    return {key: value for key, value in file.entities.items() if key not in ("desc", "label", "suffix", "role")}


def ready_anat(files: Sequence[BidsFile], lesions: Sequence[BidsFile], has_raw: bool) -> tuple[Found | None, str]:
    """Ready anatomy of a unit; or none and why not.

    Parameters
    ----------
    files : sequence of BidsFile
        From :func:`find_native`.
    lesions : sequence of BidsFile
        Masks of the unit: one drawn on the raw T1w does not fit a T1w that was turned.
    has_raw : bool
        Whether there is a raw T1w to fall back on.
    """
    offers = choose_ready(files, "t1w")
    if not offers:
        return None, ""
    best = offers[0]
    native = [mask for mask in lesions if mask.entities.get("space") in (None, "T1w")]
    if best.space == TURNED and native and has_raw:
        return None, f"{native[0].path.name} was drawn on the T1w before {best.dataset} turned it to {TURNED}"
    return best, ""


def native_maps(files: Sequence[BidsFile], modalities: Sequence[str]) -> dict[str, str]:
    """Tensor maps in the person's own space that a unit cannot use: name -> why."""
    why = "in the person's own space; give maps in an MNI152 space, or the preprocessed diffusion series"
    wanted = {f"{modality}_map" for modality in modalities}
    return {file.path.name: why for file in files if file.entities["role"] in wanted}


def take_ready(unit: Session, native: Sequence[BidsFile], wanted: Collection[str]) -> Session:
    """A unit in which ready images stand for the raw ones that they were made from; what is not used is named.

    Parameters
    ----------
    unit : Session
        With raw files, maps and lesion masks.
    native : sequence of BidsFile
        From :func:`bids_stroke.bids.derivative_files.find_native`, of this unit.
    wanted : collection of str
        Raw inputs that the modalities need (``t1w``, ``dwi``).
    """
    if not native:
        return unit
    if "bold" in wanted:
        unit = take_ready_bold(unit, native)
    left_out = dict(unit.left_out) | native_maps(native, [name for name in given_by("dwi")
                                                          if name not in unit.maps and "dwi" in wanted])  # fmt: skip
    anat, why = ready_anat(native, unit.lesion, bool(unit.files("t1w"))) if "t1w" in wanted else (None, "")
    dwi = next(iter(choose_ready(native, "dwi")), None) if "dwi" in wanted else None
    if why:
        left_out |= {file.path.name: why for file in native if file.entities["role"] == "t1w"}
    ready: dict[str, BidsFile] = {}
    for found, raw in ((anat, unit.files("t1w")), (dwi, (*unit.files("dwi"), *unit.files("epi")))):
        if found is None:
            continue
        ready |= found.files
        main = next(iter(found.files.values()))
        left_out |= found.spare
        left_out |= {file.path.name: f"{main.path.name} of {found.dataset} replaces it" for file in raw}
    replaced = {"t1w"} if anat else set()
    replaced |= {"dwi", "epi"} if dwi else set()
    kept = {query: items for query, items in unit.raw.items() if query not in replaced}
    return replace(unit, raw=kept, ready=ready, left_out=left_out)


def take_ready_bold(unit: Session, native: Sequence[BidsFile]) -> Session:
    """A unit in which each ready BOLD run stands for the raw one; a raw run of which there is no ready one stays.

    Of one run in several spaces: its own (ReHo of voxels as measured, our normalisation) and the T1w's where there is a
    T1w, then ours, another standard space, and those two without a T1w; then the order of the datasets. A ready run
    without its confounds cannot be cleaned: it is only taken where there is no raw one, to be refused.
    """
    has_t1w = bool(unit.files("t1w")) or any(file.entities["role"] == "t1w" for file in native)
    ready = [file for file in native if file.entities["role"] == "bold"]
    ready.sort(key=lambda file: _bold_preference(file, has_t1w=has_t1w))
    raw = {_run_of(file) for file in unit.files("bold")}
    chosen: dict[tuple[str, ...], BidsFile] = {}
    left_out = dict(unit.left_out)
    for file in ready:
        run = _run_of(file)
        if "confounds" not in file.beside and run in raw and run not in chosen:
            why = "its desc-confounds_timeseries.tsv is missing; the raw run is used"
            left_out[file.path.name] = why
        elif run in chosen:
            left_out[file.path.name] = f"{chosen[run].path.name} is used"
        else:
            chosen[run] = file
    for file in unit.files("bold"):
        if found := chosen.get(_run_of(file)):
            left_out[file.path.name] = f"{found.path.name} of {found.entities['dataset']} replaces it"
    kept = [file for file in unit.files("bold") if _run_of(file) not in chosen]
    runs = sorted([*kept, *chosen.values()], key=lambda file: (_run_of(file), file.path.name)) if chosen else kept
    return replace(unit, raw={**unit.raw, "bold": tuple(runs)}, left_out=left_out)


def _bold_preference(file: BidsFile, *, has_t1w: bool) -> tuple[bool, int, str]:
    space = file.entities.get("space", "")
    ranks = {"": 0, "T1w": 1, SPACE: 2} if has_t1w else {SPACE: 2, "T1w": 4, "": 5}
    return "confounds" not in file.beside, ranks.get(space, 3), "" if space in ranks else file.path.name


def _run_of(file: BidsFile) -> tuple[str, ...]:
    """Entities that tell runs of a unit apart; numbers without leading zeros."""
    values = (
        file.entities.get(name, "") for name in ("task", "acquisition", "reconstruction", "direction", "run", "part")
    )
    return tuple(str(int(value)) if value.isdigit() else value for value in values)


def epi_of(epi: Sequence[BidsFile], dwi: Sequence[BidsFile]) -> tuple[BidsFile, ...]:
    """Field images of a unit that were made for its diffusion runs.

    Where no sidecar tells what they were made for, all that tell their phase encoding.
    """
    if not dwi:
        return ()
    keys = ("IntendedFor", "B0FieldIdentifier")
    if not any(key in file.metadata for file in epi for key in keys):
        return tuple(file for file in epi if {"PhaseEncodingDirection", "PhaseEncodingAxis"} & set(file.metadata))
    fields = {name for file in dwi for name in _listed(file.metadata.get("B0FieldSource"))}
    names = {file.path.name for file in dwi}
    return tuple(
        file
        for file in epi
        if fields & set(_listed(file.metadata.get("B0FieldIdentifier")))
        or names & {item.rsplit("/", 1)[-1] for item in _listed(file.metadata.get("IntendedFor"))}
    )


def _listed(value: object) -> list[str]:
    """A sidecar's text or list of texts as a list."""
    return [value] if isinstance(value, str) else [str(item) for item in value] if isinstance(value, list) else []
