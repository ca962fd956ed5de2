"""``--bids-filter-file``: which files of a query are taken, in the words of fMRIPrep's filter files and of pybids."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_stroke.bids.entities import entity_names
from bids_stroke.core.errors import InputError, UsageError
from bids_stroke.core.json_files import BAD_CONTENT, read_json_object
from bids_stroke.core.modalities import QUERIES

NONE, ANY, OPTIONAL = "without", "any", "with or without"
_QUERIES: Mapping[str, str] = {"none": NONE, "any": ANY, "required": ANY, "optional": OPTIONAL}
"""Members of pybids' ``Query``, as a JSON file names them: ``Query.NONE``, or ``<Query.NONE: 1>``."""


def read_filter_file(path: Path) -> dict[str, dict[str, Any]]:
    """``--bids-filter-file``: JSON of query -> entity -> value or list of values (as fMRIPrep's).

    ``null`` (or ``"Query.NONE"``) asks for files without the entity, ``"*"`` (``"Query.ANY"``, ``"Query.REQUIRED"``)
    for any value of it, ``"Query.OPTIONAL"`` for both.

    Raises
    ------
    InputError
        The file is not there.
    UsageError
        Not JSON, a query or entity that is not known, or a value that no file can have.
    """
    remedy = 'It must map queries to entities, like {"bold": {"run": "1"}}.'
    try:
        filters = read_json_object(path)
    except InputError as error:
        kind = UsageError if error.reason == BAD_CONTENT else InputError
        raise kind(f"--bids-filter-file {error.message}", remedy) from None
    if not all(isinstance(value, dict) for value in filters.values()):
        raise UsageError(f"--bids-filter-file {path} has a value that is no object.", remedy)
    for query, entities in filters.items():
        if query not in QUERIES:
            known = ", ".join(QUERIES)
            raise UsageError(f"--bids-filter-file {path}: unknown key '{query}'.", f"Known keys: {known}.")
        unknown = sorted(set(entities) - entity_names())
        if unknown:
            raise UsageError(f"--bids-filter-file {path}: unknown entity '{unknown[0]}' under '{query}'.",
                             "Use pybids names: session, task, acquisition, run, direction, ...")  # fmt: skip
        for entity, wanted in entities.items():
            if not _is_known(wanted):
                raise UsageError(
                    f"--bids-filter-file {path}: '{entity}' under '{query}' is {wanted!r}.",
                    'Give a text, a number, null (without it), "*" (any), or a list of these that is not empty.',
                )
    return filters


def why_filtered(filters: Mapping[str, Any], entities: Mapping[str, str]) -> str:
    """Why a file does not fit the filter of its query; empty where it does.

    Parameters
    ----------
    filters : mapping
        Entity -> what is wanted, from :func:`read_filter_file`.
    entities : mapping
        Of the file.

    Examples
    --------
    >>> why_filtered({"run": [None, 1]}, {"run": "01"}), why_filtered({"run": None}, {"run": "01"})
    ('', '--bids-filter-file asks for files without run')
    """
    for entity, wanted in filters.items():
        choices = wanted if isinstance(wanted, list) else [wanted]
        if not any(_fits(entities.get(entity), choice) for choice in choices):
            words = " or ".join(_in_words(entity, choice) for choice in choices)
            return f"--bids-filter-file asks for {words}"
    return ""


def _query(value: object) -> str:
    """What a value asks for other than a label; empty where it is a label."""
    if value is None:
        return NONE
    if not isinstance(value, str):
        return ""
    name = value.strip("<> ").split(":")[0].strip().casefold()
    return ANY if value == "*" else _QUERIES.get(name.removeprefix("query."), "") if name.startswith("query.") else ""


def _is_known(wanted: object) -> bool:
    choices = wanted if isinstance(wanted, list) else [wanted]
    return bool(choices) and all(
        choice is None
        or (isinstance(choice, int | float) and not isinstance(choice, bool))
        or (isinstance(choice, str) and bool(choice) and not (_named_query(choice) and not _query(choice)))
        for choice in choices
    )


def _named_query(value: str) -> bool:
    return value.strip("<> ").casefold().startswith("query.")


def _fits(label: str | None, wanted: object) -> bool:
    match _query(wanted):
        case "without":
            return label is None
        case "any":
            return label is not None
        case "with or without":
            return True
    text = f"{wanted:g}" if isinstance(wanted, float) else str(wanted)
    return label is not None and _same_label(label, text)


def _same_label(label: str, wanted: str) -> bool:
    """Labels equal as text, or as numbers (run-01 is run 1, and 1.0 in JSON)."""
    return label == wanted or (label.isdecimal() and wanted.isdecimal() and int(label) == int(wanted))


def _in_words(entity: str, wanted: object) -> str:
    match _query(wanted):
        case "without":
            return f"files without {entity}"
        case "any":
            return f"files with {entity}"
    return f"{entity} {wanted}"
