"""Compare the packages of this environment with constraints.txt, or write that file from them.

``python .ci/pins.py`` prints each package that differs ("name: pinned -> installed") and ends with 1 if any does;
``python .ci/pins.py write`` makes the file anew. `make constraints`, `make test-newest` and CI call it.
"""

from __future__ import annotations

import platform
import re
import sys
from importlib.metadata import distributions
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints.txt"
NOT_PINNED = {"bids-stroke", "pip"}
"""The app itself, and what installs it."""
HEADER = """\
# The versions that are tested: `make` and the Dockerfile install by them (pip install --constraint).
# Made by `make constraints` from what pip install ".[test]" chose in a new environment ({made_on}).
# Not written by hand. On another platform pip uses the lines of the packages that it needs there, and passes over the
# rest: a constraint installs nothing by itself. CPU-only builds of torch (2.x+cpu) satisfy the line of torch.
"""


def canonical(name: str) -> str:
    """Name of a package as registries compare it: lower case, one hyphen for each run of ``-_.``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed() -> dict[str, str]:
    """Version of each package of this environment, by name, sorted."""
    found = {canonical(one.metadata["Name"]): one.version for one in distributions()}
    return {name: found[name] for name in sorted(found.keys() - NOT_PINNED)}


def pinned() -> dict[str, str]:
    """Version of each package in constraints.txt."""
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def write() -> None:
    """Make constraints.txt from this environment."""
    made_on = f"Python {'.'.join(platform.python_version_tuple()[:2])}, {platform.system()} {platform.machine()}"
    lines = [f"{name}=={version}\n" for name, version in installed().items()]
    CONSTRAINTS.write_text(HEADER.format(made_on=made_on) + "".join(lines))


def compare() -> int:
    """Print what differs; 1 if anything does."""
    before, now = pinned(), installed()
    differing = [name for name in sorted(before | now) if before.get(name) != now.get(name)]
    for name in differing:
        print(f"{name}: {before.get(name, 'not pinned')} -> {now.get(name, 'not installed')}")
    print(f"{len(differing)} of {len(before | now)} packages differ from constraints.txt (pinned -> installed)")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(write() if sys.argv[1:] == ["write"] else compare())
