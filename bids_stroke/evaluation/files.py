"""An evaluation on disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.outputs import write_json, write_table

if TYPE_CHECKING:
    from bids_stroke.evaluation.evaluate import Evaluation


def write_evaluation(folder: Path, name: str, evaluation: Evaluation) -> None:
    """Write the tables of metrics, comparisons and patterns of an evaluation, and a JSON file that has all of it.

    Of new people there is a table of recalibrations too; one of an earlier run is removed where there are none.
    """
    from bids_stroke.evaluation.evaluate import evaluation_json, together

    path = partial(dataset_file, folder, name=name)
    for table in ("metrics", "comparisons", "patterns"):
        write_table(path(table), together(evaluation, table))
    if (recalibration := together(evaluation, "recalibration")).empty:
        path("recalibration").unlink(missing_ok=True)
    else:
        write_table(path("recalibration"), recalibration)
    write_json(path("evaluation"), evaluation_json(evaluation))
