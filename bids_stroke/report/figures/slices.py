"""Axial slices of brain images, the radiological way round, with left and right marked on every slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import nibabel as nib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from numpy.typing import NDArray

ORIENTATION = "Radiological view: the patient's right is on the left of each picture (R)."
OPAQUE = 0.7
"""Of what is laid over an image, where it is highest."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outline:
    """Contour of an image (x, y, z) at one half: the edge of a mask, or of where a tissue is more likely than not."""

    image: nib.Nifti1Image
    colour: str
    label: str


@dataclass(frozen=True, eq=False)
class Panel:
    """One image (x, y, z), or (x, y, z, 3) of colours 0-255, shown as slices: label, units, grey or colour scale."""

    image: nib.Nifti1Image
    label: str
    units: str = ""
    limits: tuple[float, float] | None = None
    """Ends of the scale; the 2nd and 99th percentile of the non-zero voxels if None."""
    colours: str = "gray"
    factor: float = 1.0
    """Multiplies the values (1000 for mm^2/s shown as 10^-3 mm^2/s)."""
    bar: bool = True
    outlines: tuple[Outline, ...] = ()
    over: nib.Nifti1Image | None = None
    """Shares from 0 to 1 (x, y, z), laid over the image in colours, the stronger the higher; the bar is of these."""


@dataclass(frozen=True, eq=False)
class _Grid:
    """An image in RAS order with the coordinates of its voxel centres (mm) along each axis; colours have a fourth."""

    values: NDArray[Any]
    axes: tuple[Floats, Floats, Floats]

    def axial(self, height: float) -> Floats:
        """The slice nearest to a height (mm): (y, x) values, or (y, x, 3) colours; 0 where they are no numbers."""
        index = int(np.argmin(np.abs(self.axes[2] - height)))
        return np.nan_to_num(self.values[:, :, index].swapaxes(0, 1).astype(np.float64))

    @cached_property
    def filled(self) -> NDArray[np.bool_]:
        """Where the values are neither 0 nor NaN."""
        return np.asarray((self.values != 0) & ~np.isnan(self.values))


def _grid(image: nib.Nifti1Image) -> _Grid:
    """Read an image for display. An oblique one is shown along its own axes, unrotated."""
    canonical = nib.as_closest_canonical(image)
    zooms, origin = canonical.header.get_zooms()[:3], canonical.affine[:3, 3]
    shape = canonical.shape if _is_colour(canonical) else canonical.shape[:3]
    centres = [start + zoom * np.arange(n) for start, zoom, n in zip(origin, zooms, shape[:3], strict=True)]
    return _Grid(np.asarray(canonical.dataobj).reshape(shape), (centres[0], centres[1], centres[2]))


def _is_colour(image: nib.Nifti1Image) -> bool:
    """Whether an image holds red, green and blue (0-255) of each voxel along its last axis."""
    return len(image.shape) == 4 and image.shape[3] == 3


def slice_heights(image: nib.Nifti1Image, number: int, margin: float = 0.12) -> list[float]:
    """Heights of axial slices spread evenly over the part of an image that is not zero.

    Parameters
    ----------
    image : Nifti1Image
        (x, y, z), any units.
    number : int
        How many; fewer come back where the image has fewer slices.
    margin : float
        Share of the filled height that is left out at either end.

    Returns
    -------
    list of float
        World z coordinates (mm) of voxel centres, ascending; empty for an image of zeros.
    """
    grid = _grid(image)
    filled = grid.axes[2][np.any(grid.filled, axis=(0, 1))]
    if not len(filled):
        return []
    low, high = filled.min(), filled.max()
    wanted = np.linspace(low + margin * (high - low), high - margin * (high - low), number)
    nearest = {int(np.argmin(np.abs(grid.axes[2] - height))) for height in wanted}
    return [float(grid.axes[2][index]) for index in sorted(nearest)]


def draw_slices(
    title: str, panels: Sequence[Panel], heights: Sequence[float], frame: nib.Nifti1Image, rows_per_panel: int = 1
) -> Figure:
    """Draw images below one another, each as the same axial slices, with its colour bar and its outlines.

    Parameters
    ----------
    title : str
        What is shown.
    panels : sequence of Panel
        Images; they may lie on different grids of the same space.
    heights : sequence of float
        World z coordinates in mm.
    frame : Nifti1Image
        (x, y, z). The pictures are cropped to the box around its non-zero part.
    rows_per_panel : int
        Over how many rows the slices of a panel are spread.

    Returns
    -------
    Figure
        9 inches wide.
    """
    columns = -(-len(heights) // rows_per_panel)
    n_rows = rows_per_panel * len(panels)
    extent = _extent(_grid(frame))
    bars = any(panel.bar for panel in panels)
    width = (8.0 if bars else 8.55) / columns
    height = width * (extent[3] - extent[2]) / (extent[1] - extent[0])
    figure = Figure(figsize=(9, n_rows * height + 0.85), facecolor="white")
    top, bottom = 1 - 0.42 / figure.get_figheight(), 0.4 / figure.get_figheight()
    spec = figure.add_gridspec(
        n_rows, columns + bars, width_ratios=[*[width] * columns, *[0.14] * bars], wspace=0.03, hspace=0.08,
        left=0.035, right=0.93 if bars else 0.99, top=top, bottom=bottom,
    )  # fmt: skip
    figure.suptitle(title, x=0.035, ha="left", fontsize=11, y=1 - 0.1 / figure.get_figheight(), va="top")
    for number, panel in enumerate(panels):
        grid, limits = _grid(panel.image), _limits(panel)
        outlines = [(outline.colour, _grid(outline.image)) for outline in panel.outlines]
        over = _grid(panel.over) if panel.over is not None else None
        first = number * rows_per_panel
        axes = [figure.add_subplot(spec[first + i // columns, i % columns]) for i in range(len(heights))]
        for ax, z in zip(axes, heights, strict=True):
            shown = _draw_image(ax, panel, grid, z, limits)
            shown = shown if over is None else _draw_over(ax, over, z)
            _draw_marks(ax, outlines, z)
            ax.set(xlim=(extent[1], extent[0]), ylim=extent[2:])  # x reversed: radiological
        axes[0].set_ylabel(panel.label, fontsize=9)
        if panel.bar:
            bar = figure.colorbar(shown, cax=figure.add_subplot(spec[first : first + rows_per_panel, -1]))
            bar.set_label(panel.units, fontsize=8)
            bar.ax.tick_params(labelsize=7)
    _legend(figure, panels)
    return figure


def _box(grid: _Grid) -> tuple[float, float, float, float]:
    """Outer edges of the slices (mm)."""
    x, y, _ = grid.axes
    half = (abs(x[1] - x[0]) / 2, abs(y[1] - y[0]) / 2)
    return (x[0] - half[0], x[-1] + half[0], y[0] - half[1], y[-1] + half[1])


def _draw_over(ax: Axes, grid: _Grid, height: float) -> AxesImage:
    values = grid.axial(height)
    return ax.imshow(
        values, cmap="inferno", vmin=0.0, vmax=1.0, alpha=np.clip(OPAQUE * values, 0.0, OPAQUE), extent=_box(grid),
        origin="lower", interpolation="nearest",
    )  # fmt: skip


def _draw_image(ax: Axes, panel: Panel, grid: _Grid, height: float, limits: tuple[float, float]) -> AxesImage:
    box = _box(grid)
    ax.set_facecolor("black")
    values = grid.axial(height) * panel.factor
    if values.ndim == 3:
        return ax.imshow(np.clip(values / 255.0, 0.0, 1.0), extent=box, origin="lower", interpolation="nearest")
    if panel.colours != "gray":
        values = np.where(values == 0, np.nan, values)  # no value is left black: it is not a low value
    return ax.imshow(
        values, cmap=panel.colours, vmin=limits[0], vmax=limits[1], extent=box,
        origin="lower", interpolation="nearest",
    )  # fmt: skip


def _draw_marks(ax: Axes, outlines: Sequence[tuple[str, _Grid]], height: float) -> None:
    """Outlines, sides and height of a slice."""
    for colour, grid in outlines:
        plane = grid.axial(height)
        if plane.max() > 0.5 > plane.min():
            ax.contour(grid.axes[0], grid.axes[1], plane, levels=[0.5], colors=colour, linewidths=0.8)
    ax.set(xticks=[], yticks=[])
    corners = ((0.03, 0.97, "R", 10), (0.97, 0.97, "L", 10), (0.03, 0.03, f"z = {height:.0f} mm", 7))
    for x, y, text, size in corners:
        ax.text(
            x, y, text, color="white", fontsize=size, ha="left" if x < 0.5 else "right",
            va="top" if y > 0.5 else "bottom", transform=ax.transAxes,
            bbox={"facecolor": "black", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip


def _limits(panel: Panel) -> tuple[float, float]:
    if panel.limits is not None:
        return panel.limits
    values = np.asarray(panel.image.dataobj, dtype=float) * panel.factor
    inside = values[np.isfinite(values) & (values != 0)]
    if not inside.size:
        return (0.0, 1.0)
    low, high = np.percentile(inside, (2, 99))
    return (float(low), float(high if high > low else low + 1))


def _extent(grid: _Grid, margin: float = 6.0) -> tuple[float, float, float, float]:
    """Box (mm) around what is not zero, the same for all slices."""
    filled = grid.filled if grid.filled.any() else np.ones_like(grid.filled)
    sides = []
    for axis in (0, 1):
        seen = grid.axes[axis][np.any(filled, axis=tuple({0, 1, 2} - {axis}))]
        sides += [float(seen.min() - margin), float(seen.max() + margin)]
    return (sides[0], sides[1], sides[2], sides[3])


def _legend(figure: Figure, panels: Sequence[Panel]) -> None:
    lines = {outline.label: outline.colour for panel in panels for outline in panel.outlines}
    handles = [Line2D([], [], color=colour, label=label) for label, colour in lines.items()]
    if handles:
        figure.legend(handles=handles, loc="lower right", ncols=len(handles), fontsize=8, frameon=False)
    figure.text(0.035, 0.1 / figure.get_figheight(), ORIENTATION, fontsize=8, va="bottom")
