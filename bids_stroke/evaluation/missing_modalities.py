"""How well the fused prediction does among people who lack the same modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_stroke.core.modalities import CLINICAL, MODALITIES
from bids_stroke.evaluation.bootstrap import Draws, too_few, undefined, with_intervals
from bids_stroke.evaluation.metrics import classification_metrics

SHOWN = ("auc", "balanced_accuracy", "brier")
COLUMNS = (
    "kind", "modalities", "n", "n_poor",
    *(f"{metric}{end}" for metric in SHOWN for end in ("", "_low", "_high")), "reason",
)  # fmt: skip
PRESENT, WITH, WITHOUT = "pattern", "with", "without"
"""Kinds of rows: exactly these modalities; everybody who has one; everybody who lacks it."""
NOTHING = "none"
"""What stands for the modalities of a person who has none: only members without a modality predicted."""


def pattern_table(people: pd.DataFrame, modality_of: Mapping[str, str], draws: Draws) -> pd.DataFrame:
    """Compute the metrics of the fused prediction among people who have the same modalities.

    Parameters
    ----------
    people : DataFrame
        A row per participant: ``poor`` (0 or 1), ``probability_poor`` (0 to 1), and ``p_<member>`` (0 to 1, NaN where
        a member is missing).
    modality_of : mapping
        Member -> modality; a member that is not named stands for itself.
    draws : Draws
        Number and seed of the bootstrap draws.

    Returns
    -------
    DataFrame
        A row per pattern, those of most people first, then two for each modality that some have and others lack:
        ``kind``, ``modalities`` (separated by spaces), ``n``, ``n_poor``, then each of SHOWN with its 95 % interval,
        and ``reason`` where these are NaN. Empty where no member's probabilities are given.

    Notes
    -----
    The same people are in several rows, and people who lack a modality differ from others also in other things: what
    a modality adds is told by the comparison of models on the same people, not by two rows of this table.
    """
    there = modalities_of(people, modality_of)
    if people.empty or not there:
        return pd.DataFrame(columns=list(COLUMNS))
    names = list(there)
    marks = np.stack([there[name] for name in names], axis=1)
    patterns = [" ".join(name for name, has in zip(names, row, strict=True) if has) or NOTHING for row in marks]
    by_size = pd.Series(patterns).value_counts().sort_index().sort_values(ascending=False, kind="stable")
    groups = [(PRESENT, str(text), np.array([item == text for item in patterns])) for text in by_size.index]
    for i, name in enumerate(names):
        if not marks[:, i].all():
            groups += [(WITH, name, marks[:, i]), (WITHOUT, name, ~marks[:, i])]
    rows = [_row(kind, text, people[which], draws) for kind, text, which in groups]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def modalities_of(rows: pd.DataFrame, modality_of: Mapping[str, str]) -> dict[str, NDArray[np.bool_]]:
    """Which rows have each modality, in the usual order: those that any of its members, ``p_<member>``, predicted."""
    found: dict[str, NDArray[np.bool_]] = {}
    for name in rows:
        member = str(name).removeprefix("p_")
        modality = modality_of.get(member, member)
        if str(name).startswith("p_") and modality != CLINICAL:
            present = rows[name].notna().to_numpy(bool)
            found[modality] = found.get(modality, np.zeros(len(rows), bool)) | present
    return {name: found[name] for name in _in_order(list(found))}


def _in_order(names: Sequence[str]) -> list[str]:
    order = {name: i for i, name in enumerate(MODALITIES)}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))


def _row(kind: str, modalities: str, people: pd.DataFrame, draws: Draws) -> dict[str, Any]:
    poor, probability = people["poor"].to_numpy(float), people["probability_poor"].to_numpy(float)
    reason = too_few(poor)
    if reason:
        found = dict.fromkeys(SHOWN, undefined(reason))
    else:
        found = with_intervals(
            lambda weights: classification_metrics(poor, probability, weights, slope=False), len(poor), draws
        )
    reasons = dict.fromkeys(found[metric]["reason"] for metric in SHOWN if found[metric]["reason"])
    row: dict[str, Any] = {"kind": kind, "modalities": modalities, "n": len(poor), "n_poor": int(poor.sum())}
    for metric in SHOWN:
        values = found[metric]
        row |= {metric: values["value"], f"{metric}_low": values["low"], f"{metric}_high": values["high"]}
    return row | {"reason": "; ".join(reasons)}
