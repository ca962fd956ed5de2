"""Install what the app depends on, in the versions of the constraints file, without what an image does not need.

    python packages.py cpu|gpu CONSTRAINTS

pip has no way to leave out a dependency. So each round installs, without dependencies, what the packages that are there
ask for and do not have; the versions are those that a whole installation was tested with. At the end `pip check` must
find nothing but what was left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.metadata import distributions

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

LEFT_OUT = {"gpu": "triton", "cpu": "triton|cuda-.*|nvidia-.*"}
"""Packages by pattern: triton compiles kernels, which the app never asks for; the others are CUDA."""


def main(device: str, constraints: str) -> None:
    """Install round by round until nothing is missing."""
    settings = ConfigParser()
    settings.read("setup.cfg")
    wanted = [Requirement(line) for line in settings["options"]["install_requires"].split("\n") if line]
    while missing := sorted({needed.name for needed in needs(wanted) if not is_left_out(needed.name, device)}):
        pip = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--no-deps", "--constraint", constraints]
        subprocess.run([*pip, *missing], check=True)
    found = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True).stdout
    for line in found.splitlines():
        lacks = re.search(r" requires (\S+), which is not installed", line)
        if line != "No broken requirements found." and not (lacks and is_left_out(lacks[1], device)):
            raise SystemExit(line)


def is_left_out(name: str, device: str) -> bool:
    """Whether an image for that device does without a package."""
    return re.fullmatch(LEFT_OUT[device], canonicalize_name(name)) is not None


def needs(wanted: list[Requirement]) -> Iterator[Requirement]:
    """What is asked for, by the app or by a package that is there, and is not there."""
    there = {canonicalize_name(found.name): found.requires or [] for found in distributions()}
    waiting, seen = list(wanted), set[str]()
    while waiting:
        asked = waiting.pop()
        name = canonicalize_name(asked.name)
        if name not in there:
            yield asked
        elif str(asked) not in seen:
            seen.add(str(asked))
            waiting += [found for line in there[name] if applies(found := Requirement(line), asked.extras)]


def applies(requirement: Requirement, extras: set[str]) -> bool:
    """Whether a package asks for another one on this machine, with these extras of its own."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, ""))


if __name__ == "__main__":
    main(*sys.argv[1:])
