"""The BIDS App: ``bids_stroke BIDS_DIR OUTPUT_DIR {participant|train|group} [OPTIONS]``.

Nothing heavy is imported before the arguments are understood: ``--help`` answers at once.
"""

from __future__ import annotations

import re
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bids_stroke import __version__
from bids_stroke.cli.aliases import as_ours
from bids_stroke.cli.arguments import Finite, Place, derivative_folders, train_part, without_prefix
from bids_stroke.cli.help import EPILOG, TEXT, BidsAppCommand
from bids_stroke.cli.supervise import STOPPED, work_in_child
from bids_stroke.cluster.slurm import check_here
from bids_stroke.core.errors import BidsStrokeError, UsageError
from bids_stroke.core.modalities import MODALITIES

if TYPE_CHECKING:
    from bids_stroke.app.request import Request
    from bids_stroke.bids.sessions import Selection

LEVELS = ("participant", "train", "group")


@dataclass(frozen=True)
class Called:
    """How the app was called."""

    is_program: bool
    """As a program, whose process is its own; not as a function of another one's."""
    words: tuple[str, ...]


@click.command(cls=BidsAppCommand, help=TEXT, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("bids_dir", type=Place())
@click.argument("output_dir", type=Place())
@click.argument("analysis_level", type=click.Choice(LEVELS))
@click.option("--participant-label", multiple=True, metavar="LABEL...", help="Only these subjects.")
@click.option("--session-label", multiple=True, metavar="LABEL...", help="Only these sessions.")
@click.option("--task-label", multiple=True, metavar="LABEL...",
              help="Tasks of BOLD, EEG and EMG. Without it: BOLD of task rest, EEG and EMG of every task.")  # fmt: skip
@click.option("--bids-filter-file", type=Place(), metavar="FILE",
              help="JSON that narrows what is read, query by query, as fMRIPrep's does.")  # fmt: skip
@click.option("--modalities", multiple=True, metavar="NAME...",
              show_default="whatever a subject has", help=f"Any of {' '.join(MODALITIES)}.")  # fmt: skip
@click.option("--derivatives", multiple=True, metavar="[NAME=]DIR...",
              help="Take preprocessed images, masks or maps from these datasets (docs/derivatives.md).")  # fmt: skip
@click.option("--bids-database-dir", type=Place(), metavar="DIR", help="Not needed any more; ignored.")
@click.option("--skip-bids-validation", is_flag=True, help="Do not run the BIDS validator first.")
@click.option("--dry-run", is_flag=True, help="Print what would be used, what is missing and why; write nothing.")
@click.option("--reports-only", is_flag=True,
              help="Pages and figures anew from what is in OUTPUT_DIR; compute nothing.")  # fmt: skip
@click.option("--model", type=Place(), metavar="DIR", show_default="the demonstration ensemble",
              help="Folder of the model that predicts.")  # fmt: skip
@click.option("--features-only", is_flag=True, help="Feature maps and their pages; no prediction.")
@click.option("--outcome", metavar="RULE", show_default="'fma_le<=17'",
              help="What counts as a poor outcome: a column of the tables and a limit, in quotes.")  # fmt: skip
@click.option("--config", type=Place(), metavar="FILE",
              help="YAML file of settings (docs/configuration.md); options win over it.")  # fmt: skip
@click.option("-w", "--work-dir", type=Place(), metavar="DIR", show_default="temporary",
              help="For intermediate files.")  # fmt: skip
@click.option("--nprocs", type=click.IntRange(min=1), metavar="N", show_default="by CPUs and memory",
              help="Units at a time.")  # fmt: skip
@click.option("--omp-nthreads", type=click.IntRange(1, 1024), metavar="N", default=1, show_default=True,
              help="Threads in each unit.")  # fmt: skip
@click.option("--mem-gb", type=Finite(min=1), metavar="GB", show_default="what is available",
              help="Memory for all units together, at 4 GB each, or for the training.")  # fmt: skip
@click.option("--device", metavar="NAME", default="auto", show_default=True,
              help="auto, cpu, cuda or cuda:N; cuda never falls back to the CPU.")  # fmt: skip
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), show_default="fp32", help="Of the networks.")
@click.option("--cluster", type=click.Choice(["none", "slurm"]), default="none", show_default=True,
              help="slurm: hand the work over as jobs, and wait for them (hpc/README.md).")  # fmt: skip
@click.option(
    "--no-wait", is_flag=True, help="With --cluster: do not wait; bids_stroke_tools status tells how it goes."
)
@click.option("--train-part", metavar="K/N",
              help="train: only the fits of part K of N; train itself then takes them (hpc/README.md).")  # fmt: skip
@click.option("--stop-on-first-crash", is_flag=True, help="Start no further units after one has failed.")
@click.option("--force", is_flag=True, help="Compute again what is up to date.")
@click.option("--seed", type=click.IntRange(0, 2_000_000_000), metavar="N", show_default="0",
              help="Of everything random.")  # fmt: skip
@click.option("-v", "--verbose", count=True, help="Twice (-vv): with the traceback of an error.")
@click.option("-q", "--quiet", is_flag=True, help="Only errors and the final table.")
@click.option("--nthreads", type=click.IntRange(min=1), hidden=True)
@click.option("--mem", hidden=True)
@click.option("--notrack", is_flag=True, hidden=True)
@click.version_option(__version__, prog_name="bids_stroke")
def command(**options: Any) -> None:
    """Run what the command line asks for, and exit."""
    options, notes = as_ours(options)
    for note in [] if options["quiet"] else notes:
        click.echo(note, err=True)
    if click.get_current_context().obj.is_program and not options["dry_run"]:
        work_in_child(partial(_tidy, options["output_dir"].resolve(), options["work_dir"]))
    request = _understand(options)
    from bids_stroke.app.run import run

    sys.exit(run(request))


def _understand(options: dict[str, Any]) -> Request:
    """Check what the words alone decide, cheapest first; then read the settings, whose library takes as long as all.

    Raises
    ------
    BidsStrokeError
        A word, folder or file of the command line cannot be obeyed.
    """
    _check_cluster(options)
    if options["reports_only"] and (options["analysis_level"] != "participant" or options["dry_run"]):
        raise UsageError("--reports-only is of the level participant, and not of --dry-run.", "Leave one of them out.")
    if options["features_only"] and (options["analysis_level"] != "participant" or options["model"] is not None):
        raise UsageError("--features-only is of the level participant, and without --model.", "Leave one of them out.")
    part = train_part(options["train_part"], options)
    selection = _selection(options)
    from bids_stroke.app.preflight import check_command_line

    output_dir, work_dir = options["output_dir"].resolve(), options["work_dir"]
    writes, elsewhere = not options["dry_run"], options["cluster"] != "none"
    device = "auto" if elsewhere and options["device"].startswith("cuda") else options["device"]  # the nodes' own GPUs
    check_command_line(selection, output_dir, device=device, work_dir=work_dir, writes=writes)
    from bids_stroke.app.model import FEATURES_ONLY
    from bids_stroke.app.request import Request
    from bids_stroke.core.outcome import Outcome
    from bids_stroke.core.settings import Execution, load_settings

    settings = load_settings(
        options["config"],
        modalities=selection.modalities if options["modalities"] else None,
        outcome=Outcome.parse(options["outcome"]) if options["outcome"] else None,
        precision=options["precision"],
        seed=options["seed"],
    )
    names = ("work_dir", "nprocs", "omp_nthreads", "mem_gb", "device", "stop_on_first_crash", "force")
    execution = Execution(
        **{name: options[name] for name in names}, verbosity=-1 if options["quiet"] else options["verbose"]
    )
    return Request(
        level=options["analysis_level"],
        output_dir=output_dir,
        selection=replace(selection, modalities=settings.modalities),
        settings=settings,
        execution=execution,
        model=FEATURES_ONLY if options["features_only"] else options["model"],
        outcome_given="outcome" in settings.model_fields_set,
        dry_run=options["dry_run"],
        reports_only=options["reports_only"],
        train_part=part,
        validate_bids=not options["skip_bids_validation"],
        cluster=elsewhere and not options["dry_run"],
        wait=not options["no_wait"],
        command=click.get_current_context().obj.words,
    )


def _check_cluster(options: Mapping[str, Any]) -> None:
    """UsageError for options that do not go together with ``--cluster``."""
    if options["cluster"] == "none":
        if options["no_wait"]:
            raise UsageError("--no-wait says nothing without --cluster slurm.", "Leave it out, or add that.")
        return
    for name in ("reports_only", "stop_on_first_crash", "train_part"):
        if options[name]:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} does not go with --cluster slurm.", "Leave one of them out.")
    if not options["dry_run"]:
        check_here()


def _selection(options: dict[str, Any]) -> Selection:
    """Which files the command line asks for; the settings may still name other modalities."""
    unknown = [name for name in options["modalities"] if name not in MODALITIES]
    if unknown:
        raise UsageError(f"--modalities: '{unknown[0]}' is not known.", f"Known: {' '.join(MODALITIES)}.")
    derivatives = derivative_folders(options["derivatives"])
    from bids_stroke.bids.filters import read_filter_file
    from bids_stroke.bids.sessions import Selection

    filter_file = options["bids_filter_file"]
    return Selection(
        bids_dir=options["bids_dir"].resolve(),
        participant_labels=without_prefix("sub-", options["participant_label"]),
        session_labels=without_prefix("ses-", options["session_label"]),
        task_labels=without_prefix("task-", options["task_label"]),
        filters=read_filter_file(filter_file) if filter_file else {},
        derivatives=derivatives,
        database_dir=options["bids_database_dir"],
        modalities=tuple(name for name in MODALITIES if name in options["modalities"]) or tuple(MODALITIES),
    )


def _tidy(output_dir: Path, work_dir: Path | None, why: str) -> None:
    """Clean up after a run that was ended, in the process that has only waited for it."""
    from bids_stroke.app.unit.left import tidy

    tidy(output_dir, work_dir, why)


def _terminated(number: int, _frame: object) -> None:
    """End as by Ctrl-C, with temporary files removed: so Slurm and ``docker stop`` ask for it."""
    signal.signal(number, signal.SIG_IGN)  # Slurm asks every process, and our parent hands it on: once is enough
    click.echo(STOPPED, err=True)
    raise SystemExit(128 + number)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: one message and the documented exit code for whatever goes wrong."""
    called = Called(arguments is None, tuple(sys.argv[1:] if arguments is None else arguments))
    arguments = list(called.words)
    flags = [argument for argument in arguments if re.fullmatch(r"-v+|--verbose", argument)]
    show_traceback = sum(1 if flag == "--verbose" else len(flag) - 1 for flag in flags) > 1
    signal.signal(signal.SIGTERM, _terminated)
    try:
        sys.exit(command.main(args=arguments, prog_name="bids_stroke", standalone_mode=False, obj=called))
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo(STOPPED, err=True)
        sys.exit(130)
    except click.UsageError as error:
        error.show()
        if "Missing argument" in error.format_message():
            click.echo("Positional arguments come first, options after them.", err=True)
        sys.exit(2)
    except Exception as error:
        from bids_stroke.app import failures

        if show_traceback:
            traceback.print_exc()
        ours = failures.as_ours(error, {})
        if type(ours) is not BidsStrokeError:
            click.echo(f"bids_stroke: {ours.message}\n{ours.remedy}".strip(), err=True)
            sys.exit(ours.exit_code)
        click.echo(f"bids_stroke: internal error: {type(error).__name__}: {error}", err=True)
        click.echo("Please report it with the output of the same command and -vv.", err=True)
        sys.exit(1)
