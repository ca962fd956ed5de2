"""Prediction rules that clinics already use, from columns of the tables: no scan is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from bids_stroke.bids.columns import Value
from bids_stroke.features.covariates import Values, covariate_values, first_score_name

COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "SAFE": ("safe", "safe_score", "safe_day3"),
        "MEP": ("mep", "mep_status", "mep_present"),
        "NIHSS on day 3": ("nihss_day3", "nihss_d3"),
        "knee extension (MRC)": ("knee_extension_mrc", "mrc_knee_extension"),
        "Berg Balance Scale": ("berg", "bbs", "berg_balance", "berg_balance_scale"),
        "trunk control test": ("tct", "trunk_control_test"),
        "hip extension (MRC)": ("hip_extension_mrc", "mrc_hip_extension"),
    }
)
"""What a rule needs -> columns that hold it, lower or upper case; beside them the age."""
HIGHEST: Mapping[str, float] = MappingProxyType(
    {
        "SAFE": 10, "MEP": 1, "NIHSS on day 3": 42, "knee extension (MRC)": 5, "Berg Balance Scale": 56,
        "trunk control test": 100, "hip extension (MRC)": 5,
    }
)  # fmt: skip
"""Of its scale, which begins at 0."""
_MEP_WORDS: Mapping[str, float] = MappingProxyType(
    dict.fromkeys(("present", "positive", "yes", "mep+", "+", "true"), 1.0)
    | dict.fromkeys(("absent", "negative", "no", "mep-", "-", "false"), 0.0)
)
OLD = 80.0
"""Years, from which on both groups' tools expect less."""


@dataclass(frozen=True)
class RuleResult:
    """What a rule says of a person.

    Attributes
    ----------
    rule : str
        Its name.
    about : str
        What it predicts.
    says : str
        Its prediction; empty where something is missing that it needs.
    used : mapping of str to float
        The values that it was made from.
    missing : tuple of str
        What is not in the tables, or not on its scale, and would be needed.
    source : str
        Where it was published.
    """

    rule: str
    about: str
    says: str
    used: Mapping[str, float]
    missing: tuple[str, ...]
    source: str


class _Asked:
    """Values that a rule asks for one after the other; a missing one ends it."""

    def __init__(self, known: Mapping[str, Value]) -> None:
        self.columns = {column.lower(): value for column, value in known.items()}
        self.age = float(covariate_values(known, ("age",))[0])
        self.used: dict[str, float] = {}

    def __call__(self, name: str) -> float:
        found = self.age if name == "age" else self.read(name)
        if not np.isfinite(found):
            raise _MissingError(name)
        self.used[name] = found
        return found

    def read(self, name: str) -> float:
        """A value on its scale; NaN where there is none."""
        for column in COLUMNS[name]:
            value = self.columns.get(column)
            if name == "MEP" and isinstance(value, str):
                value = _MEP_WORDS.get(value.strip().lower())
            if isinstance(value, float | int) and 0 <= value <= HIGHEST[name]:
                return float(value)
        return float("nan")


class _MissingError(Exception):
    """A value that a rule needs and the tables do not have."""


_PREP2 = ("excellent", "good", "limited", "poor")
_TWIST_2017 = ("walks independently by 6 weeks", "walks independently by 12 weeks", "walks with help at 12 weeks")
_TWIST_2022 = tuple(f"{points} of 4 points; more points, earlier independent walking" for points in range(5))


def _prep2(ask: _Asked) -> int:
    safe = ask("SAFE")
    if safe >= 8:
        return 0
    if safe >= 5:
        return 0 if ask("age") < OLD else 1
    if ask("MEP") > 0:
        return 1
    return 2 if ask("NIHSS on day 3") < 7 else 3


def _twist_2017(ask: _Asked) -> int:
    if ask("trunk control test") > 40:
        return 0
    return 1 if ask("hip extension (MRC)") >= 3 else 2


def _twist_2022(ask: _Asked) -> int:
    berg = ask("Berg Balance Scale")
    return (0 if berg < 6 else 1 if berg < 16 else 2) + int(ask("knee extension (MRC)") >= 3) + int(ask("age") < OLD)


@dataclass(frozen=True)
class _Rule:
    name: str
    about: str
    needs: tuple[str, ...]
    decide: Callable[[_Asked], int]
    """Gives which of ``says`` it is: the rank of a person."""
    says: tuple[str, ...]
    source: str

    @property
    def rank(self) -> str:
        """Name of the covariate that is the rank."""
        return self.name.lower().replace(" ", "_")


RULES = (
    _Rule(
        "PREP2", "use of the affected arm and hand at 3 months", ("SAFE", "MEP"), _prep2, _PREP2,
        "Stinear et al. 2017, Ann Clin Transl Neurol 4:811; SAFE within 3 days, MEP on days 3 to 7",
    ),
    _Rule(
        "TWIST 2017", "independent walking", ("trunk control test", "hip extension (MRC)"), _twist_2017, _TWIST_2017,
        "Smith et al. 2017, Neurorehabil Neural Repair 31:955; measured 1 week after the stroke",
    ),
    _Rule(
        "TWIST 2022", "independent walking by 4, 6, 9, 16 or 26 weeks", ("knee extension (MRC)", "Berg Balance Scale"),
        _twist_2022, _TWIST_2022,
        "Smith et al. 2022, Neurorehabil Neural Repair 36:461; measured 1 week after the stroke",
    ),
)  # fmt: skip
"""In this order on the page; one is told where the tables have any of what it needs beside the age."""
RANKS: Mapping[str, _Rule] = MappingProxyType({rule.rank: rule for rule in RULES})
"""Rules by the name of the covariate that a baseline reads, from 0: of PREP2 and TWIST 2017 a higher one is worse, of
TWIST 2022 they are its points."""


def values_of(known: Mapping[str, Value], names: Sequence[str]) -> Values:
    """Covariates and ranks of rules (`RANKS`) as numbers, NaN where they are missing or cannot be told.

    What a table calls like a rank is none.

    Parameters
    ----------
    known : mapping
        Column -> value, as for `clinical_rules`.
    names : sequence of str
        Of covariates (as for `covariate_values`) and ranks.
    """
    plain = covariate_values(known, names)
    ranks = [_rank(RANKS[name], known) if name in RANKS else value for name, value in zip(names, plain, strict=True)]
    return np.array(ranks, dtype=np.float64)


def _rank(rule: _Rule, known: Mapping[str, Value]) -> float:
    try:
        return float(rule.decide(_Asked(known)))
    except _MissingError:
        return np.nan


def baseline_columns(outcome_column: str) -> frozenset[str]:
    """Columns, in small letters, that are measured before an outcome to predict it: its first value, those of rules."""
    of_rules = {column for columns in COLUMNS.values() for column in columns}
    return frozenset({first_score_name(outcome_column).lower(), *of_rules} - {outcome_column.lower()})


def clinical_rules(known: Mapping[str, Value]) -> list[RuleResult]:
    """What each rule says of a person, of those that the tables have anything for.

    Parameters
    ----------
    known : mapping
        Column -> value of participants.tsv and sessions.tsv (`bids.phenotype.unit_covariates`).

    Notes
    -----
    PREP2: with a SAFE score of 8 or more, or of 5 or more below 80 years, excellent; of 5 to 7 from 80 years on, good;
    below 5 good with a motor evoked potential, else limited with an NIHSS below 7 and poor from 7 on. TWIST 2017:
    trunk control test above 40, else hip extension of MRC grade 3 or more. TWIST 2022: one point each for an age below
    80 and for knee extension of MRC grade 3 or more, none, one or two for a Berg Balance Scale below 6, of 6 to 15, or
    more; the only whole points that fit the paper's categories and its maximum of 4, whose tables of probabilities we
    do not have.
    """
    found = []
    for rule in RULES:
        ask = _Asked(known)
        if not any(np.isfinite(ask.read(name)) for name in rule.needs):
            continue
        missing: tuple[str, ...] = ()
        try:
            says = rule.says[rule.decide(ask)]
        except _MissingError as error:
            says, missing = "", (str(error),)
        found.append(RuleResult(rule.name, rule.about, says, ask.used, missing, rule.source))
    return found
