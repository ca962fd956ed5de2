"""The registry of a unit's figures: what was computed, so that a person can judge whether it is right.

A new figure is a function in the module of its modality, and its entry in FIGURES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from bids_stroke.derivatives.names import is_named, parse
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures import anat, bold, dwi, eegemg, lesion, sides, symmetry
from bids_stroke.report.figures.common import Drawn, Reports, entities_of


@dataclass(frozen=True)
class UnitFigure:
    """One kind of figure of a unit.

    Parameters
    ----------
    key : str
        ``desc`` in the names of its files; small letters only.
    steps : tuple of str
        Whose files it shows: it can be drawn when these have ended.
    draw : callable
        Takes the unit's names and its steps' reports; gives the figures, each with the entities (``task-rest``) that
        its file's name has besides. It gives none where the unit lacks the files.
    heading : str
        Over the figure, on the participant's page.
    text : str
        Below the figure: what should be seen, and what not. It also serves those who cannot see the picture.
    """

    key: str
    steps: tuple[str, ...]
    draw: Callable[[Outputs, Reports], Drawn]
    heading: str
    text: str


FIGURES: tuple[UnitFigure, ...] = (
    UnitFigure(
        "tissues",
        ("anat",),
        anat.draw_tissues,
        "Tissues on the T1-weighted image",
        "Contours where grey matter (orange) and white matter (blue) become more likely than not, and the brain mask "
        "(red), on the person's own T1-weighted image. They should follow the edges of cortex and brain, and the "
        "tissues spare the lesion.",
    ),
    UnitFigure(
        "standard",
        ("anat",),
        anat.draw_standard,
        "T1-weighted image in standard space",
        "The outlines of the standard brain (yellow) and of its white matter (blue) should follow the edges of this "
        "brain and of its white matter, except in the lesion. Where they do not, every map of this unit is misplaced.",
    ),
    UnitFigure(
        "probabilities",
        ("anat",),
        anat.draw_probabilities,
        "Tissue maps in standard space",
        "Probability of grey matter, white matter and cerebrospinal fluid (0 to 1). All three are 0 in the lesion "
        "where there is a mask of it.",
    ),
    UnitFigure(
        "lesion",
        ("anat", "lesion"),
        lesion.draw_lesion,
        "Lesion in standard space",
        "The lesion mask (red contour) as used. It should lie on the side and in the place that is known clinically. "
        "Blue: the corticospinal tract as drawn for everybody; what the lesion takes of it weighs most for movement.",
    ),
    UnitFigure(
        "diffusion",
        ("lesion", "dwi", "maps"),
        dwi.draw_diffusion,
        "Diffusion maps in standard space",
        "Fractional anisotropy is high in white matter tracts; mean diffusivity is high in the ventricles and in old "
        "lesions. Outlines: the standard brain (yellow), the corticospinal tract as drawn for everybody (blue), the "
        "lesion (red).",
    ),
    UnitFigure(
        "sides",
        ("lesion", "dwi", "bold", "maps"),
        sides.draw_sides,
        "Differences between the sides",
        "Each place less its mirror image, after smoothing (about 5 mm): red is higher here than on the other side, "
        "blue lower; so each finding is seen twice, in both colours. Green: the lesion. A tract (blue outline) that "
        "has degenerated has lower FA and, later, higher MD on the lesion's side. Healthy brains are not quite "
        "symmetric either, and rims of the brain and ventricles differ where the head does not lie exactly on the "
        "standard brain.",
    ),
    UnitFigure(
        "color",
        ("dwi",),
        dwi.draw_color,
        "Direction of the fibres (colour FA)",
        "The brighter, the higher the fractional anisotropy. Red: fibres run from left to right (the callosum), green: "
        "from front to back, blue: up and down (the corticospinal tract). Other colours there mean that the gradient "
        "directions are wrong. The scan's own space.",
    ),
    UnitFigure(
        "bold",
        ("lesion", "bold", "maps"),
        bold.draw_bold,
        "BOLD maps in standard space",
        "Mean signal, amplitude of slow fluctuations (ALFF, fALFF) and regional homogeneity (ReHo). They should fill "
        "the outline of the standard brain (yellow). Black inside it: outside the images, or the scanner has lost the "
        "signal (above the sinuses and the ears). Unless they came corrected, the images are distorted there too. "
        "Blue: the corticospinal tract as drawn for everybody; red: the lesion.",
    ),
    UnitFigure(
        "carpet",
        ("anat", "bold"),
        bold.draw_carpets,
        "BOLD signal over time (carpet plot)",
        "One line for each voxel, by tissue, after motion correction and before confounds are regressed out. Above: "
        "framewise displacement (FD), how far the head moved since the volume before, and standardised DVARS, how much "
        "the images changed; dashed: limits above which a volume counts as disturbed (red). Stripes from top to bottom "
        "come from motion, breathing or the scanner, not from the brain; with many of them do not trust the maps.",
    ),
    UnitFigure(
        "signals",
        ("eegemg", "maps"),
        eegemg.draw_signals,
        "EEG and EMG after cleaning",
        "Power spectrum before and after cleaning, and the first window kept with the phases of the trial. A peak at "
        "the mains frequency after cleaning, or a flat line, would mean that cleaning has failed. Before: with the "
        "reference of the recording.",
    ),
    UnitFigure(
        "symmetry",
        ("eegemg", "maps"),
        symmetry.draw_symmetry,
        "EEG of the two sides",
        "Left: power of mirrored sites, left and right, over all kept windows, and below it their difference over "
        "their sum (0: equal; above 0: more on the left). Right: the begin of the kept window in which the sides "
        "differ most, mirrored sites one on the other, and how far they differ there (0 to 1) and in the median "
        "window: short windows differ by chance, too. More slow waves and less alpha on the lesion's side are usual "
        "after a stroke; a site that is flat or noisy on one side only is a fault of the electrode.",
    ),
)
"""Every kind of figure, in the order in which they are drawn and stand on a page."""

_PLACES = {figure.key: place for place, figure in enumerate(FIGURES)}


def draw_unit_figures(outputs: Outputs, reports: Reports, kinds: Iterable[UnitFigure] = FIGURES) -> tuple[Path, ...]:
    """Draw what a unit has, under ``<unit folder>/figures/``; the same files give the same bytes.

    Parameters
    ----------
    outputs : Outputs
        The unit's names and writer.
    reports : mapping of str to StepReport
        Reports by step; only files named there (or by the output contract for a step that ran) are drawn.
    kinds : iterable of UnitFigure
        Which.

    Returns
    -------
    tuple of Path
        PNG files, in the order of the kinds.
    """
    return tuple(
        save_figure(figure, outputs, kind.key, entities)
        for kind in kinds
        for entities, figure in kind.draw(outputs, reports)
    )


def caption(path: Path) -> tuple[str, str]:
    """Heading and text of a figure, by its file's name; the bare name and no text where no figure is called so.

    >>> caption(Outputs(Path(), "01").path("figure", task="rest", run="2", desc="carpet"))[0]
    'BOLD signal over time (carpet plot): task rest, run 2'
    """
    place = _PLACES.get(_key(path))
    heading, text = (path.stem, "") if place is None else (FIGURES[place].heading, FIGURES[place].text)
    parts = [entity.replace("-", " ") for entity in entities_of(path.name)]
    return (f"{heading}: {', '.join(parts)}" if parts else heading), text


def rank(path: Path) -> tuple[int, str]:
    """Where a figure belongs on a page: in the order of FIGURES, then by name.

    >>> rank(Outputs(Path(), "01").path("figure", desc="lesion"))[0]
    3
    """
    return _PLACES.get(_key(path), len(FIGURES)), path.name


def _key(path: Path) -> str:
    return parse(path.name).entities["desc"] if is_named(path, "figure") else ""


def save_figure(figure: Figure, outputs: Outputs, key: str, entities: str = "") -> Path:
    """Write a figure; ``key`` is ``desc`` in its name, ``entities`` (``task-rest``) what the name has besides."""
    path = outputs.path("figure", desc=key, **dict(part.split("-", 1) for part in entities.split("_") if part))
    # without the date and the version of matplotlib, which would change the bytes
    return outputs.save(path, lambda temporary: figure.savefig(temporary, dpi=110, metadata={"Software": None}))
