"""Resting-state BOLD -> motion-corrected runs, confounds, and maps in standard space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.records import BidsFile, StepReport
from bids_stroke.imaging.images import array, like, reorient, stored_orientation
from bids_stroke.imaging.motor_areas import MOTOR_AREAS
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import resample, save_rigid
from bids_stroke.preprocess.bold.precomputed import is_ready, process_ready
from bids_stroke.preprocess.bold.run import Carried, Run, Series, carry, process

if TYPE_CHECKING:
    from bids_stroke.preprocess.registry import StepContext

MAPS: Mapping[str, tuple[str, str]] = {
    "mean": ("arbitrary", "Mean of the motion-corrected volumes"),
    "alff": ("arbitrary", "Amplitude of low-frequency fluctuations: mean amplitude of the frequencies in the band"),
    "falff": ("1", "Share of the amplitudes in the band in those of all frequencies"),
    "reho": ("1", "Regional homogeneity: Kendall's W of a voxel's series and its 26 neighbours'"),
    "tsnr": ("1", "Temporal signal-to-noise ratio: mean over standard deviation of the detrended series"),
}
"""Map -> units and description."""
_ENTITIES = {"task": "task", "acq": "acquisition", "dir": "direction", "run": "run"}
"""Of output names -> of input files."""
_BEST_ECHO_S = 0.03
_CLEARLY_ONE_SIDED = 0.1
"""Share of a lesion by which its left part must differ from a half."""
_CONFOUNDS = {
    "trans": {"Description": "Shift of the brain's centre from the reference, RAS axes", "Units": "mm"},
    "rot": {"Description": "Rotation about the axis from the reference", "Units": "rad"},
    "framewise_displacement": {"Description": "Sum of absolute changes, sphere of 50 mm (Power 2012)", "Units": "mm"},
    "dvars": {"Description": "Root mean square of the change from the volume before, in the brain"},
    "std_dvars": {"Description": "DVARS as a multiple of what noise of the same spread and autocorrelation gives"},
    "cosine": {"Description": "Discrete cosine slower than 128 s"},
    "motion_outlier": {
        "Description": "1 in a volume with a framewise displacement above 0.5 mm or a standardised DVARS above 1.5"
    },
    "global_signal": {"Description": "Mean in the brain"},
    "csf": {"Description": "Mean in voxels that are almost certainly cerebrospinal fluid"},
    "white_matter": {"Description": "Mean in voxels that are almost certainly white matter"},
}


def run(context: StepContext) -> StepReport:
    """Process the session's BOLD runs; the maps of several are averaged.

    Raises
    ------
    DataError, MissingModalityError
        No run can be used: why the first of them cannot.
    """
    sources, warnings = choose_runs(context.session.files("bold"))
    grid = standard_grid(context.settings.bold.resolution)
    writer = _Writer(context, grid)
    files: dict[str, Path] = {}
    carried: list[Carried] = []
    quality: list[Mapping[str, float]] = []
    used: list[BidsFile] = []
    refusals: list[DataError | MissingModalityError] = []
    for source in sources:
        try:
            done = process_ready(source, context) if is_ready(source) else process(source, context)
        except (DataError, MissingModalityError) as refusal:  # one run never takes the others with it
            refusals.append(refusal)
            continue
        on_grid, series = carry(done, grid)
        more = writer.run(done, series)
        # of several runs, the roles of the second and later ones are numbered
        files |= more if not used else {f"{role}_{len(used) + 1}": path for role, path in more.items()}
        carried.append(on_grid)
        used.append(source)
        quality.append(done.qc)
        warnings += done.warnings
    if not used:
        raise refusals[0]
    warnings += [f"Not used: {refusal.message}" for refusal in refusals]
    maps = average(carried)
    qc = summary(quality) | {"standard_brain_covered_fraction": covered(maps["mean"], grid)}
    warnings += not_rest(used)
    return StepReport(outputs={"bold": writer.maps(used, maps)}, files=files, qc=qc, warnings=tuple(warnings))


def covered(mean: npt.NDArray[np.float32], grid: nib.Nifti1Image) -> float:
    """Share of the standard brain's voxels with signal in a mean image on a grid of standard space."""
    brain = array(resample(template("mask"), grid)) > 0.5
    return float((mean[brain] > 0).mean())


def not_rest(used: Sequence[BidsFile]) -> list[str]:
    """A warning where the runs are of a task."""
    task = used[0].entities.get("task", "")
    if "rest" in task.lower():
        return []
    return [f"The runs are of task {task}, not of rest: what the maps show is the task's activity too."]


def choose_runs(files: Sequence[BidsFile]) -> tuple[list[BidsFile], list[str]]:
    """The runs to use, and a warning for each file that is left out.

    Only magnitude images; of several echoes the one nearest 30 ms; of several tasks the first; of files that differ in
    nothing that an output's name can say, the first.
    """
    magnitude = [file for file in files if file.entities.get("part", "mag") == "mag"]
    kept: dict[tuple[str | None, ...], BidsFile] = {}
    for file in sorted(magnitude, key=_from_best_echo):
        kept.setdefault(tuple(_entities(file).values()), file)
    tasks = [file.entities.get("task") for file in magnitude if file in kept.values()]
    chosen = [file for file in magnitude if file in kept.values() and file.entities.get("task") == tasks[0]]
    left = [file.path.name for file in files if file not in chosen]
    return chosen, [f"Not used: {', '.join(left)}."] if left else []


def _from_best_echo(file: BidsFile) -> float:
    time = file.metadata.get("EchoTime", _BEST_ECHO_S)
    return abs(float(time) - _BEST_ECHO_S) if "echo" in file.entities and isinstance(time, int | float) else 0.0


def _entities(file: BidsFile) -> dict[str, str | None]:
    return {short: file.entities.get(long) for short, long in _ENTITIES.items()}


def average(carried: Sequence[Carried]) -> dict[str, npt.NDArray[np.float32]]:
    """Mean of the runs' maps over the brain that they share, 0 elsewhere."""
    shared = np.all([one.inside for one in carried], axis=0)
    names = [name for name in carried[0].maps if all(name in one.maps for one in carried)]
    return {
        name: np.where(shared, np.mean([one.maps[name] for one in carried], axis=0), 0).astype(np.float32)
        for name in names
    }


def summary(quality: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Quality numbers over runs: the largest displacement, the fewest degrees of freedom, else means."""
    combine: dict[str, Callable[[list[float]], float]] = {
        "max_framewise_displacement_mm": max,
        "degrees_of_freedom": min,
    }
    names = [name for name in quality[0] if all(name in one for one in quality)]
    values = {name: [one[name] for one in quality] for name in names}
    merged = {name: float(combine.get(name, np.mean)(found)) for name, found in values.items()}
    return merged | {"n_runs": float(len(quality))}


@dataclass(frozen=True)
class _Writer:
    """Writes runs and maps under the names of the contract."""

    context: StepContext
    grid: nib.Nifti1Image

    @property
    def resolution(self) -> tuple[str, dict[str, Any]]:
        """Label of ``res`` and what the sidecar says of it."""
        size = f"{self.context.settings.bold.resolution:g}"
        label = size.replace(".", "p")
        return label, {"Resolution": {label: f"{size} mm isotropic"}}

    def run(self, done: Run, series: Series) -> dict[str, Path]:
        """Images, confounds and transform of one run, by role."""
        outputs = self.context.outputs
        anat = self.context.files_of("anat")
        transforms = [anat["to_standard"]] if done.place.target == "T1w" else []
        beside = [f"{done.source.uri.rsplit('/', 1)[0]}/{path.name}" for path in done.source.beside.values()]
        sources = {"Sources": [*outputs.sources([done.source]), *beside]}
        carried_from = {"Sources": [*sources["Sources"], *outputs.sources(transforms)]}
        facts = {
            "TaskName": done.source.metadata.get("TaskName", done.source.entities.get("task", "")),
            "RepetitionTime": done.repetition_time,
            "NumberOfVolumesDiscardedByUser": done.dropped,
            "SliceTimingCorrected": done.slice_moment is not None,
            **({} if done.slice_moment is None else {"StartTime": done.slice_moment}),
            **({"VolumesReplaced": list(done.replaced)} if done.replaced else {}),
            **({} if is_ready(done.source) else {"SusceptibilityDistortionCorrected": False}),
        }
        entities = _entities(done.source)
        label, resolution = self.resolution
        standard = outputs.standard("bold", res=label, **entities)
        image = like(self.grid, series)
        image.header.set_zooms((*image.header.get_zooms()[:3], done.repetition_time))
        files = {
            "bold_standard": outputs.save_image(
                standard, image, {**carried_from, **facts, "SkullStripped": True, **resolution}
            ),
            "confounds": outputs.save_table(
                outputs.path("confounds", **entities), done.confounds, {**sources, **describe(done.confounds)}
            ),
        }
        return (
            files
            | self._transform(done, sources)
            | ({} if is_ready(done.source) else self._native(done, sources, facts))
        )

    def _native(self, done: Run, sources: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Path]:
        """Series and mask on the run's own grid, by role."""
        outputs, entities = self.context.outputs, _entities(done.source)
        as_stored = partial(reorient, orientation=stored_orientation(done.source.path))
        mask = as_stored(like(done.raw, done.place.brain.astype(np.uint8)))
        return {
            "bold": outputs.save_image(
                outputs.path("bold", **entities),
                as_stored(done.corrected),
                {**sources, **facts, "SkullStripped": False},
            ),
            "bold_mask": outputs.save_image(outputs.path("bold_mask", **entities), mask, {**sources, "Type": "Brain"}),
        }

    def _transform(self, done: Run, sources: Mapping[str, Any]) -> dict[str, Path]:
        """From the run to T1w or standard space; none where it lay there already."""
        outputs, target = self.context.outputs, done.place.target
        if done.source.entities.get("space", "").startswith("MNI152"):
            return {}
        role = "bold_to_t1w" if target == "T1w" else "bold_to_standard"
        path = outputs.path(role, **_entities(done.source))
        sidecar = {**sources, "Units": "mm", "Type": "ITK affine (LPS)"}
        return {role: outputs.save(path, partial(save_rigid, matrix=done.place.matrix), sidecar)}

    def maps(self, used: Sequence[BidsFile], maps: Mapping[str, npt.NDArray[np.float32]]) -> tuple[Path, ...]:
        """The maps in standard space: those of MAPS, then the connectivity of each seed."""
        outputs = self.context.outputs
        entities = _entities(used[0]) if len(used) == 1 else {"task": used[0].entities.get("task")}
        label, resolution = self.resolution
        paths = []
        for name, data in maps.items():
            role, which = ("bold_map", {"stat": name}) if name in MAPS else ("seed_map", {"label": name})
            path = outputs.standard(role, res=label, **which, **entities)
            facts = {"Sources": outputs.sources(used), "SkullStripped": True, **self.about(name), **resolution}
            paths.append(outputs.save_image(path, like(self.grid, data), facts))
        return tuple(paths)

    def about(self, name: str) -> dict[str, Any]:
        """Units and description of a map; a seed's centre, and the lesion's side where it is known."""
        if name in MAPS:
            return dict(zip(("Units", "Description"), MAPS[name], strict=True))
        lesion = self.context.earlier["lesion"].qc if "lesion" in self.context.earlier else {}
        left = lesion.get("lesion_side_left_fraction", 0.5)
        affected = "" if abs(left - 0.5) < _CLEARLY_ONE_SIDED else "L" if left > 0.5 else "R"
        side = {"Side": "ipsilesional" if name.endswith(affected) else "contralesional"} if affected else {}
        text = "Fisher z of the correlation with the mean series within 6 mm of the seed, cleaned and band-passed"
        return {"Units": "1", "Description": text, "SeedCentre": list(MOTOR_AREAS[name]), **side}


def describe(table: Any) -> dict[str, Any]:
    """Description and units of each column of the confounds, for the sidecar."""
    described = {}
    for column in map(str, table):
        stem, *changes = column.rstrip("0123456789").removesuffix("_power").split("_derivative")
        known = _CONFOUNDS.get(stem) or _CONFOUNDS[stem.split("_")[0]]
        text = known["Description"] + (", change from the volume before" if changes else "")
        squared = column.endswith("_power2")
        units = {"Units": known["Units"] + ("^2" if squared else "")} if "Units" in known else {}
        described[column] = {"Description": text + (", squared" if squared else ""), **units}
    return described
