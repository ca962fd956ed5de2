"""How each unit ended: one file a unit, and the table of all."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from bids_stroke.core.records import UnitStatus
from bids_stroke.derivatives.names import DATASET_FILES, dataset_file
from bids_stroke.derivatives.outputs import write_json, write_table

STATUS_COLUMNS = (
    "subject", "session", "status", "reason", "seconds", "peak_memory_mb", "model_sha256", "detail"
)  # fmt: skip


def write_status(root: Path, status: UnitStatus) -> None:
    """How one unit ended, in a file of its own, so that parallel jobs do not touch each other's.

    A unit that was up to date keeps the numbers of the run that made it.
    """
    prefix = f"sub-{status.subject}" + (f"_ses-{status.session}" if status.session else "")
    path = dataset_file(root, "status", unit=prefix)
    if status.status != "skipped" or not path.is_file():
        write_json(path, asdict(status))


def write_status_table(root: Path) -> Path:
    """Write the table of all units from the status files of all units, of this and of earlier or parallel runs."""
    import pandas as pd

    rows = [asdict(status) for status in read_statuses(root)]
    return write_table(dataset_file(root, "status_table"), pd.DataFrame(rows, columns=list(STATUS_COLUMNS)))


def read_statuses(root: Path) -> list[UnitStatus]:
    """How each unit ended, of all runs into this folder, by unit."""
    paths = sorted(root.glob(DATASET_FILES["status"].format(unit="*")))
    return [UnitStatus(**json.loads(path.read_text())) for path in paths]
