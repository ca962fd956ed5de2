"""What ``--help`` says, at 80 columns: what to type first, then the options by what they are about."""

from __future__ import annotations

import re
from types import MappingProxyType

import click

from bids_stroke.cli.arguments import expand_arguments

TEXT = """Feature maps and a prediction of motor outcome after stroke, from a BIDS dataset.

\b
participant  preprocess, predict with the model and report, for each subject
             (or each session of a subject); always the first
train        fit and evaluate an ensemble of your own on the features of this
             cohort and its outcomes
group        gather the predictions; evaluate them where outcomes are known

Positional arguments come first, options after them. Where an option takes "..." several values may follow it, or
@FILE, a text file with one value a line. Underscores and hyphens mean the same (--mem_gb, --mem-gb).

\b
bids_stroke DATA OUT participant --dry-run
bids_stroke DATA OUT participant --participant-label 01 02 --nprocs 2
bids_stroke DATA OUT group
"""
"""``\b`` alone on the first line of a paragraph keeps click from filling it."""

EPILOG = """\b
Exit codes:
   0  all done                        18  labels or filters select nothing
   1  internal error                  65  some or all units failed
   2  usage                           66  an input is missing or unreadable
  16  not a BIDS dataset              73  output or work folder not writable
 130  stopped by Ctrl-C              143  stopped by SIGTERM

A unit is a subject, or a session of a subject. Settings and what else there is to read: docs/ in the repository,
docs/configuration.md first.

Research use only: not a medical device, not for decisions about patients."""

SECTIONS = MappingProxyType({
    "What is read": (
        "participant_label", "session_label", "task_label", "bids_filter_file", "derivatives",
        "skip_bids_validation", "bids_database_dir",
    ),
    "What is computed": ("modalities", "model", "features_only", "outcome", "config", "precision", "seed", "force"),
    "How it runs": (
        "dry_run", "reports_only", "nprocs", "omp_nthreads", "mem_gb", "device", "work_dir", "cluster", "no_wait",
        "train_part", "stop_on_first_crash",
    ),
})  # fmt: skip
"""Heading -> parameters below it; all others come last."""


DEFAULT = re.compile(r"(?<=\[default: )\(([^)]+)\)")
"""Click puts defaults in words into brackets of their own."""


class BidsAppCommand(click.Command):
    """A click command that understands the style of BIDS Apps, and whose help is in sections."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Expand, then parse as click does."""
        return super().parse_args(ctx, expand_arguments(args))

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Arguments first, as they have to be given."""
        options, *arguments = super().collect_usage_pieces(ctx)
        return [*arguments, options]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options section by section, aligned over all of them."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = {str(option.name): option.get_help_record(ctx) for option in options}
        known = {name: record for name, record in records.items() if record is not None}
        others = tuple(name for name in known if not any(name in names for names in SECTIONS.values()))
        width = max(len(record[0]) for record in known.values())
        for heading, names in {**SECTIONS, "Other": others}.items():
            rows = [
                (known[name][0].ljust(width), DEFAULT.sub(r"\1", known[name][1])) for name in names if name in known
            ]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows, col_max=width)
