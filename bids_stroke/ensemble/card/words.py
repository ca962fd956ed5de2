"""Numbers of a bundle's metadata as lines of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bids_stroke.ensemble.levels import LEVELS
from bids_stroke.features.summary import quantity

QUANTITIES = {
    "auc": "AUC", "balanced_accuracy": "balanced accuracy", "recall": "recall of poor outcomes",
    "precision": "precision of poor outcomes", "brier": "Brier score", "r2": "R² of the score",
    "mae": "mean absolute error of the score", "calibration_slope": "calibration slope (1 is ideal)",
    "calibration_intercept": "calibration intercept (0 is ideal)", "ici": "ICI (0 is ideal)",
    "decided": "share of people with a decision", "error_decided": "share of wrong decisions among these",
    "interval_coverage": "share of scores within their range (meant: .90)",
}  # fmt: skip
_COUNTED = {"age": "age", "sex": "sex", "days_since_stroke": "time since stroke"}


def measured(told: Mapping[str, Any]) -> list[str]:
    """Table of quantities with their intervals; nothing where there are none.

    Parameters
    ----------
    told : mapping
        ``participants``, ``poor``, ``quantities``: name -> value, and ends of its 95 % interval or None.
    """
    if not told:
        return []
    lines = [
        f"Fusion, on {told['participants']} people ({told['poor']} poor) whom the parts that judged them never saw."
    ]
    if not told["quantities"]:
        return [*lines, "They are too few for any figure."]
    lines += ["", "| | value | 95 % interval |", "|---|---|---|"]
    for name, (value, low, high) in told["quantities"].items():
        ends = "–" if low is None or high is None else f"{low:.3f} to {high:.3f}"
        lines.append(f"| {QUANTITIES.get(name, name)} | {value:.3f} | {ends} |")
    return lines


def known(told: Mapping[str, Any], ranges: Sequence[Mapping[str, Any]], people: int | None) -> list[str]:
    """Rows of the table of the population: sex, what is known of how many, and the numbers of the profile.

    Parameters
    ----------
    told : mapping
        From ``facts.population``.
    ranges : sequence of mapping
        Of the profile.
    people : int or None
        In all.
    """
    of_all = "" if people is None else f" of {people}"
    found = []
    if told.get("women") is not None:
        share = told["women"] / (told["women"] + told["men"])
        found.append(f"| women | {share:.0%} | | {told['women'] + told['men']}{of_all} |")
    there = {one["name"] for one in ranges}
    for name, number in told.get("known", {}).items():
        if name not in there and not (name == "sex" and told.get("women") is not None):
            found.append(f"| {_COUNTED.get(name, name)} | | | {number}{of_all} |")
    low, middle, high = (LEVELS.index(level) for level in (0.05, 0.5, 0.95))
    for one in ranges:
        what, quantiles = quantity(one["name"]), one["quantiles"]
        unit = f" ({what.unit})" if what.unit else ""
        ends = f"{quantiles[low]:g} to {quantiles[high]:g}"
        found.append(f"| {what.words}{unit} | {quantiles[middle]:g} | {ends} | {one['people']}{of_all} |")
    return found


def short(value: Any) -> str:
    """A fact in few words: mappings and lists in a line, numbers with four digits."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {short(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return " ".join(str(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
