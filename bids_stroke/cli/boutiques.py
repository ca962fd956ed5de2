"""The Boutiques descriptor, generated from the click command so that the two cannot differ."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import click

from bids_stroke import __version__
from bids_stroke.cli.app import command
from bids_stroke.cli.arguments import MANY
from bids_stroke.core.errors import InputError, NotBidsError, NothingSelectedError, OutputError
from bids_stroke.derivatives.names import DATASET_FILES

IDS = {"bids_dir": "InputDataset", "output_dir": "OutputLocation", "analysis_level": "AnalysisLevel",
       "participant_label": "SubjectLabel"}  # fmt: skip
"""Input ids of the BIDS execution specification (BEP 27) for our parameters."""

MOUNTED = MappingProxyType(
    {
        "bids_dir": "Folder of the BIDS dataset.",
        "output_dir": "Folder of the outputs.",
        "derivatives": "Datasets to take images, masks or maps from, without NAME=: each is called after its folder.",
        **dict.fromkeys(("bids_filter_file", "model", "config", "work_dir"), ""),
    }
)
"""Places, which bosh mounts into the container as they are typed File, with what the command line does not say of them.

It does so for folders and lists too, and only for this type; it refuses (99) what is not there.
"""
LINKS = "It must be there, and be given without links in its path (realpath): bosh mounts it at the path they lead to."
LABELS = " bosh mounts no @FILE outside of the current folder."
NOTES = MappingProxyType(
    {
        **dict.fromkeys(("participant_label", "session_label", "task_label"), LABELS),
        "device": " In a container bosh has to be given --container-opts '--gpus all'.",
    }
)
LEVEL = "participant first, then group; train makes a model."
LABEL_FILE = MappingProxyType(
    {
        "id": "participant_label_file",
        "name": "participant label file",
        "value-key": "[PARTICIPANT_LABEL_FILE]",
        "optional": True,
        "description": f"Only the subjects in this text file, one label a line. {LINKS}",
        "command-line-flag": "--participant-label",
        "command-line-flag-separator": "=@",
        "type": "File",
    }
)
"""``--participant-label=@FILE``, so that bosh mounts the file."""

EXIT_CODES = {
    1: "Internal error",
    2: "Usage error",
    NotBidsError.exit_code: "Not a BIDS dataset",
    NothingSelectedError.exit_code: "Labels or filters select nothing",
    65: "Some or all units failed",
    InputError.exit_code: "Required input missing or unreadable",
    OutputError.exit_code: "Output or work folder not writable, or on the container's own disk",
    130: "Stopped by Ctrl-C",
    137: "Killed, mostly for lack of memory",
    143: "Stopped by SIGTERM",
}
"""137 is no code of ours: so a shell, docker and bosh tell SIGKILL."""


def make_descriptor() -> dict[str, Any]:
    """Descriptor of schema 0.5 as a dictionary."""
    hidden = {item.name for item in command.params if isinstance(item, click.Option) and item.hidden}
    parameters = [item for item in command.params if item.name not in {"help", "version"} | hidden]
    inputs = [*(_input(parameter) for parameter in parameters), dict(LABEL_FILE)]
    return {
        "name": "bids_stroke",
        "tool-version": __version__,
        "schema-version": "0.5",
        "description": "BIDS App: feature maps and prediction of motor outcome after stroke. Research use only.",
        "author": "The bids_stroke developers",
        "command-line": " ".join(["bids_stroke", *(str(item["value-key"]) for item in inputs)]),
        "container-image": {
            "type": "docker",
            "image": f"bids_stroke:{__version__}",
            "index": "docker://",
            "entrypoint": True,
        },
        "inputs": inputs,
        "output-files": _outputs(),
        "error-codes": [{"code": code, "description": text} for code, text in EXIT_CODES.items()],
        "suggested-resources": {"cpu-cores": 2, "ram": 8, "walltime-estimate": 900},
        "tags": {"domain": ["neuroinformatics", "bids"]},
        "custom": {"BIDSAppSpecVersion": "0.1.0"},
    }


def _input(parameter: click.Parameter) -> dict[str, Any]:
    name = str(parameter.name)
    entry: dict[str, Any] = {
        "id": IDS.get(name, name),
        "name": name.replace("_", " "),
        "value-key": f"[{name.upper()}]",
        "optional": not parameter.required,
    }
    if isinstance(parameter, click.Option):
        flag = max(parameter.opts, key=len)
        default = f" Default: {parameter.show_default}." if isinstance(parameter.show_default, str) else ""
        entry |= {"description": f"{parameter.help or ''}{default}", "command-line-flag": flag}
        if flag in MANY:
            entry["list"] = True
    if name in MOUNTED:
        said = MOUNTED[name] or entry["description"]
        return entry | {"type": "File", "description": f"{said} {LINKS}"}
    entry |= {"description": entry.get("description", LEVEL) + NOTES.get(name, "")}
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return entry | {"type": "String", "value-choices": list(kind.choices)}
    if isinstance(parameter, click.Option) and (parameter.is_flag or parameter.count):
        return entry | {"type": "Flag"}
    if isinstance(kind, click.IntRange):
        return entry | {"type": "Number", "integer": True, "minimum": kind.min}
    if isinstance(kind, click.FloatRange):
        return entry | {"type": "Number", "minimum": kind.min}
    return entry | {"type": "String"}


def _outputs() -> list[dict[str, Any]]:
    return [
        {"id": "output_folder", "name": "Output folder", "path-template": "[OUTPUT_DIR]"},
        {
            "id": "participant_reports",
            "name": "Report of each subject",
            "path-template": f"[OUTPUT_DIR]/{DATASET_FILES['participant_report'].format(subject='*')}",
            "list": True,
            "optional": True,
        },
        {
            "id": "group_report",
            "name": "Group report",
            "path-template": f"[OUTPUT_DIR]/{DATASET_FILES['group_report']}",
            "optional": True,
        },
    ]
