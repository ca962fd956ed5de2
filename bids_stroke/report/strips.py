"""Strip plots of the quality numbers: a mark for each examination, small enough for thousands of them.

A plot is a few paths of SVG; what a mark stands for is told by the numbers beside them, which `strips.js` reads when
somebody points at the plot. Both places draw by the same sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

LEFT, RIGHT, FIRST, LAST = 10, 990, 4, 996
"""Ends of the scale, and the places of marks beyond it, on a plot 1000 wide."""
TOP, DEEP = 5, 30
"""The marks lie between 5 and 35 of 40, so that few hide each other."""
GOLDEN = 0.618034
"""Steps of this share, modulo 1, come back to no height twice, and are the same in every run."""
FAR = 10.0
"""Scaled median absolute deviations from the median at which the scale ends, where marks go on: one wild number would
press all others into one place."""


@dataclass(frozen=True)
class Number:
    """A quality number of one examination."""

    value: float
    shown: str
    """As a table has it, without its unit."""
    marked: bool
    """Whether somebody should look at it."""


@dataclass(frozen=True)
class Strip:
    """What the page needs of one plot.

    Attributes
    ----------
    label : str
        The quality number.
    unit : str
        Behind its values; may be empty.
    values : str
        By examination, with commas between; empty where one lacks it.
    low, high : str
        Ends of the scale as numbers, in the units of `values`.
    dots, marks : str
        Paths of SVG: a point without length for each examination, those to look at in the latter.
    usual : (int, int) or None
        Begin and width of the usual range on the plot.
    middle : int
        Place of the median.
    n, n_marked, n_beyond : int
        Examinations; those that are marked; those whose mark is at the edge because it is beyond the scale.
    """

    label: str
    unit: str
    values: str
    low: str
    high: str
    dots: str
    marks: str
    usual: tuple[int, int] | None
    middle: int
    n: int
    n_marked: int
    n_beyond: int


def strip(
    label: str, unit: str, numbers: Sequence[Number | None], usual: tuple[float | None, float | None]
) -> Strip | None:
    """Draw a plot; None where fewer than two examinations have the number.

    Parameters
    ----------
    label, unit : str
        Of the number.
    numbers : sequence of Number or None
        One for each examination.
    usual : (float or None, float or None)
        Ends of what is usual, in the units of the values.

    Examples
    --------
    >>> strip("motion", "mm", [Number(0.0, "0", False), None, Number(1.0, "1", True)], (None, 0.5)).dots
    'M10 5h0'
    """
    known = [item.value for item in numbers if item is not None and math.isfinite(item.value)]
    if len(known) < 2:
        return None
    low, high = _ends(known)
    points: dict[bool, list[str]] = {False: [], True: []}
    texts = []
    for place, item in enumerate(numbers):
        told = item is not None and math.isfinite(item.value)
        texts.append(item.shown if told and item is not None else "")
        if told and item is not None:
            points[item.marked].append(f"M{_x(item.value, low, high)} {_y(place)}h0")
    begin, end = ((_x(limit, low, high)) for limit in _limits(usual, low, high))
    return Strip(
        label, unit, ",".join(texts), f"{low:.6g}", f"{high:.6g}", "".join(points[False]), "".join(points[True]),
        (begin, end - begin) if usual != (None, None) and end > begin else None, _x(median(known), low, high),
        len(known), len(points[True]), sum(value < low or value > high for value in known),
    )  # fmt: skip


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Ends of the scale: of all values, unless some lie far from most."""
    middle = median(values)
    spread = 1.4826 * median(abs(value - middle) for value in values)
    low, high = min(values), max(values)
    if spread > 0:
        low, high = max(low, middle - FAR * spread), min(high, middle + FAR * spread)
    if low == high:
        return low - (abs(low) / 10 or 1.0), high + (abs(high) / 10 or 1.0)
    return low, high


def _limits(usual: tuple[float | None, float | None], low: float, high: float) -> tuple[float, float]:
    """The usual range, open ends put beyond those of the scale."""
    beyond = high - low
    return (low - beyond if usual[0] is None else usual[0]), (high + beyond if usual[1] is None else usual[1])


def _x(value: float, low: float, high: float) -> int:
    return round(min(max(LEFT + (RIGHT - LEFT) * (value - low) / (high - low), FIRST), LAST))


def _y(place: int) -> int:
    return round(TOP + DEEP * (place * GOLDEN % 1))
