"""Plots of what decisions by the probability are worth, and of predicted scores, as SVG."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from bids_stroke.evaluation.decisions import TREAT_ALL, TREAT_NONE
from bids_stroke.report.plots import GOOD_COLOUR, POOR_COLOUR, axes, svg_address

GREY = "#6b7680"
_NAMES = {TREAT_ALL: "everybody called poor", TREAT_NONE: "nobody called poor"}
_STYLES: Mapping[str, dict[str, object]] = {
    "fusion": {"color": "black", "lw": 2.2},
    TREAT_ALL: {"color": "0.6", "lw": 1.0},
    TREAT_NONE: {"color": "0.6", "lw": 1.0, "ls": ":"},
}
_OF_BASELINES: tuple[dict[str, object], ...] = (
    {"color": GOOD_COLOUR, "lw": 1.2, "ls": "--"},
    {"color": POOR_COLOUR, "lw": 1.2, "ls": "-."},
)


def decision_curve_plot(curve: pd.DataFrame) -> str:
    """Draw net benefit against the threshold, that of the fusion with its 95 % interval.

    Parameters
    ----------
    curve : DataFrame
        From `evaluation.decisions.decision_curve`, with rows.

    Returns
    -------
    str
        A ``data:`` address of an SVG file.
    """
    figure, ax = axes()
    baselines = iter(_OF_BASELINES)
    for model, own in curve.groupby("model", sort=False):
        style = _STYLES.get(str(model)) or next(baselines)
        ax.plot(own["threshold"], own["net_benefit"], label=_NAMES.get(str(model), str(model)), **style)  # type: ignore[arg-type]
        if model == "fusion":
            ax.fill_between(own["threshold"], own["low"], own["high"], color="0.88", lw=0)
    highest = float(curve["n_poor"].iloc[0]) / float(curve["n"].iloc[0])
    ax.set(xlim=(0, 1), ylim=(-0.25 * highest, 1.25 * highest))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("threshold: probability from which one would act")
    ax.set_ylabel("net benefit")
    ax.legend(loc="upper right", frameon=False, fontsize=8)
    return svg_address(figure, "decisions")


def precision_recall_plot(participants: pd.DataFrame) -> str:
    """Draw precision against recall: the fusion, thin lines for members, dashed ones for baselines.

    Parameters
    ----------
    participants : DataFrame
        A row per participant: ``poor`` (0 or 1), ``probability_poor``, ``p_<member>`` and ``baseline_<name>`` (0 to 1;
        NaN where a member is missing). Both outcomes must be there.

    Returns
    -------
    str
        A ``data:`` address of an SVG file.
    """
    figure, ax = axes()
    share = float(participants["poor"].mean())
    ax.axhline(share, color="0.6", lw=0.8, label="chance")
    for column in (str(name) for name in participants if str(name).startswith(("p_", "baseline_"))):
        label = "a clinical baseline" if column.startswith("baseline_") else "a single member"
        known = label in ax.get_legend_handles_labels()[1]
        style = {"color": GREY, "lw": 0.9, "ls": "--" if column.startswith("baseline_") else "-"}
        _precision(ax, participants.dropna(subset=[column]), column, {**style, "label": None if known else label})
    _precision(ax, participants, "probability_poor", {"color": "black", "lw": 2.2, "label": "fusion"})
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03), aspect="equal")
    ax.set_xlabel("recall: poor outcomes called poor")
    ax.set_ylabel("precision: calls “poor” that came true")
    ax.legend(loc="lower left", frameon=False, fontsize=9)
    return svg_address(figure, "precision")


def _precision(ax: Axes, table: pd.DataFrame, column: str, style: dict[str, object]) -> None:
    from sklearn.metrics import precision_recall_curve

    if table["poor"].nunique() == 2:
        precision, recall, _ = precision_recall_curve(table["poor"], table[column], drop_intermediate=True)
        ax.plot(recall, precision, drawstyle="steps-post", **style)  # type: ignore[arg-type]


def score_plot(participants: pd.DataFrame) -> str:
    """Draw the predicted score against the true one, a dot a person.

    Parameters
    ----------
    participants : DataFrame
        A row per participant: ``poor`` (0 or 1), ``score`` and ``predicted_score``, none of them NaN.

    Returns
    -------
    str
        A ``data:`` address of an SVG file.
    """
    figure, ax = axes()
    both = participants[["score", "predicted_score"]].to_numpy(float)
    low, high = float(both.min()), float(both.max())
    room = 0.04 * max(high - low, 1e-9)
    ax.plot([low, high], [low, high], color="0.6", lw=0.8, label="ideal")
    _dots(ax, participants, participants["score"], participants["predicted_score"])
    ax.set(xlim=(low - room, high + room), ylim=(low - room, high + room), aspect="equal")
    ax.set_xlabel("true score")
    ax.set_ylabel("predicted score")
    ax.legend(loc="upper left", frameon=False, fontsize=9)
    return svg_address(figure, "scores")


def agreement_plot(participants: pd.DataFrame, limits: Mapping[str, float]) -> str:
    """Draw the difference of predicted and true score against their mean (Bland and Altman), a dot a person.

    Parameters
    ----------
    participants : DataFrame
        As for `score_plot`.
    limits : mapping
        ``bias``, ``lower_limit`` and ``upper_limit``, in the score's units.

    Returns
    -------
    str
        A ``data:`` address of an SVG file.
    """
    figure, ax = axes()
    difference = participants["predicted_score"] - participants["score"]
    middle = (participants["predicted_score"] + participants["score"]) / 2
    ax.axhline(0, color="0.6", lw=0.8)
    _dots(ax, participants, middle, difference)
    lines = (("upper_limit", "+1.96 SD", "--"), ("bias", "mean", "-"), ("lower_limit", "−1.96 SD", "--"))
    for name, label, style in lines:
        ax.axhline(limits[name], color="black", lw=1, ls=style)
        text = f"{label} {limits[name]:.1f}".replace("-", "−")
        where = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        white = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        ax.annotate(text, (1, limits[name]), (-2, 2), **where, ha="right", fontsize=8, bbox=white)  # type: ignore[arg-type]
    reach = 1.15 * float(np.abs([*difference, limits["lower_limit"], limits["upper_limit"]]).max())
    ax.set(ylim=(-reach, reach))
    ax.set_xlabel("mean of predicted and true score")
    ax.set_ylabel("predicted less true score")
    return svg_address(figure, "agreement")


def _dots(ax: Axes, participants: pd.DataFrame, x: pd.Series[float], y: pd.Series[float]) -> None:
    for outcome, colour, marker in ((0, GOOD_COLOUR, "o"), (1, POOR_COLOUR, "^")):
        who = participants["poor"] == outcome
        label = f"{'poor' if outcome else 'good'} outcome"
        ax.plot(x[who], y[who], marker, color=colour, ms=4, alpha=0.6, mew=0, label=label)
