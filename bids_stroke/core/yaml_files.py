"""The YAML file of ``--config``: its mapping, or what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bids_stroke.core.errors import InputError, UsageError


class _Loader(yaml.SafeLoader):
    """YAML without keys that are there twice: of two sections of one name, PyYAML forgets the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        known = set[str]()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in known:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' is there twice", key.start_mark
                )
            known.add(str(key.value))
        return super().construct_mapping(node, deep)


def read_yaml(config: Path) -> dict[Any, Any]:
    """The mapping in a YAML file; empty for an empty file.

    Raises
    ------
    InputError
        The file cannot be read.
    UsageError
        It is not YAML, or no mapping.
    """
    try:
        values = yaml.load(config.read_text("utf-8-sig"), _Loader) or {}
    except OSError as error:
        raise InputError(f"--config {config} cannot be read: {error.strerror}.", "Check the path.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date or number that cannot be
        raise UsageError(f"--config {config} is not YAML: {error}.", "Correct the file.") from error
    if not isinstance(values, dict):
        raise UsageError(f"--config {config} holds no mapping of settings.", "Write 'key: value' lines.")
    return values
