"""What a run that was ended leaves: folders for intermediate files, half-written files, units that seem to run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bids_stroke.app.preflight import WORK
from bids_stroke.core.processes import remove_abandoned
from bids_stroke.derivatives.names import dataset_file, folders_of_dataset
from bids_stroke.derivatives.outputs import Outputs, remove_temporary
from bids_stroke.derivatives.status import read_statuses, write_status_table, write_stopped


def tidy(output_dir: Path, work_dir: Path | None, why: str) -> None:
    """Remove what processes that are gone left, and let their units say that they were stopped.

    A later run on this machine would see as much. One in another container, or on another machine, could not tell.

    Parameters
    ----------
    output_dir, work_dir : Path, Path or None
        OUTPUT_DIR and ``--work-dir``; they need not be there.
    why : str
        A sentence for the status of the units.
    """
    remove_abandoned([work_dir or Path(tempfile.gettempdir())], WORK)
    unfinished = dataset_file(output_dir, "unfinished", name="*").relative_to(output_dir)
    folders = [*folders_of_dataset(output_dir), *output_dir.glob(unfinished.as_posix())]
    stopped = write_stopped(output_dir, why)
    for unit in stopped:
        folder = Outputs(output_dir, unit.subject, unit.session).folder
        folders += [path for path in (folder, *folder.glob("*")) if path.is_dir()]
    remove_temporary(folders)
    if stopped:
        write_status_table(output_dir, read_statuses(output_dir).units)
