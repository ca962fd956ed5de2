"""``bids_stroke_tools``: what is not a level of the BIDS App."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bids_stroke import __version__
from bids_stroke.core.errors import BidsStrokeError, UsageError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bids_stroke_tools")
def command() -> None:
    """Tools around the BIDS App bids_stroke."""


@command.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--n-subjects", type=click.IntRange(min=1), default=6, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--resolution", default="coarse", show_default=True, help="coarse, example or full.")
@click.option("--lesion-weight", type=float, default=1.0, show_default=True, help="Effect of the tract's lesion load.")
@click.option("--age-weight", type=float, default=0.3, show_default=True, help="Effect of age.")
@click.option(
    "--coupling-weight", type=float, default=0.7, show_default=True, help="Effect of cortico-muscular coupling."
)
@click.option("--missing-rate", "missing", multiple=True, metavar="NAME=RATE", help="Like dwi=0.2; may be repeated.")
@click.option("--emg-layout", type=click.Choice(["eeg", "emg", "mixed"]), default="eeg", show_default=True)
@click.option(
    "--two-sessions", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Share of the people."
)
@click.option(
    "--example", is_flag=True, help="Write the example dataset of the repository; other options do not apply."
)
def simulate(out: Path, example: bool, missing: tuple[str, ...], **chosen: Any) -> None:
    """Write a synthetic BIDS cohort of stroke patients into the folder OUT."""
    from bids_stroke.simulate.cohort import simulate_cohort, simulate_example
    from bids_stroke.simulate.options import CohortOptions, Weights

    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty.", "Give a new folder.")
    if example:
        simulate_example(out, click.echo)
        return
    weights = Weights(**{key: chosen.pop(f"{name}_weight") for key, name in WEIGHTS.items()})
    options = CohortOptions(weights=weights, missing_rate=dict(_rate(item) for item in missing), **chosen)
    simulate_cohort(out, options, click.echo)


WEIGHTS = {"lesion_load": "lesion", "age": "age", "coupling": "coupling"}
"""Causes of the simulated outcome, and their option's name."""


def _rate(text: str) -> tuple[str, float]:
    name, _, rate = text.partition("=")
    try:
        return name, float(rate)
    except ValueError:
        raise UsageError(f"--missing-rate {text} is not NAME=RATE.", "Like --missing-rate dwi=0.2.") from None


@command.command()
def descriptor() -> None:
    """Print the Boutiques descriptor."""
    from bids_stroke.cli.boutiques import make_descriptor

    click.echo(json.dumps(make_descriptor(), indent=2))


@command.command()
def settings() -> None:
    """Print all settings with their defaults, as a file for --config."""
    from bids_stroke.core.settings import describe_settings

    click.echo(describe_settings())


@command.command()
@click.argument("bids_dir", type=click.Path(path_type=Path))
def labels(bids_dir: Path) -> None:
    """Print the participant labels of BIDS_DIR, one a line: the list for a job array."""
    from bids_stroke.bids.layout import Dataset
    from bids_stroke.bids.sessions import read_description

    read_description(bids_dir)
    for label in sorted(Dataset.open(bids_dir, "raw").subjects):
        click.echo(label)


@command.command()
@click.argument("output_dir", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One object a unit: unit, state, task, detail.")
def status(output_dir: Path, as_json: bool) -> None:
    """Print how the units of OUTPUT_DIR stand; of those in Slurm's queue by asking it once.

    pending, running, done, failed, or how Slurm ended it: OUT_OF_MEMORY, TIMEOUT, PREEMPTED, CANCELLED, NODE_FAIL.
    """
    from bids_stroke.app.cluster.status import in_lines, standings

    found = standings(output_dir.resolve())
    for line in [json.dumps([asdict(one) for one in found], indent=2)] if as_json else in_lines(found):
        click.echo(line)


@command.command("import-keras")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--covariates",
    default="age=85,sex=1,days_since_stroke=6368",
    show_default=True,
    metavar="NAME=DIVISOR,...",
    help="What age, sex and days since stroke are divided by.",
)
@click.option("--maps", multiple=True, metavar="FA,WM", help="Members; may be repeated.  [default: all six]")
@click.option(
    "--sex-1",
    "one_is",
    type=click.Choice(["male", "female"]),
    default="male",
    show_default=True,
    help="The sex that the networks' input 1 stands for (the release does not say).",
)
@click.option("--outcome", metavar="RULE", help="What counts as poor.  [default: motor_score<1, the study's classes]")
def import_keras(folder: Path, out: Path, covariates: str, **chosen: Any) -> None:
    """Make a model of the MICCAI 2025 study's weight files.

    FOLDER holds FA_MotorScore_weights.hdf5 and so on; OUT becomes a bundle for --model.
    """
    from bids_stroke.convert import miccai2025
    from bids_stroke.core.outcome import Outcome

    outcome = str(Outcome.parse(chosen["outcome"] or miccai2025.OUTCOME))
    options = miccai2025.ImportOptions(
        miccai2025.parse_maps(chosen["maps"]), miccai2025.parse_divisors(covariates), chosen["one_is"], outcome
    )
    bundle = miccai2025.import_keras(folder, out, options)
    click.echo(
        f"{out}: model {bundle.name} with {', '.join(entry.member.name for entry in bundle.members)}. It is not "
        "calibrated, and who it was trained on is not known: see docs/model_card.md there."
    )


@command.command("convert-txt")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("bids_dir", type=click.Path(path_type=Path))
@click.option("--subject", required=True, metavar="LABEL")
@click.option("--task", required=True, metavar="LABEL")
@click.option("--session", metavar="LABEL")
@click.option("--run", metavar="NUMBER")
@click.option("--rate", type=float, required=True, help="Sampling rate, Hz.")
@click.option("--unit", default="uV", show_default=True, help="Of all columns: V, mV, uV or nV.")
@click.option(
    "--channels",
    default="",
    metavar="NAME[:TYPE],...",
    help="One for each column, - to leave one out; 'published': the study's 22.  [default: the first row]",
)
@click.option("--mains", type=float, default=50.0, show_default=True, help="Mains frequency, Hz.")
@click.option("--reference", default="n/a", help="Site of the EEG's reference.")
def convert_txt(file: Path, bids_dir: Path, channels: str, **chosen: Any) -> None:
    """Write FILE, a table of EEG and EMG samples (a row a sample), as a recording into BIDS_DIR."""
    from bids_stroke.convert.text_recordings import convert_txt as convert
    from bids_stroke.convert.text_table import TxtOptions

    names = tuple(item.strip() for item in channels.split(",")) if channels else ()
    subject = chosen.pop("subject").removeprefix("sub-")
    path, notes = convert(file, bids_dir, TxtOptions(subject=subject, channels=names, **chosen))
    click.echo(str(path))
    for note in notes:
        click.echo(f"Look at this: {note}")


@command.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("output_dir", type=click.Path(path_type=Path))
@click.argument("new_model", type=click.Path(path_type=Path))
@click.option(
    "--method",
    type=click.Choice(["intercept", "slope"]),
    default="intercept",
    show_default=True,
    help="Learn a new level of the probabilities, or level and slope.",
)
def recalibrate(model: Path, output_dir: Path, new_model: Path, method: str) -> None:
    """Fit the probabilities of MODEL to the new people whom the level group has evaluated in OUTPUT_DIR.

    NEW_MODEL becomes a bundle for --model. Its networks are those of MODEL; the new people count as seen by it.
    """
    from bids_stroke.app.trained.recalibrate import recalibrate as write

    write(model, output_dir, new_model, method, click.echo)
    click.echo(f"{new_model}: see docs/model_card.md there.")


@command.group()
def model() -> None:
    """Look at a model bundle."""


@model.command()
@click.argument("folder", type=click.Path(path_type=Path))
def show(folder: Path) -> None:
    """Print what a bundle says of itself (its model card)."""
    from bids_stroke.ensemble.bundle import load_bundle

    load_bundle(folder)
    click.echo((folder / "docs" / "model_card.md").read_text())


@model.command()
@click.argument("folder", type=click.Path(path_type=Path))
def verify(folder: Path) -> None:
    """Check version, checksums and preprocessing of a bundle, and that its weights fit its networks."""
    from bids_stroke.ensemble.bundle import load_bundle, networks_of
    from bids_stroke.ensemble.weights import check_members

    bundle = load_bundle(folder)
    check_members(folder, [entry.member for entry in networks_of(bundle)])
    click.echo(f"{folder}: bundle {bundle.name} {bundle.version} is whole, sha256 {bundle.sha256}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point, with the messages and exit codes of the app."""
    try:
        sys.exit(command.main(args=arguments, prog_name="bids_stroke_tools", standalone_mode=False))
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except BidsStrokeError as error:
        click.echo(f"bids_stroke_tools: {error.message}\n{error.remedy}".strip(), err=True)
        sys.exit(error.exit_code)
