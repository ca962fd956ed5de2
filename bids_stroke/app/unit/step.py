"""A preprocessing step of a unit, run once: its work folder, its mirroring, what comes of one that gives nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bids_stroke.app.failures import as_ours
from bids_stroke.app.plan import UnitTask
from bids_stroke.core.errors import BidsStrokeError, MissingModalityError
from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.preprocess.registry import Step, StepContext


def run_step(task: UnitTask, step: Step, earlier: Mapping[str, StepReport], outputs: Outputs) -> StepReport:
    """Run a step in a work folder of its own, with the reports of the steps that it builds on.

    Raises
    ------
    BidsStrokeError
        Whatever failed, as a user can act on it.
    """
    task.work_dir.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{task.session.prefix}_{step.name}_", dir=task.work_dir))
    try:
        return run_and_mirror(step, StepContext(task.session, outputs, task.settings, earlier, work))
    except MissingModalityError as error:
        return nothing(task, step, error)
    except Exception as error:  # named while the disk is still as full as the step saw it
        raise as_ours(error, places(task)) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def run_and_mirror(step: Step, context: StepContext) -> StepReport:
    """Run a preprocessing step; where ``lesion_side: normalise`` asks for it, mirror what it wrote in standard space.

    Raises
    ------
    DataError, MissingModalityError
        From `Step.run`.
    """
    report = step.run(context)
    if context.settings.lesion_side == "as-is":
        return report
    from bids_stroke.preprocess.hemisphere import normalise  # here, because it imports nibabel

    return normalise(context, report)


def places(task: UnitTask) -> dict[str, Path]:
    """Folders that are written, as the user calls them."""
    return {"OUTPUT_DIR": task.output_dir, "The work folder": task.work_dir}


def nothing(task: UnitTask, step: Step, error: BidsStrokeError) -> StepReport:
    """The report of a step of which nothing came: its modalities are missing."""
    modalities = sorted(set(step.modalities) & set(task.settings.modalities))
    return StepReport(missing=dict.fromkeys(modalities, error.reason), warnings=(str(error),))
