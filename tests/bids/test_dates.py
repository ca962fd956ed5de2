"""What predicts and is dated after the outcome is refused, by name and person; what nobody dates is let be."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from bids_stroke.bids.dates import check_dates
from bids_stroke.bids.rows import Unit
from bids_stroke.core.errors import UsageError
from tests.helpers.bids import make_dataset

PEOPLE = ("01", "02", "03", "04", "05")


def check(root: Path, *columns: str, session: str | None = None) -> list[str]:
    return check_dates("fma_le", [(Unit(root, person, session), columns or ("fma_le_baseline",)) for person in PEOPLE])


def people(root: Path, header: str, first: str, other: str = "", **files: Any) -> Path:
    """A dataset whose participants.tsv has these cells (blanks are tabs) of the first person and of the others."""
    rows = [f"sub-{person} {first if person == '01' else other or first}" for person in PEOPLE]
    table = "\n".join([f"participant_id {header}", *rows]).replace(" ", "\t") + "\n"
    return make_dataset(root, {"participants.tsv": table, **files})


@pytest.mark.inputs(
    "A first score, or a column that a rule of the clinic needs, that is dated after the outcome is refused by `train` "
    "with its name and whose it is (`dated-after-outcome`)."
)
@pytest.mark.parametrize(
    ("header", "late", "fine"),
    [
        ("fma_le_baseline_date fma_le_date", "2024-05-02 2024-05-01", "2024-02-01 2024-05-01"),
        ("fma_le_baseline_date fma_le_date", "1850-05-02T08:00:00 1850-05-01", "1850-05-01T23:00:00 1850-05-01T07:00"),
        ("fma_le_baseline_days fma_le_days", "91 90", "5 90"),
        ("FMA_LE_baseline_day fma_le_days", "90.5 90", "90 90"),
    ],
    ids=["dates", "times of shifted dates", "days", "day and days"],
)
def test_what_is_dated_after_the_outcome_is_refused(tmp_path: Path, header: str, late: str, fine: str) -> None:
    who = r"in sub-01 \({} {}, outcome {} {}\): ".format(
        *itertools.chain(*zip(header.split(), late.split(), strict=True))
    )
    with pytest.raises(
        UsageError, match=f"The column fma_le_baseline is dated after the outcome fma_le {who}"
    ) as caught:
        check(people(tmp_path / "late", header, late, fine))
    assert (caught.value.reason, caught.value.exit_code) == ("dated-after-outcome", 2)
    assert "Take fma_le_baseline out of the tables" in caught.value.remedy
    assert check(people(tmp_path / "fine", header, fine)) == []
    assert check(tmp_path / "late", "berg") == []  # nobody uses the column that is late


def test_a_message_names_some_of_many(tmp_path: Path) -> None:
    root = people(tmp_path, "fma_le_baseline_days fma_le_days", "100 90")
    with pytest.raises(UsageError, match=r"sub-01 \(.*\), sub-02 \(.*\), sub-03 \([^)]*\) and 2 more: "):
        check(root)


@pytest.mark.inputs(
    "The date of a column `C` is what `C_date` (ISO dates) or `C_days` and `C_day` (days since stroke, or what `Units` "
    "say) of any table hold; dates are compared with dates and days with days, where both are known of a person."
)
def test_dates_are_looked_for_in_every_table_and_units_are_heeded(tmp_path: Path) -> None:
    phenotype = {"phenotype/motor.tsv": "participant_id\tfma_le\tfma_le_days\nsub-01\t20\t12\nsub-02\t20\t90\n"}
    apart = people(tmp_path / "apart", "fma_le_baseline fma_le_baseline_day", "10 14", **phenotype)
    with pytest.raises(UsageError, match=r"in sub-01 \(fma_le_baseline_day 14, outcome fma_le_days 12\): "):
        check(apart)
    weeks = {**phenotype, "phenotype/motor.json": {"fma_le_days": {"Units": "weeks"}}}
    assert check(people(tmp_path / "weeks", "fma_le_baseline fma_le_baseline_day", "10 14", **weeks)) == []
    kinds = people(tmp_path / "kinds", "fma_le_baseline_date fma_le_days", "2024-05-02 3")
    assert check(kinds) == []  # a date and a number of days cannot be compared


def test_the_dates_of_a_session_come_before_those_of_the_person(tmp_path: Path) -> None:
    table = "session_id\tfma_le_baseline_days\nses-a\t120\nses-b\tn/a\n"
    files = {"sub-01/sub-01_sessions.tsv": table}
    root = people(tmp_path, "fma_le_baseline_days fma_le_days", "5 90", **files)
    with pytest.raises(UsageError, match=r"in sub-01_ses-a \(fma_le_baseline_days 120, "):
        check(root, session="a")
    assert check(root, session="b") == []


@pytest.mark.inputs("A cell of such a column that is no date, or no number of days, is named and not compared.")
def test_what_is_no_date_is_named_and_not_compared(tmp_path: Path) -> None:
    root = people(tmp_path / "a", "fma_le_baseline_date fma_le_date", "02/05/2024 2024-05-01", "2023-02-30 2024-05-01")
    said = check(root)
    assert [text.split(" is ")[1].split(",")[0] for text in said] == ["'02/05/2024'", "'2023-02-30'"]
    assert all("no ISO date (YYYY-MM-DD)" in text for text in said)
    (text,) = check(people(tmp_path / "b", "fma_le_baseline_days fma_le_days", "soon 90", "5 90"))
    assert text.startswith("participants.tsv: fma_le_baseline_days is 'soon', which is no number of days")
    assert len(check(people(tmp_path / "c", "fma_le_baseline_days fma_le_days", "5 -99"))) == 1  # a code
    levels = {"participants.json": {"fma_le_days": {"Levels": {"-1": "not assessed"}}}}
    assert check(people(tmp_path / "d", "fma_le_baseline_days fma_le_days", "5 -1", "n/a 3", **levels)) == []
