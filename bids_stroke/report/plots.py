"""Plots of the group report and of training as SVG; the same numbers give the same bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bids_stroke.core.records import Prediction
from bids_stroke.evaluation.calibration import calibration_curve
from bids_stroke.evaluation.decisions import wilson

POOR_COLOUR, GOOD_COLOUR = "#b5541c", "#1f5a94"
BIN_SIZE = 8
"""Participants in a bin of the calibration plot, at least."""


def roc_plot(participants: pd.DataFrame) -> str:
    """Draw the ROC curve of the fused prediction, thin lines for members, dashed ones for baselines.

    Parameters
    ----------
    participants : DataFrame
        A row per participant: ``poor`` (0 or 1), ``probability_poor``, ``p_<member>`` and ``baseline_<name>`` (0 to 1;
        NaN where a member is missing).

    Returns
    -------
    str
        A ``data:`` address of an SVG file.
    """
    figure, ax = axes()
    ax.plot([0, 1], [0, 1], color="0.6", lw=0.8)
    columns = [str(name) for name in participants if str(name).startswith(("p_", "baseline_"))]
    for column in columns:
        baseline = column.startswith("baseline_")
        style = {"color": "#6b7680", "lw": 0.9, "ls": "--" if baseline else "-"}
        label = "a clinical baseline" if baseline else "a single member"
        known = label in ax.get_legend_handles_labels()[1]
        _roc(ax, participants.dropna(subset=[column]), column, {**style, "label": None if known else label})
    _roc(ax, participants, "probability_poor", {"color": "black", "lw": 2.2, "label": "fusion"})
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set_xlabel("1 − specificity: good outcomes called poor")
    ax.set_ylabel("recall: poor outcomes called poor")
    ax.legend(loc="lower right", frameon=False, fontsize=9)
    return svg_address(figure, "roc")


def _roc(ax: Axes, table: pd.DataFrame, column: str, style: dict[str, object]) -> None:
    from sklearn.metrics import roc_curve

    if table["poor"].nunique() == 2:
        false, true, _ = roc_curve(table["poor"], table[column], drop_intermediate=False)
        ax.plot(false, true, **style)  # type: ignore[arg-type]


def trend_plot(sessions: Sequence[tuple[str, Prediction]]) -> str:
    """Draw the probability of a poor outcome and its interval from session to session.

    Parameters
    ----------
    sessions : sequence of (str, Prediction)
        Label and prediction, in order.

    Returns
    -------
    str
        A ``data:`` address of an SVG file.
    """
    figure, ax = axes()
    at = np.arange(len(sessions))
    chances = np.array([prediction.probability_poor for _, prediction in sessions])
    for x, (_, prediction) in zip(at, sessions, strict=True):
        if prediction.probability_poor_interval is not None:
            ax.plot([x, x], prediction.probability_poor_interval, color="#8fb4d9", lw=7, solid_capstyle="butt")
    ax.plot(at, chances, "o-", color="black")
    ax.set(xlim=(-0.5, len(sessions) - 0.5), ylim=(-0.02, 1.02), xlabel="session")
    ax.set_xticks(at, [label for label, _ in sessions])
    ax.set_ylabel("probability of a poor outcome")
    return svg_address(figure, "trend")


def calibration_plot(participants: pd.DataFrame, told: str = "") -> str:
    """Draw the observed share of poor outcomes against the predicted probability, smoothed and in bins of equal size.

    Parameters
    ----------
    participants : DataFrame
        A row per participant: ``poor`` (0 or 1), ``probability_poor`` (0 to 1).
    told : str
        Lines that are written into the plot.

    Returns
    -------
    str
        A ``data:`` address of an SVG file. Bars are 95 % intervals (Wilson); a number is a bin's participants. The
        curve is that of `evaluation.calibration.calibration_curve`.
    """
    figure, ax = axes()
    ax.plot([0, 1], [0, 1], color="0.6", lw=0.8, label="ideal")
    poor, probability = (participants[name].to_numpy(float) for name in ("poor", "probability_poor"))
    if len(np.unique(probability)) > 1:
        ax.plot(*calibration_curve(poor, probability), color=GOOD_COLOUR, lw=1.8, label="smoothed")
    ordered = participants.sort_values("probability_poor", kind="stable")
    for members in np.array_split(np.arange(len(ordered)), max(1, min(10, len(ordered) // BIN_SIZE))):
        part = ordered.iloc[members]
        centre, share = part["probability_poor"].mean(), part["poor"].mean()
        ax.plot([centre, centre], wilson(int(part["poor"].sum()), len(part)), color="black", lw=1)
        ax.plot(centre, share, "o", color="black", ms=6)
        ax.annotate(f"{len(part)}", (centre, share), (6, 4), textcoords="offset points", fontsize=8)
    ax.text(0.99, 0.03, told, ha="right", va="bottom", fontsize=9, transform=ax.transAxes)
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set_xlabel("predicted probability of a poor outcome")
    ax.set_ylabel("observed share of poor outcomes")
    ax.legend(loc="upper left", frameon=False, fontsize=9)
    return svg_address(figure, "calibration")


def histogram_plot(probability: pd.Series[float], poor: pd.Series[float] | None) -> str:
    """Draw the distribution of the predicted probability; by outcome where that is known.

    Parameters
    ----------
    probability : Series
        (n,), 0 to 1 or NaN.
    poor : Series or None
        (n,), 1 for a poor outcome, 0 for a good one, NaN where it is not known; None if it is known of nobody.

    Returns
    -------
    str
        A ``data:`` address of an SVG file.
    """
    figure, ax = axes(3.0)
    edges = np.linspace(0, 1, 21)
    if poor is None:
        ax.hist(probability.dropna(), bins=edges.tolist(), color="0.6", edgecolor="white")
    else:
        groups = [probability[poor == 0].dropna(), probability[poor == 1].dropna()]
        labels = [f"good outcome ({len(groups[0])})", f"poor outcome ({len(groups[1])})"]
        colours = [GOOD_COLOUR, POOR_COLOUR]
        ax.hist(groups, bins=edges.tolist(), color=colours, label=labels, stacked=True, edgecolor="white")
        figure.legend(frameon=False, fontsize=9, ncols=2, loc="outside upper left")
    ax.axvline(0.5, color="0.3", ls=":", lw=1)
    ax.set(xlim=(0, 1))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("predicted probability of a poor outcome")
    ax.set_ylabel("examinations")
    return svg_address(figure, "histogram")


def curves_plot(curves: pd.DataFrame) -> str:
    """Draw the validation loss of each member by epoch: a line for each inner fold, dots where training took its epoch.

    Parameters
    ----------
    curves : DataFrame
        A row per epoch of each inner fold: ``member``, ``outer_fold``, ``inner_fold``, ``epoch``, ``loss`` and
        ``chosen`` (bool: training took this epoch).

    Returns
    -------
    str
        The text of an SVG file.
    """
    members = list(dict.fromkeys(curves["member"]))
    columns = min(3, max(1, len(members)))
    rows = max(1, -(-len(members) // columns))
    figure = Figure(figsize=(3.6 * columns, 2.7 * rows), layout="constrained")
    figure.suptitle(
        "Loss on people of the inner folds, on whom the network was not trained;\ndots: taken in each outer fold",
        fontsize=11,
    )
    for ax in figure.subplots(rows, columns, squeeze=False).flat[len(members) :]:
        ax.set_axis_off()
    for ax, member in zip(figure.axes, members, strict=False):
        ax.spines[["top", "right"]].set_visible(False)
        own = curves[curves["member"] == member]
        for _, line in own.groupby(["outer_fold", "inner_fold"]):
            ax.plot(line["epoch"], line["loss"], color=GOOD_COLOUR, lw=0.7, alpha=0.7)
        taken = own[own["chosen"]]
        ax.plot(taken["epoch"], taken["loss"], "o", color=POOR_COLOUR, ms=3.5)
        ax.set_title(str(member), fontsize=10)
        ax.set_xlabel("epoch, or step of the path of models", fontsize=8)
        ax.set_ylabel("loss", fontsize=8)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _svg_text(figure, "curves")


def axes(height: float = 4.3) -> tuple[Figure, Axes]:
    """A figure of the pages' width, with one pair of axes."""
    figure = Figure(figsize=(4.6, height), layout="constrained")
    ax = figure.subplots()
    ax.spines[["top", "right"]].set_visible(False)
    return figure, ax


def svg_address(figure: Figure, salt: str) -> str:
    """A figure as the ``data:`` address of an SVG file."""
    return "data:image/svg+xml;base64," + base64.b64encode(_svg_text(figure, salt).encode()).decode()


def _svg_text(figure: Figure, salt: str) -> str:
    """A figure as the text of an SVG file; with a fixed salt, because matplotlib's identifiers are random otherwise."""
    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": salt}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue().decode()
