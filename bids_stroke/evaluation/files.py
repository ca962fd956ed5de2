"""An evaluation on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bids_stroke.derivatives.outputs import write_json, write_table

if TYPE_CHECKING:
    from bids_stroke.evaluation.evaluate import Evaluation


def write_evaluation(folder: Path, name: str, evaluation: Evaluation) -> None:
    """``<name>_metrics.tsv``, ``_comparisons.tsv``, ``_patterns.tsv`` and ``_evaluation.json``, which has all of it."""
    from bids_stroke.evaluation.evaluate import evaluation_json

    write_table(folder / f"{name}_metrics.tsv", evaluation.metrics)
    write_table(folder / f"{name}_comparisons.tsv", evaluation.comparisons)
    write_table(folder / f"{name}_patterns.tsv", evaluation.patterns)
    write_json(folder / f"{name}_evaluation.json", evaluation_json(evaluation))
