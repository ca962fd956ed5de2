"""An evaluation on disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.outputs import write_json, write_table

if TYPE_CHECKING:
    import pandas as pd  # here: half a second that the import of the app can do without

    from bids_stroke.evaluation.evaluate import Evaluation

ALWAYS = ("metrics", "comparisons", "patterns")
WHERE_THERE = ("recalibration", "decision_curve", "thresholds", "characteristics", "subgroups")
"""Tables that are files of their own, as the evaluation's attributes are called; those that may have no rows."""
IN_JSON = (
    *ALWAYS, "validity", "recalibration", "thresholds", "confusion", "agreement", "characteristics", "subgroups",
    "worst", "left_out",
)  # fmt: skip


def write_evaluation(folder: Path, name: str, evaluation: Evaluation) -> None:
    """Write the tables of an evaluation, and a JSON file that has all of it but the decision curve.

    A table without rows is not written (recalibration: there are no new people), and one of an earlier run is removed.
    """
    path = partial(dataset_file, folder, name=name)
    for table in (*ALWAYS, *WHERE_THERE):
        rows = together(evaluation, table)
        if rows.empty and table in WHERE_THERE:
            path(table).unlink(missing_ok=True)
        else:
            write_table(path(table), rows)
    write_json(path("evaluation"), evaluation_json(evaluation))


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as it stands in its JSON file: NaN as null, one record per metric and comparison.

    Where there are several kinds of people, no number but those of people is of all: ``cohorts`` has each.
    """
    parts = evaluation.parts
    return {
        "outcome": evaluation.outcome,
        "positive_class": "poor",
        "n": sum(part.n for part in parts),
        "n_poor": sum(part.n_poor for part in parts),
        "permutation_p": evaluation.permutation_p if len(parts) == 1 else None,
        "cohorts": {part.people: _cohort_json(part) for part in parts},
        "procedure": dict(evaluation.procedure),
        "notes": list(dict.fromkeys(note for part in parts for note in part.notes)),
        "flow": _records(evaluation.flow),
        "separation": list(evaluation.separation),
        **{name: _records(together(evaluation, name)) for name in IN_JSON},
    }


def _cohort_json(part: Evaluation) -> dict[str, Any]:
    return {
        "n": part.n,
        "n_poor": part.n_poor,
        "permutation_p": part.permutation_p,
        "notes": list(part.notes),
        "people_needed": dict(part.needed),
    }


def together(evaluation: Evaluation, name: str) -> pd.DataFrame:
    """A table of an evaluation with the rows of each kind of people, and which kind that is, in the last column."""
    import pandas as pd

    tables = [(part.people, getattr(part, name)) for part in evaluation.parts]
    columns = dict.fromkeys(column for _, table in tables for column in table)
    rows = [row | {"cohort": people} for people, table in tables for row in table.to_dict("records")]
    return pd.DataFrame(rows, columns=[*columns, "cohort"])


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    import pandas as pd

    rows = table.to_dict("records")
    return [{str(key): None if pd.isna(value) else value for key, value in row.items()} for row in rows]
