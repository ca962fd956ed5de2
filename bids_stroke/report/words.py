"""Codes and numbers in words that a reader of the reports understands, and the pages' templates."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

import bids_stroke
from bids_stroke.core.modalities import BIOMARKERS, CLINICAL, EARLY, MAPS, MODALITIES, NOT_MEASURED, given_by, record_of

PREDICTION = {
    "poor": "Poor outcome more likely",
    "good": "Good outcome more likely",
    "abstain": "No decision: the data do not tell the two outcomes apart",
}
STEP = {
    "anat": "T1-weighted image",
    "dwi": "Diffusion (DWI)",
    "bold": "BOLD (functional MRI)",
    MAPS: "Ready maps from other derivatives",
}
"""Preprocessing steps that are not called as the modalities that they give."""
REASON = {
    "not-fetched": "the content of its files is not here (DataLad, Git LFS)",
    "no-t1w": "there is no T1-weighted image",
    "no-dwi": "there is no diffusion scan",
    "no-bold": "there is no resting-state BOLD scan",
    "no-eeg": "there is no EEG or EMG recording",
    "no-lesion": "there is no lesion mask",
    "not-computed": "it could not be computed",
    "no-outcome": "the outcome is not known",
    "no-prediction": "there is no prediction",
    "in-training-set": "the person was in the model's training data",
    "too-few-directions": "the diffusion scan has too few directions for a tensor",
    "no-b0": "the diffusion scan has no b = 0 volume",
    "too-few-volumes": "the BOLD scan is too short",
    "recording-too-short": "the recording is shorter than one window",
    "no-brain-found": "no brain was found in the T1-weighted image",
    "empty-lesion-mask": "the lesion mask is empty",
    "lesion-below-threshold": "nothing of the lesion mask is above its threshold",
    "lesion-of-another-image": "the lesion mask was drawn on an image that is not there",
    "lesion-image-not-registered": "the image that the lesion mask was drawn on does not fit the T1w",
    "ambiguous-lesion-image": "the lesion mask may have been drawn on several images",
    "ambiguous-lesion-place": "the lesion mask's header contradicts the image that it was drawn on",
    "unknown-orientation": "the lesion mask's header does not say where it lies",
    "unknown-space": "the lesion mask is in a space that is not known",
    "another-template": "the lesion mask is in the space of another template",
    "another-space": "the lesion mask is in another space than the T1w",
    "run-too-short": "the BOLD scan is too short for its frequencies",
    "not-registered": "the image could not be brought into the standard space",
    "no-head": "no head was found in the image",
    "no-good-window": "no window of the recording was free of artefacts",
    "no-usable-channel": "no channel of the recording could be used",
    "covariates-missing": "the model needs age, sex or time since stroke, and not all are known",
    "biomarkers-missing": "most of the numbers that the model needs are not known",
    "channels-missing": "the recording lacks channels that the model needs",
    "no-t1w-registration": "there is no T1-weighted image to bring it into the standard space",
}
SCORES = {"fma_le": ("lower-limb Fugl-Meyer score (FMA-LE)", 0.0, 34.0)}
"""Outcome column -> name and ends of its scale."""
METRIC = {
    "accuracy": "Accuracy",
    "recall": "Recall",
    "f1": "F1",
    "precision": "Precision",
    "auc": "AUC",
    "balanced_accuracy": "Balanced accuracy",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "calibration_slope": "Calibration slope",
    "r2": "R²",
    "mae": "Mean absolute error",
}
VALIDITY = {
    "decided": "People with a decision",
    "error_decided": "Wrong decisions among these",
    "set_coverage": "The true outcome is among those held possible",
    "interval_coverage": "The true score lies in its interval",
    "interval_width": "Mean width of the interval, in the score's units",
    "calibration_slope": "Calibration slope (1 is ideal)",
    "calibration_intercept": "Calibration intercept (0 is ideal)",
    "ici": "Mean distance from the calibration curve (ICI, 0 is ideal)",
}
PEOPLE = {
    "all": "everybody",
    "poor": "poor outcome",
    "good": "good outcome",
    "lowest": "lowest third of predicted scores",
    "middle": "middle third",
    "highest": "highest third",
}
_SPELLED = {
    "n": "number of", "fa": "FA", "md": "MD", "rd": "RD", "ad": "AD", "gm": "grey matter", "wm": "white matter",
    "csf": "CSF", "snr": "signal-to-noise ratio", "dice": "Dice overlap with", "eeg": "EEG", "emg": "EMG", "t1w": "T1w",
    "alff": "ALFF", "reho": "ReHo", "dvars": "DVARS", "ica": "ICA", "db": "(dB)",
}  # fmt: skip
_UNITS = {"ml": "ml", "mm": "mm", "hz": "Hz", "db": "dB", "s": "s", "seconds": "s", "percent": "%", "uv": "µV"}


_COMPOUND = {"_s_mm2": "s/mm²", "_mm2_s": "mm²/s"}


def modality_in_words(name: str) -> str:
    """What a member reads, in words; a name that is no modality's stays as it is.

    >>> modality_in_words("fa")
    'fractional anisotropy (DWI)'
    """
    return record_of(name).words if name in (*MODALITIES, *NOT_MEASURED) else name


def samples_in_words(modality: str, number: int) -> str:
    """How much a member has read: ``2 slices``, ``1 volume``; of what is no modality, what it reads."""
    if modality in NOT_MEASURED:
        return {CLINICAL: "covariates", EARLY: "numbers of its parts", BIOMARKERS: "a row of numbers"}[modality]
    sample = MODALITIES[modality].sample if modality in MODALITIES else "volume"
    return f"{number} {sample}" + ("" if number == 1 else "s")


def step_in_words(name: str) -> str:
    """A preprocessing step, in words: its own, or those of the modalities that it gives.

    >>> step_in_words("dwi"), step_in_words("lesion")
    ('Diffusion (DWI)', 'Lesion mask')
    """
    text = STEP.get(name) or ", ".join(record_of(modality).words for modality in given_by(name))
    return text[0].upper() + text[1:] if text else name


def reason_in_words(reason: str) -> str:
    """A reason's code in words; sentences stay as they are.

    >>> reason_in_words("no-dwi")
    'there is no diffusion scan'
    """
    return REASON.get(reason, reason if " " in reason else reason.replace("-", " "))


def quantity_in_words(name: str) -> str:
    """The name of a quality number in words, its unit in brackets.

    >>> quantity_in_words("brain_volume_ml")
    'brain volume (ml)'
    """
    for ending, compound in _COMPOUND.items():
        if name.endswith(ending):
            return f"{quantity_in_words(name.removesuffix(ending))} ({compound})"
    parts = name.split("_")
    unit = _UNITS.get(parts[-1].lower()) if len(parts) > 1 else None
    spelled = " ".join(_SPELLED.get(part, part) for part in (parts[:-1] if unit else parts))
    return f"{spelled} ({unit})" if unit else spelled


def number(value: Any, digits: int = 2) -> str:
    """A number with so many decimals; a dash where there is no value.

    >>> number(0.5), number(None)
    ('0.50', '–')
    """
    return "–" if missing(value) else f"{float(value):.{digits}f}".replace("-", "−")


def significant(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, never as a power of ten if it is large; a dash where there is none.

    >>> significant(1234.56), significant(0.00071234, 3)
    ('1235', '0.000712')
    """
    if missing(value):
        return "–"
    return (f"{value:.0f}" if math.isfinite(value) and abs(value) >= 10**digits else f"{value:.{digits}g}").replace(
        "-", "−"
    )


def percent(value: Any, digits: int = 0) -> str:
    """A probability (0 to 1) as a percentage, by default a whole one; 0 and 100 only where it is exactly that.

    >>> percent(0.723), percent(0.996)
    ('72 %', '> 99 %')
    """
    if missing(value):
        return "–"
    if 0 < (share := float(value)) < 0.01:
        return "< 1 %"
    return "> 99 %" if 0.99 < share < 1 else f"{100 * share:.{digits}f} %"


def digits_apart(value: float, decided: tuple[float, float] | None) -> int:
    """Digits (at most 2) with which a probability is not written as a limit of the decision: 79.6 % below 80.4 %."""
    said = [[percent(each, n) for each in (value, *(decided or ()))] for n in (0, 1)]
    return min((n for n, (own, *limits) in enumerate(said) if own not in limits), default=2)


def sort_key(value: float | None) -> str:
    """A number as the tables of pages are sorted by it; empty where there is none.

    >>> sort_key(0.12345678), sort_key(None)
    ('0.123457', '')
    """
    return "" if value is None else f"{value:.6g}"


def p_value(value: Any, sign: str = "") -> str:
    """A p-value with three decimals, ``sign`` before an exact one; a dash where there is none.

    >>> p_value(0.041, "="), p_value(0.0004, "=")
    ('= 0.041', '< 0.001')
    """
    if missing(value):
        return "–"
    return "< 0.001" if float(value) < 0.001 else f"{sign} {float(value):.3f}".strip()


def interval(row: Mapping[Any, Any]) -> str:
    """The ends of an interval, ``low`` and ``high`` of a row, with two decimals; empty where it has neither.

    >>> interval({"low": 0.7, "high": 0.9})
    '0.70 to 0.90'
    """
    if missing(row["low"]) and missing(row["high"]):
        return ""
    return f"{number(row['low'])} to {number(row['high'])}"


def missing(value: Any) -> bool:
    """Whether a cell of a table holds nothing: None, NaN, empty or ``n/a``.

    >>> missing("n/a"), missing(0)
    (True, False)
    """
    return value is None or value == "" or value == "n/a" or (isinstance(value, float) and math.isnan(value))


def outcome_in_words(outcome: str) -> str:
    """The rule of a poor outcome in words; a rule that cannot be read stays as it is.

    >>> outcome_in_words("fma_le<=17")
    'lower-limb Fugl-Meyer score (FMA-LE) of 17 or less'
    """
    match = re.fullmatch(r"(\w+?)(<=|>=|<|>)(-?[\d.]+)", outcome.replace(" ", ""))
    if match is None:
        return outcome
    name = SCORES[match[1]][0] if match[1] in SCORES else match[1]
    ends = {"<=": f"of {match[3]} or less", ">=": f"of {match[3]} or more"}
    ends |= {"<": f"below {match[3]}", ">": f"above {match[3]}"}
    return f"{name} {ends[match[2]]}"


def score_scale(outcome: str) -> tuple[str, float | None]:
    """Name and maximum of the score in the rule of a poor outcome; the column's name and None of an unknown score.

    >>> score_scale("nihss>=5")
    ('nihss', None)
    """
    column = re.split(r"[<>]", outcome)[0].strip()
    name, _, highest = SCORES.get(column, (column, 0.0, None))
    return name, highest


def rule_in_words(decided: tuple[float, float], digits: int = 0) -> str:
    """When an outcome is decided, by the limits of the probability of a poor one.

    >>> rule_in_words((0.18, 1.0))
    'A good outcome is decided below 18 %, a poor one never; between is no decision.'
    """
    good = f"below {percent(decided[0], digits)}" if decided[0] > 0 else "never"
    poor = f"above {percent(decided[1], digits)}" if decided[1] < 1 else "never"
    if good == poor:
        return "Too few people were learned from for any decision."
    lines = " (black lines)" if "never" not in (good, poor) else ""
    return f"A good outcome is decided {good}, a poor one {poor}{lines}; between is no decision."


def render(template: str, **values: Any) -> str:
    """Fill in a page of ``templates/``; everything inserted is escaped, and a forgotten value is an error."""
    return _environment().get_template(template).render(version=bids_stroke.__version__, **values)


@cache
def _environment() -> jinja2.Environment:
    """Where templates come from: one for all pages, because to read them takes longer than to write a page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "reason": reason_in_words, "quantity": quantity_in_words, "number": number, "significant": significant,
        "percent": percent, "p_value": p_value, "interval": interval, "outcome": outcome_in_words,
        "rule": rule_in_words, "digits_apart": digits_apart, "key": sort_key,
    }  # fmt: skip
    return environment
