"""Pictures of one unit: what was computed, so that a person can judge whether it is right."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
from matplotlib.figure import Figure
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template, load_mni152_wm_mask

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.carpet import draw_carpet, template_tissues
from bids_stroke.report.figures.recordings import draw_recording, find_recordings
from bids_stroke.report.figures.slices import Outline, Panel, draw_slices, slice_heights

CAPTIONS: Mapping[str, tuple[str, str]] = {
    "tissues": (
        "Tissues on the T1-weighted image",
        "Contours where grey matter (orange) and white matter (blue) become more likely than not, and the brain mask "
        "(red), on the person's own T1-weighted image. They should follow the edges of cortex and brain, and the "
        "tissues spare the lesion.",
    ),
    "standard": (
        "T1-weighted image in standard space",
        "The outlines of the standard brain (yellow) and of its white matter (blue) should follow the edges of this "
        "brain and of its white matter, except in the lesion. Where they do not, every map of this unit is misplaced.",
    ),
    "probabilities": (
        "Tissue maps in standard space",
        "Probability of grey matter, white matter and cerebrospinal fluid (0 to 1). All three are 0 in the lesion "
        "where there is a mask of it.",
    ),
    "lesion": (
        "Lesion in standard space",
        "The lesion mask (red contour) as used. It should lie on the side and in the place that is known clinically.",
    ),
    "diffusion": (
        "Diffusion maps in standard space",
        "Fractional anisotropy is high in white matter tracts; mean diffusivity is high in the ventricles and in old "
        "lesions. The yellow outline is the standard brain.",
    ),
    "color": (
        "Direction of the fibres (colour FA)",
        "The brighter, the higher the fractional anisotropy. Red: fibres run from left to right (the callosum), green: "
        "from front to back, blue: up and down (the corticospinal tract). Other colours there mean that the gradient "
        "directions are wrong. The scan's own space.",
    ),
    "bold": (
        "BOLD maps in standard space",
        "Mean signal, amplitude of slow fluctuations (ALFF, fALFF) and regional homogeneity (ReHo). They should fill "
        "the outline of the standard brain (yellow). Black inside it: outside the images, or the scanner has lost the "
        "signal (above the sinuses and the ears). Unless they came corrected, the images are distorted there too.",
    ),
    "carpet": (
        "BOLD signal over time (carpet plot)",
        "One line for each voxel, by tissue, after motion correction and before confounds are regressed out. Above: "
        "framewise displacement (FD), how far the head moved since the volume before, and standardised DVARS, how much "
        "the images changed; dashed: limits above which a volume counts as disturbed (red). Stripes from top to bottom "
        "come from motion, breathing or the scanner, not from the brain; with many of them do not trust the maps.",
    ),
    "signals": (
        "EEG and EMG after cleaning",
        "Power spectrum before and after cleaning, and the first window kept with the phases of the trial. A peak at "
        "the mains frequency after cleaning, or a flat line, would mean that cleaning has failed. Before: with the "
        "reference of the recording.",
    ),
}
"""Heading and text by the ``desc`` of a figure's name; the text also serves those who cannot see the picture."""

_DIFFUSION = {
    "fa": ("FA", "no unit (0 to 1)", (0.0, 1.0), 1.0),
    "md": ("MD", "10⁻³ mm²/s", (0.0, 3.0), 1000.0),
    "rd": ("RD", "10⁻³ mm²/s", (0.0, 3.0), 1000.0),
    "ad": ("AD", "10⁻³ mm²/s", (0.0, 3.0), 1000.0),
}
_BOLD = {
    "mean": ("mean", "gray"),
    "alff": ("ALFF", "viridis"),
    "falff": ("fALFF", "viridis"),
    "reho": ("ReHo", "viridis"),
}


def draw_unit_figures(outputs: Outputs, reports: Mapping[str, StepReport]) -> tuple[Path, ...]:
    """Draw what this unit has, under ``<unit folder>/figures/``; the same files give the same bytes.

    Parameters
    ----------
    outputs : Outputs
        The unit's names and writer.
    reports : mapping of str to StepReport
        Reports by step; only files named there (or by the output contract for a step that ran) are drawn.
    """
    prefix = f"sub-{outputs.subject}" + (f"_ses-{outputs.session}" if outputs.session else "")
    drawn = []
    painters: tuple[Callable[[Outputs, Mapping[str, StepReport]], Iterator[tuple[str, Figure]]], ...]
    painters = (_tissues, _standard, _probabilities, _lesion, _diffusion, _colour, _bold, _carpet, _signals)
    for painter in painters:
        for name, figure in painter(outputs, reports):
            path = outputs.folder / "figures" / f"{prefix}_{name}_figure.png"
            # without the date and the version of matplotlib, which would change the bytes
            drawn.append(outputs.save(path, lambda temporary, figure=figure: _save(figure, temporary)))  # type: ignore[misc]
    return tuple(drawn)


def caption(path: Path) -> tuple[str, str]:
    """Heading and text of a figure, by its name."""
    heading, text = CAPTIONS.get(_key(path), (path.stem, ""))
    parts = re.findall(r"_(task|acq|dir|run)-([A-Za-z0-9]+)", path.name)
    return (f"{heading}: {', '.join(f'{key} {value}' for key, value in parts)}" if parts else heading), text


def rank(path: Path) -> tuple[int, str]:
    """Where a figure belongs on a page: in the order of CAPTIONS, then by name."""
    key = _key(path)
    return (list(CAPTIONS).index(key) if key in CAPTIONS else len(CAPTIONS), path.name)


def _key(path: Path) -> str:
    found = re.search(r"_desc-([a-z]+)_figure", path.name)
    return found[1] if found else ""


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _tissues(outputs: Outputs, reports: Mapping[str, StepReport]) -> Iterator[tuple[str, Figure]]:
    files = reports["anat"].files if "anat" in reports else {}
    if not _all_there(files, "t1w", "gm", "wm", "brain_mask"):
        return
    gm, wm = nib.load(files["gm"]), nib.load(files["wm"])
    brain = nib.load(files["brain_mask"])
    outlines = (
        Outline(gm, "darkorange", "grey matter"), Outline(wm, "deepskyblue", "white matter"),
        Outline(brain, "red", "brain mask"),
    )  # fmt: skip
    t1w = nib.load(files["t1w"])
    inside = np.asarray(t1w.dataobj)[np.asarray(wm.dataobj) > 0.5]  # the scale of the brain, not of bright fat
    limits = (0.0, 1.15 * float(np.percentile(inside, 99))) if inside.size else None
    panel = Panel(t1w, "T1w", limits=limits, bar=False, outlines=outlines)
    title = "T1-weighted image (own space) with tissues"
    yield "desc-tissues", draw_slices(title, [panel], slice_heights(wm, 8), brain, 2)


def _standard(outputs: Outputs, reports: Mapping[str, StepReport]) -> Iterator[tuple[str, Figure]]:
    path = outputs.standard("anat", "T1w.nii.gz", desc="preproc")
    if "anat" not in reports or not path.is_file():
        return
    outlines = (_template_outline(), Outline(_white(), "deepskyblue", "its white matter"))
    panel = Panel(_as_the_person_lies(path), "T1w", bar=False, outlines=outlines)
    yield "desc-standard", draw_slices("T1-weighted image in standard space", [panel], _heights(8), _brain(), 2)


def _probabilities(outputs: Outputs, reports: Mapping[str, StepReport]) -> Iterator[tuple[str, Figure]]:
    panels = []
    for label in ("GM", "WM", "CSF"):
        path = outputs.standard("anat", "probseg.nii.gz", label=label)
        if "anat" in reports and path.is_file():
            panels.append(
                Panel(_as_the_person_lies(path), label, "probability", (0.0, 1.0), outlines=(_template_outline(),))
            )
    if panels:
        yield "desc-probabilities", draw_slices("Tissue maps in standard space", panels, _heights(6), _brain())


def _lesion(outputs: Outputs, reports: Mapping[str, StepReport]) -> Iterator[tuple[str, Figure]]:
    paths = _outputs(reports, "lesion")
    if not paths:
        return
    lesion = _as_the_person_lies(paths[0])
    mask = _as_the_person_lies(reports["lesion"].files.get("lesion_standard", paths[0]))  # shares may all be below half
    heights = slice_heights(mask, 8, margin=0.05)
    if not heights:
        return
    t1w = outputs.standard("anat", "T1w.nii.gz", desc="preproc")
    own = t1w.is_file()
    under = _as_the_person_lies(t1w) if own else load_mni152_template(resolution=2)
    millilitres = float(np.sum(np.asarray(lesion.dataobj)) * np.prod(lesion.header.get_zooms()[:3])) / 1000
    what = "the person's T1-weighted image" if own else "the standard brain (no T1-weighted image)"
    panel = Panel(under, "T1w" if own else "standard", bar=False, outlines=(Outline(mask, "red", "lesion"),))
    title = f"Lesion, {millilitres:.1f} ml in standard space, on {what}"
    yield "desc-lesion", draw_slices(title, [panel], heights, _brain(), 2 if len(heights) > 4 else 1)


def _diffusion(outputs: Outputs, reports: Mapping[str, StepReport]) -> Iterator[tuple[str, Figure]]:
    panels = []
    for name, (label, units, limits, factor) in _DIFFUSION.items():
        for path in _outputs(reports, name)[:1]:
            image = _as_the_person_lies(path)
            panels.append(Panel(image, label, units, limits, factor=factor, outlines=(_template_outline(),)))
    if panels:
        yield "desc-diffusion", draw_slices("Diffusion tensor maps in standard space", panels, _heights(6), _brain())


def _colour(outputs: Outputs, reports: Mapping[str, StepReport]) -> Iterator[tuple[str, Figure]]:
    files = reports["dwi"].files if "dwi" in reports else {}
    if not _all_there(files, "fa_color", "dwi_mask"):
        return
    mask = nib.load(files["dwi_mask"])
    panel = Panel(nib.load(files["fa_color"]), "colour FA", bar=False)
    title = "Fibre directions: red left-right, green front-back, blue up-down"
    yield "desc-color", draw_slices(title, [panel], slice_heights(mask, 8), mask, 2)


def _bold(outputs: Outputs, reports: Mapping[str, StepReport]) -> Iterator[tuple[str, Figure]]:
    title, panels = "BOLD maps in standard space", []
    for path in _outputs(reports, "bold"):
        stat = re.search(r"_stat-([a-z]+)_", path.name, re.IGNORECASE)
        if stat and stat[1].lower() in _BOLD:
            label, colours = _BOLD[stat[1].lower()]
            outline = (_template_outline(),)
            panels.append(Panel(_as_the_person_lies(path), label, _units(path), colours=colours, outlines=outline))
    if panels:
        task = re.search(r"_(task-[A-Za-z0-9]+)_", _outputs(reports, "bold")[0].name)
        yield f"{task[1]}_desc-bold" if task else "desc-bold", draw_slices(title, panels, _heights(6), _brain())


def _carpet(outputs: Outputs, reports: Mapping[str, StepReport]) -> Iterator[tuple[str, Figure]]:
    """One for each run: the files of the second and later ones have numbered roles."""
    files = reports["bold"].files if "bold" in reports else {}
    for role in (role for role in files if role.startswith("bold_standard")):
        confounds = role.replace("bold_standard", "confounds")
        if _all_there(files, role, confounds):
            entities = re.findall(r"_((?:task|acq|dir|run)-[A-Za-z0-9]+)", files[role].name)
            title = " ".join(entities).replace("-", " ")
            tissues = _standard_tissues(outputs, reports)
            yield "_".join([*entities, "desc-carpet"]), draw_carpet(title, files[role], files[confounds], tissues)


def _standard_tissues(outputs: Outputs, reports: Mapping[str, StepReport]) -> dict[str, nib.Nifti1Image]:
    """Probabilities of the person's tissues in standard space; of the standard brain's without a T1w."""
    names = {"GM": "grey matter", "WM": "white matter", "CSF": "CSF"}
    paths = {name: outputs.standard("anat", "probseg.nii.gz", label=label) for label, name in names.items()}
    if "anat" in reports and _all_there(paths, *paths):
        return {name: nib.load(path) for name, path in paths.items()}
    return template_tissues()


def _signals(outputs: Outputs, reports: Mapping[str, StepReport]) -> Iterator[tuple[str, Figure]]:
    for recording in find_recordings(_outputs(reports, "eegemg")):
        entities = [part for part in recording.name.split("_") if not part.startswith(("sub-", "ses-"))]
        yield "_".join([*entities, "desc-signals"]), draw_recording(recording)


def _outputs(reports: Mapping[str, StepReport], modality: str) -> tuple[Path, ...]:
    """Feature files of a modality that exist; those of a later step replace an earlier one's."""
    found = [report.outputs[modality] for report in reports.values() if modality in report.outputs]
    return tuple(path for path in found[-1] if path.is_file()) if found else ()


def _all_there(files: Mapping[str, Path], *roles: str) -> bool:
    return all(role in files and files[role].is_file() for role in roles)


def _as_the_person_lies(path: Path) -> nib.Nifti1Image:
    """An image in standard space; one that was mirrored for the model is mirrored back: R is the person's right."""
    image = nib.load(path)
    sidecar = path.with_name(path.name.removesuffix(".nii.gz") + ".json")
    if not sidecar.is_file() or not json.loads(sidecar.read_text()).get("Mirrored", False):
        return image
    return nib.Nifti1Image(np.asanyarray(image.dataobj)[::-1], image.affine, image.header)


def _heights(number: int) -> list[float]:
    return slice_heights(_brain(), number)


def _units(path: Path) -> str:
    sidecar = path.with_name(path.name.removesuffix(".nii.gz") + ".json")
    units = json.loads(sidecar.read_text()).get("Units") if sidecar.is_file() else None
    return {"1": "no unit", "arbitrary": "arbitrary units"}.get(str(units), str(units or "arbitrary units"))


@lru_cache(maxsize=1)
def _brain() -> nib.Nifti1Image:
    return load_mni152_brain_mask(resolution=2)


@lru_cache(maxsize=1)
def _white() -> nib.Nifti1Image:
    return load_mni152_wm_mask(resolution=2)


def _template_outline() -> Outline:
    return Outline(_brain(), "gold", "standard brain")
