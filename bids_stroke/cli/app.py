"""The BIDS App: ``bids_stroke BIDS_DIR OUTPUT_DIR {participant|train|group} [OPTIONS]``.

Nothing heavy is imported before the arguments are understood: ``--help`` answers at once.
"""

from __future__ import annotations

import math
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bids_stroke import __version__
from bids_stroke.core.errors import BidsStrokeError, InputError, UsageError
from bids_stroke.core.modalities import MODALITIES

if TYPE_CHECKING:
    from bids_stroke.app.request import Request
    from bids_stroke.bids.sessions import Selection

LEVELS = ("participant", "train", "group")
MANY = ("--participant-label", "--session-label", "--task-label", "--modalities", "--derivatives")
"""Options that take several values after them, as BIDS Apps do, or ``@file`` with one value a line."""
STOPPED = "Stopped. What is finished is kept; the same command goes on from there."


def expand_arguments(arguments: Sequence[str]) -> list[str]:
    """Rewrite BIDS App style into click's: ``--participant_label 01 02`` into two ``--participant-label``.

    Raises
    ------
    InputError
        An ``@file`` of labels that cannot be read.
    UsageError
        An option for several values without any.
    """
    expanded: list[str] = []
    many: str | None = None
    count = 0
    for argument in [*arguments, "--"]:
        is_option = argument.startswith("--") or re.fullmatch(r"-[A-Za-z].*", argument) is not None
        if is_option or many is None:
            if many is not None and count == 0:
                raise UsageError(f"{many} needs at least one value.", f"Like {many} VALUE [VALUE ...].")
            name, equals, value = argument.partition("=") if argument.startswith("--") else (argument, "", "")
            name = name.replace("_", "-") if argument.startswith("--") else name
            many = name if name in MANY and not equals else None
            count = 0
            if many is None:
                values = _values(value) if name in MANY else [value]
                if not values:
                    raise UsageError(f"{argument} names nothing.", "Put one value a line into the file.")
                expanded.extend(f"{name}{equals}{item}" for item in values)
        else:
            values = _values(argument)
            count += len(values)
            expanded.extend(f"{many}={item}" for item in values)
    return expanded[:-1]


def _values(text: str) -> list[str]:
    if not text.startswith("@"):
        return [text]
    try:
        return Path(text[1:]).read_text("utf-8-sig").split()
    except UnicodeDecodeError:
        raise InputError(f"The file of labels {text[1:]} is not UTF-8 text.", "Save it as UTF-8.") from None
    except OSError as error:
        raise InputError(
            f"The file of labels {text[1:]} cannot be read: {error.strerror}.", "Check the path."
        ) from None


def _labels(prefix: str, values: Sequence[str]) -> tuple[str, ...]:
    return tuple(value.removeprefix(prefix) for value in values)


def derivative_folders(values: Sequence[str]) -> dict[str, Path]:
    """``--derivatives NAME=DIR ...`` -> folder by name; UsageError for a value of another form."""
    found: dict[str, Path] = {}
    for value in values:
        name, equals, folder = value.partition("=")
        if not (name and equals and folder):
            raise UsageError(f"--derivatives {value} is not NAME=DIR.", "Like --derivatives lesions=/data/masks.")
        if name in found or name == "raw":
            reason = "is given twice" if name in found else "is the name of BIDS_DIR itself"
            raise UsageError(f"--derivatives: {name} {reason}.", "Give each folder a name of its own.")
        found[name] = Path(folder).resolve()
    return found


class _Command(click.Command):
    """A click command that understands the style of BIDS Apps and documents the exit codes."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Expand, then parse as click does."""
        return super().parse_args(ctx, expand_arguments(args))


class _Place(click.Path):
    """A path; an empty one, of a variable of a script that was never set, is not the current folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty path, convert others."""
        if not str(value).strip():
            self.fail("it is empty.", param, ctx)
        return super().convert(value, param, ctx)


class _Finite(click.FloatRange):
    """A number in a range: NaN is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse NaN and infinity, check others."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no number.", param, ctx)
        return number


EPILOG = """\b
Exit codes: 0 all done; 1 internal error; 2 usage; 16 not a BIDS dataset; 18 nothing selected;
65 some or all units failed; 66 an input is missing or unreadable; 73 output not writable.

Research use only: not a medical device, not for decisions about patients."""


@click.command(cls=_Command, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("bids_dir", type=_Place())
@click.argument("output_dir", type=_Place())
@click.argument("analysis_level", type=click.Choice(LEVELS))
@click.option("--participant-label", multiple=True, metavar="LABEL...", help="Only these subjects (or @file).")
@click.option("--session-label", multiple=True, metavar="LABEL...", help="Only these sessions (or @file).")
@click.option("--task-label", multiple=True, metavar="LABEL...",
              help="Tasks of BOLD, EEG and EMG. Without it: BOLD of task rest, EEG and EMG of every task.")  # fmt: skip
@click.option("--bids-filter-file", type=_Place(), help="JSON: query -> entities, as fMRIPrep's.")
@click.option("--modalities", multiple=True, metavar="NAME...",
              help=f"Any of {' '.join(MODALITIES)}. Default: whatever a subject has.")  # fmt: skip
@click.option("--derivatives", multiple=True, metavar="NAME=DIR...", help="Take masks or maps from these datasets.")
@click.option("--bids-database-dir", type=_Place(), help="Not needed any more; ignored.")
@click.option("--skip-bids-validation", is_flag=True, help="Do not run the BIDS validator first.")
@click.option("--dry-run", is_flag=True, help="Print what would be used, what is missing and why; write nothing.")
@click.option(
    "--model",
    type=_Place(),
    help="Model bundle, or none for features only. Default: the demonstration ensemble.",
)
@click.option("--outcome", metavar="EXPR", help="What counts as poor, column and rule. Default: 'fma_le<=17'.")
@click.option("--config", type=_Place(), help="YAML file of settings (docs/configuration.md).")
@click.option("-w", "--work-dir", type=_Place(), help="For intermediate files. Default: temporary.")
@click.option("--nprocs", type=click.IntRange(min=1), help="Units at a time. Default: by CPUs and memory.")
@click.option(
    "--omp-nthreads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Threads in each unit."
)
@click.option(
    "--mem-gb",
    type=_Finite(min=1),
    help="Memory for all units together, at 4 GB each, or for the training. Default: what is available.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N; cuda never falls back.")
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), help="Of the networks. Default: fp32.")
@click.option("--cluster", type=click.Choice(["none", "slurm"]), default="none", show_default=True,
              help="Where units run. slurm: see hpc/ for a job array; not yet started by the app.")  # fmt: skip
@click.option("--stop-on-first-crash", is_flag=True, help="Start no further units after one has failed.")
@click.option("--force", is_flag=True, help="Compute again what is up to date.")
@click.option("--seed", type=click.IntRange(0, 2_000_000_000), help="Of everything random. Default: 0.")
@click.option("-v", "--verbose", count=True, help="-vv: tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="Only errors and the final table.")
@click.version_option(__version__, prog_name="bids_stroke")
def command(**options: Any) -> None:
    r"""Feature maps and prediction of motor outcome after stroke from a BIDS dataset.

    \b
    participant  preprocess, predict with the model and report, for each subject (and session)
    train        fit and evaluate an ensemble on the features of this cohort
    group        gather predictions and, where outcomes are known, evaluate them

    Positional arguments come first, options after them.
    """
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
    if options["cluster"] == "slurm":
        raise UsageError("--cluster slurm is not in this version.", "Submit a job array: see hpc/README.md.")
    selection = _selection(options)
    from bids_stroke.app.preflight import check_command_line

    output_dir, work_dir = options["output_dir"].resolve(), options["work_dir"]
    device, writes = options["device"], not options["dry_run"]
    check_command_line(selection, output_dir, device=device, work_dir=work_dir, writes=writes)
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
        model=options["model"],
        outcome_given="outcome" in settings.model_fields_set,
        dry_run=options["dry_run"],
        validate_bids=not options["skip_bids_validation"],
    )


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
        participant_labels=_labels("sub-", options["participant_label"]),
        session_labels=_labels("ses-", options["session_label"]),
        task_labels=_labels("task-", options["task_label"]),
        filters=read_filter_file(filter_file) if filter_file else {},
        derivatives=derivatives,
        database_dir=options["bids_database_dir"],
        modalities=tuple(name for name in MODALITIES if name in options["modalities"]) or tuple(MODALITIES),
    )


def _terminated(number: int, _frame: object) -> None:
    """End as by Ctrl-C, with temporary files removed: so Slurm and ``docker stop`` ask for it."""
    click.echo(STOPPED, err=True)
    raise SystemExit(128 + number)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: one message and the documented exit code for whatever goes wrong."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    flags = [argument for argument in arguments if re.fullmatch(r"-v+|--verbose", argument)]
    show_traceback = sum(1 if flag == "--verbose" else len(flag) - 1 for flag in flags) > 1
    signal.signal(signal.SIGTERM, _terminated)
    try:
        sys.exit(command.main(args=arguments, prog_name="bids_stroke", standalone_mode=False))
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo(STOPPED, err=True)
        sys.exit(130)
    except click.UsageError as error:
        error.show()
        if "Missing argument" in error.format_message():
            click.echo("Positional arguments come first, options after them.", err=True)
        sys.exit(2)
    except Exception as error:
        from bids_stroke.app.failures import as_ours

        if show_traceback:
            traceback.print_exc()
        ours = as_ours(error, {})
        if type(ours) is not BidsStrokeError:
            click.echo(f"bids_stroke: {ours.message}\n{ours.remedy}".strip(), err=True)
            sys.exit(ours.exit_code)
        click.echo(f"bids_stroke: internal error: {type(error).__name__}: {error}", err=True)
        click.echo("Please report it with the output of the same command and -vv.", err=True)
        sys.exit(1)
