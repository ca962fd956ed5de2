"""Write a synthetic cohort as a BIDS dataset."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from mne_bids import BIDSPath

from bids_stroke.core.errors import OutputError
from bids_stroke.derivatives.outputs import write_atomic, write_json, write_table, write_text
from bids_stroke.simulate import description
from bids_stroke.simulate.anatomy import T1W_SIDECAR, simulate_t1w
from bids_stroke.simulate.archive import MASK_SIDECAR, mask_name, standard_mask, write_examination
from bids_stroke.simulate.bold import BOLD_SIDECAR, simulate_bold
from bids_stroke.simulate.diffusion import DWI_SIDECAR, Degeneration, DwiSeries, simulate_dwi
from bids_stroke.simulate.eegemg import TASK, simulate_recording, write_recording
from bids_stroke.simulate.head import draw_head, draw_pose
from bids_stroke.simulate.options import MODALITIES, CohortOptions, Resolution
from bids_stroke.simulate.table import Person, draw_people, labels

EXAMPLE = CohortOptions(n_subjects=30, seed=600, resolution="example")
_FOLLOW_UP_DAYS = 90
# Streams of random numbers: adding or dropping one modality leaves the others' bytes as they are.
_STREAMS = {"head": 1, "t1w": 2, "dwi": 3, "bold": 4, "eegemg": 5, "missing": 6}


@dataclass(frozen=True)
class Visit:
    """One session of one person.

    Attributes
    ----------
    session : str or None
        Label; None for a person without session level.
    modalities : frozenset of str
        What is acquired besides the T1w image (names in MODALITIES).
    emg_apart : bool
        EMG in a file of its own.
    archived : bool
        Nothing is left but the lesion's outline in standard space and an examination; no T1w either.
    """

    session: str | None
    modalities: frozenset[str]
    emg_apart: bool = False
    archived: bool = False


def simulate_cohort(out: Path, options: CohortOptions, progress: Callable[[str], None] | None = None) -> None:
    """Write a synthetic cohort: a raw BIDS dataset with lesion masks in ``derivatives/lesions``.

    Parameters
    ----------
    out : Path
        Folder to make; it may exist but must be empty.
    options : CohortOptions
        What to simulate.
    progress : callable, optional
        Called with ``sub-<label>`` when a person is done.

    Raises
    ------
    OutputError
        If ``out`` is not empty or cannot be written.
    """
    weights = options.weights
    rates = "".join(f" --missing-rate {name}={rate:g}" for name, rate in options.missing_rate.items())
    command = (
        f"bids_stroke_tools simulate OUT --n-subjects {options.n_subjects} --seed {options.seed}"
        f" --resolution {options.resolution} --lesion-weight {weights.lesion_load:g} --age-weight {weights.age:g}"
        f" --coupling-weight {weights.coupling:g}{rates} --emg-layout {options.emg_layout}"
        f" --two-sessions {options.two_sessions:g}"
    )
    _write_dataset(out, options, plan_visits(options), command, progress)


def simulate_example(out: Path, progress: Callable[[str], None] | None = None) -> None:
    """Write the repository's ``example_bids_dataset``: six people, each with a different set of data, and an archive.

    Of 24 more only an outline of the lesion and an examination were kept: enough people for an evaluation, few bytes.

    Raises
    ------
    OutputError
        If ``out`` is not empty or cannot be written.
    """
    everything = frozenset(MODALITIES)
    visits = {
        "01": (Visit("01", everything), Visit("02", everything - {"eegemg"})),
        "02": (Visit(None, everything - {"eegemg", "lesion"}),),
        "03": (Visit(None, everything - {"dwi"}),),
        "04": (Visit(None, everything, emg_apart=True),),
        "05": (Visit(None, everything),),
        "06": (Visit(None, everything - {"lesion"}),),
    }
    kept = (Visit(None, frozenset({"lesion"}), archived=True),)
    everybody = {label: visits.get(label, kept) for label in labels(EXAMPLE.n_subjects)}
    _write_dataset(out, EXAMPLE, everybody, "bids_stroke_tools simulate OUT --example", progress)


def plan_visits(options: CohortOptions) -> dict[str, tuple[Visit, ...]]:
    """Who has which sessions and modalities; exactly the rounded share of the people lacks each modality."""
    n = options.n_subjects
    lacking = {
        name: _choose(n, options.missing_rate.get(name, 0.0), options.seed, i) for i, name in enumerate(MODALITIES)
    }
    twice = _choose(n, options.two_sessions, options.seed, len(MODALITIES))
    visits = {}
    for i, label in enumerate(labels(n)):
        modalities = frozenset(name for name in MODALITIES if i not in lacking[name])
        apart = options.emg_layout == "emg" or (options.emg_layout == "mixed" and i % 2 == 1)
        sessions: Sequence[str | None] = ("01", "02") if i in twice else (None,)
        visits[label] = tuple(Visit(session, modalities, apart) for session in sessions)
    return visits


def _choose(n: int, rate: float, seed: int, stream: int) -> frozenset[int]:
    order = np.random.default_rng([seed, stream, _STREAMS["missing"]]).permutation(n)
    return frozenset(int(i) for i in order[: round(rate * n)])


def _write_dataset(
    out: Path,
    options: CohortOptions,
    visits: Mapping[str, tuple[Visit, ...]],
    command: str,
    progress: Callable[[str], None] | None,
) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} exists and is not an empty folder.", "Name a new folder.")
    people = draw_people(options)
    for i, person in enumerate(people):
        for later, visit in enumerate(visits[person.subject]):
            _write_visit(out, person, visit, options.sizes, _Seeds(options.seed, i, later))
        if progress is not None:
            progress(f"sub-{person.subject}")
    # Last: mne-bids writes its own participants.tsv, README and dataset_description.json with every recording.
    _write_tables(out, people, visits)
    # the name tells cohorts apart: with the label it identifies a person to a model's list of training participants
    name = f"Synthetic stroke cohort: {command.removeprefix('bids_stroke_tools simulate OUT ')}"
    write_json(out / "dataset_description.json", description.dataset_description(name))
    write_text(out / "README", description.readme(name, command))
    if any("lesion" in visit.modalities for person in visits.values() for visit in person):
        write_json(out / "derivatives" / "lesions" / "dataset_description.json", description.lesions_description())
        write_text(out / "derivatives" / "lesions" / "README", f"Synthetic lesion masks, made by\n\n    {command}\n")


@dataclass(frozen=True)
class _Seeds:
    seed: int
    person: int
    later: int

    def rng(self, stream: str, every_visit_the_same: bool = False) -> np.random.Generator:
        visit = 0 if every_visit_the_same else self.later
        return np.random.default_rng([self.seed, self.person, _STREAMS[stream], visit])


def _write_visit(out: Path, person: Person, visit: Visit, sizes: Resolution, seeds: _Seeds) -> None:
    subject = out / f"sub-{person.subject}"
    folder = subject / f"ses-{visit.session}" if visit.session else subject
    prefix = subject.name + (f"_ses-{visit.session}" if visit.session else "")
    if visit.archived:
        write_examination(folder, prefix, person)
        masks = out / "derivatives" / "lesions" / subject.name / "anat"
        _write_image(masks / mask_name(prefix), standard_mask(person), MASK_SIDECAR)
        return
    head = draw_head(seeds.rng("head", every_visit_the_same=True), person.lesion, person.age, sizes)
    # Scanners store the first axis either way; both must be read rightly.
    first_axis_left = seeds.person % 2 == 0

    rng = seeds.rng("t1w")
    t1w, lesion, _ = simulate_t1w(head.moved(draw_pose(rng, 1.0, 2.0)), sizes, first_axis_left, rng)
    t1w_path = folder / "anat" / f"{prefix}_T1w.nii.gz"
    _write_image(t1w_path, t1w, T1W_SIDECAR)
    if "lesion" in visit.modalities:
        relative = (folder / "anat").relative_to(out)
        mask_path = out / "derivatives" / "lesions" / relative / f"{prefix}_label-L_desc-lesion_mask.nii.gz"
        source = f"bids:raw:{t1w_path.relative_to(out).as_posix()}"
        _write_image(mask_path, lesion, {"Type": "Lesion", "Sources": [source], "SpatialReference": source})
    if "dwi" in visit.modalities:
        rng = seeds.rng("dwi")
        # Degeneration goes on for weeks after the stroke (Thomalla et al., NeuroImage 2004).
        degeneration = Degeneration(person.load * (1.0 if seeds.later else 0.8), person.arc)
        moved = head.moved(draw_pose(rng, 1.0, 2.0))
        series = simulate_dwi(moved, sizes, degeneration, first_axis_left, rng)
        _write_dwi(folder / "dwi" / f"{prefix}_dwi.nii.gz", series)
    if "bold" in visit.modalities:
        rng = seeds.rng("bold")
        image = simulate_bold(head.moved(draw_pose(rng, 1.0, 2.0)), sizes, person.coupling, first_axis_left, rng)
        _write_image(folder / "func" / f"{prefix}_task-rest_bold.nii.gz", image, BOLD_SIDECAR)
    if "eegemg" in visit.modalities:
        recording = simulate_recording(sizes, person.coupling, _other_side(person), seeds.rng("eegemg"))
        path = BIDSPath(root=out, subject=person.subject, session=visit.session, task=TASK)
        write_recording(recording, path, visit.emg_apart)


def _other_side(person: Person) -> str:
    return "L" if person.lesion.side == "R" else "R"


def _write_image(path: Path, image: nib.Nifti1Image, sidecar: Mapping[str, Any]) -> None:
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    write_atomic(path, lambda temporary: temporary.write_bytes(gzip.compress(image.to_bytes(), 9, mtime=0)))
    write_json(path.with_name(path.name.replace(".nii.gz", ".json")), sidecar)


def _write_dwi(path: Path, series: DwiSeries) -> None:
    _write_image(path, series.image, DWI_SIDECAR)
    stem = path.name.removesuffix(".nii.gz")
    write_text(path.with_name(f"{stem}.bval"), " ".join(f"{bval:g}" for bval in series.bvals) + "\n")
    rows = (" ".join(f"{value:.6f}" for value in row) for row in series.bvecs.T + 0.0)
    write_text(path.with_name(f"{stem}.bvec"), "\n".join(rows) + "\n")


def _write_tables(out: Path, people: Sequence[Person], visits: Mapping[str, tuple[Visit, ...]]) -> None:
    participants = [
        {
            "participant_id": f"sub-{person.subject}",
            "age": int(person.age),
            "sex": person.sex,
            "lesion_side": person.lesion.side,
            "affected_limb": _other_side(person),
            "stroke_type": person.stroke_type,
            "days_since_stroke": person.days_since_stroke,
            "fma_le_baseline": person.fma_le_baseline,
            "fma_le": person.fma_le,
        }
        for person in people
    ]
    truth = [
        {
            "participant_id": f"sub-{person.subject}",
            "tract_load": round(person.load, 4),
            "tract_cut": round(person.arc, 4),
            "coupling": round(person.coupling, 4),
            "territory": person.lesion.territory,
        }
        for person in people
    ]
    write_table(out / "participants.tsv", pd.DataFrame(participants))
    write_json(out / "participants.json", description.PARTICIPANTS)
    write_table(out / "sourcedata" / "truth.tsv", pd.DataFrame(truth))
    write_json(out / "sourcedata" / "truth.json", description.TRUTH)
    for person in people:
        sessions = [visit.session for visit in visits[person.subject] if visit.session]
        if sessions:
            days = [person.days_since_stroke + _FOLLOW_UP_DAYS * later for later in range(len(sessions))]
            table = pd.DataFrame({"session_id": [f"ses-{label}" for label in sessions], "days_since_stroke": days})
            write_table(out / f"sub-{person.subject}" / f"sub-{person.subject}_sessions.tsv", table)
            write_json(out / "sessions.json", description.SESSIONS)
