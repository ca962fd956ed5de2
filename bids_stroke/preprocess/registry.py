"""The preprocessing steps in the order in which they run; each is ``run(context)`` in ``preprocess/<name>/step.py``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bids_stroke.core.modalities import BIOMARKERS, MAPS, given_by
from bids_stroke.core.records import BidsFile, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.outputs import Outputs

TELL_THE_SIDE = ("anat", "lesion")
"""Steps by whose files the affected hemisphere is known."""


@dataclass(frozen=True)
class StepContext:
    """All that a step may use.

    Steps import this class, and the settings, under ``if TYPE_CHECKING:``: neither computes anything, and what a step
    imports is part of its key. With an import of another kind, a line added below would make every step run again.
    What `outputs` does is part of every key without being imported.
    """

    session: Session
    outputs: Outputs
    settings: Settings
    earlier: Mapping[str, StepReport]
    """Reports of the steps named in ``after`` that ran for this unit. They may still run: who asks then waits."""
    work: Path
    """An empty folder for intermediate files, removed afterwards."""

    def files_of(self, step: str) -> Mapping[str, Path]:
        """Files of an earlier step by role; none where it did not run. To be asked for as late as may be."""
        return self.earlier[step].files if step in self.earlier else {}


@dataclass(frozen=True)
class Step:
    """One preprocessing step.

    Parameters
    ----------
    name : str
        Also the folder in ``bids_stroke.preprocess`` whose ``step.py`` holds ``run``.
    inputs : tuple of str
        Kinds of files that it reads, as `Session.files` knows them; without any of them the step does not run. The
        first is the one that is said to be missing (``no-t1w``).
    after : tuple of str
        Steps whose files it may use; when they change, this step runs again.
    settings : str
        Section of Settings that changes its results; empty if none does.
    gathers : bool
        Whether it makes something of what the steps in ``after`` gave, and reads no input files of its own: it runs
        where any of them does, and makes none of them run.
    """

    name: str
    inputs: tuple[str, ...]
    after: tuple[str, ...] = ()
    settings: str = ""
    gathers: bool = False

    @property
    def modalities(self) -> tuple[str, ...]:
        """What it can give, as the modalities' records say."""
        return given_by(self.name)

    @property
    def made_of(self) -> frozenset[str]:
        """The modalities that it gives, or that it makes something of."""
        if not self.gathers:
            return frozenset(self.modalities)
        return frozenset(name for step in self.after if step != MAPS for name in given_by(step))

    def files(self, session: Session) -> tuple[BidsFile, ...]:
        """Input files of this step in a session."""
        return tuple(item for kind in self.inputs for item in session.files(kind))

    def builds_on(self, settings: Settings) -> tuple[str, ...]:
        """``after``, and where the affected side decides what is written, the steps that tell it."""
        sided = settings.lesion_side == "normalise" and self.name not in TELL_THE_SIDE
        return tuple(dict.fromkeys((*self.after, *TELL_THE_SIDE))) if sided else self.after

    def run(self, context: StepContext) -> StepReport:
        """Import the step's module and run it.

        Raises
        ------
        DataError
            The data are broken: the unit fails.
        MissingModalityError
            Nothing can be computed from these data: the modalities are reported missing.
        """
        module = importlib.import_module(f"bids_stroke.preprocess.{self.name}.step")
        report: StepReport = module.run(context)
        return report


STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step("anat", inputs=("t1w", "ready_anat", "lesion"), settings="anat"),
        Step("lesion", inputs=("lesion",), after=("anat",), settings="anat"),
        Step("dwi", inputs=("dwi", "ready_dwi", "epi"), after=("anat", "lesion"), settings="dwi"),
        Step("bold", inputs=("bold",), after=("anat", "lesion"), settings="bold"),
        Step("eegemg", inputs=("eeg", "emg"), settings="eegemg"),
        Step(MAPS, inputs=("maps",), settings="anat"),
        Step(BIOMARKERS, inputs=(), after=("lesion", "dwi", "bold", "eegemg", MAPS), gathers=True),
    )
}
"""By name, in the order in which they run: of a modality that two steps give, the later one's files count."""
