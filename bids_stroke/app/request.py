"""One run of the app: what the command line asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bids_stroke.bids.sessions import Selection
from bids_stroke.core.settings import Execution, Settings


@dataclass(frozen=True)
class Request:
    """A checked command line."""

    level: str
    output_dir: Path
    selection: Selection
    settings: Settings
    execution: Execution
    model: Path | None = None
    outcome_given: bool = False
    """Whether ``--outcome`` or the settings file gave one, or the default holds."""
    dry_run: bool = False
    reports_only: bool = False
    """Pages and figures from what is there, at the level participant."""
    train_part: tuple[int, int] | None = None
    """k and n: at the level train, only the fits of part k of n."""
    validate_bids: bool = True
    cluster: bool = False
    """Whether jobs are handed to Slurm."""
    wait: bool = True
    """Whether to wait for them."""
    command: tuple[str, ...] = ()
    """The words behind the program's name, as they were given."""
