"""Make an installed CUDA build of torch lighter: leave out what the app does not use (Dockerfile).

    python lighten.py gpu      no file stays that only compilers and profilers open
    python lighten.py cpu      nor any code for GPUs: stand-ins take the names of the CUDA libraries

PyPI has no CPU build of torch for x86_64. Its CUDA build names CUDA libraries that must be there when it is loaded,
though on a CPU it asks them nothing but whether there is a GPU. A stand-in has the name, and the functions in the
versions, that torch's own files ask for; each function answers that there is none, also on a host that has one.
Needs gcc and readelf; of a CPU build of torch there is nothing to replace.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

UNUSED = (
    "torch/include", "torch/share", "torch/bin/protoc*", "torch/lib/*.a",
    "nvidia/cu13/include", "nvidia/cu13/lib/*.a",
    "nvidia/cu13/lib/libnvperf_*", "nvidia/cu13/lib/libpcsamplingutil*", "nvidia/cu13/lib/libcheckpoint*",
    "nvidia/cu13/lib/libcusolverMg*", "nvidia/cu13/lib/*.alt.*", "nvidia/cu13/lib/libnvblas*",
    "nvidia/cu13/lib/libcufftw*", "nvidia/cu13/lib/libcufile_rdma*",
    *(f"{package}/**/tests" for package in ("matplotlib", "networkx", "nibabel", "numpy", "pandas", "scipy", "sympy")),
)  # fmt: skip
"""Headers, static libraries, parts of profilers, libraries that no other one names, tests of other packages."""
UNUSED_ON_A_CPU = ("torch/lib/libtorch_cuda_linalg.so",)
"""Opened when a GPU is asked for linear algebra."""
CUDA = re.compile(r"lib(cu|nv|nccl)(?!da\.so)")
"""Names of CUDA's libraries. That of the driver comes from the host, never from an image."""
SOURCE = """
static int number(void) { return 100; /* cudaErrorNoDevice */ }
static const char *words(void) { return "this image is for CPUs only"; }
"""


class Symbol(NamedTuple):
    """A name that a library offers or asks for, and its version ("" where it has none)."""

    name: str
    version: str
    is_asked_for: bool


def main(device: str) -> None:
    """Remove what is not used; for a CPU, put stand-ins beside torch's own libraries for those that are not there."""
    packages = Path(sysconfig.get_path("purelib"))
    for pattern in UNUSED + (UNUSED_ON_A_CPU if device == "cpu" else ()):
        for path in list(packages.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)  # it may have gone with a folder around it
    libraries = packages / "torch" / "lib"
    for library, functions in missing(packages).items():
        if device != "cpu":
            raise SystemExit(f"torch needs {library}, which is not there.")
        build(libraries / library, functions)
        print("stand-in:", library, len(functions), "functions")


def missing(packages: Path) -> dict[str, set[Symbol]]:
    """The CUDA libraries that torch and torchvision name and nobody brings, each with the functions it is asked for."""
    ours = sorted([*packages.glob("torch/lib/*.so"), *packages.glob("torchvision/*.so")])
    named: set[str] = set()
    versions: dict[str, set[str]] = defaultdict(set)
    for path in ours:
        named.update(re.findall(r"\(NEEDED\).*\[(.+)\]", readelf("--dynamic", path)))
        for library, lines in re.findall(r"File: (\S+) .*\n((?:.* Name: .*\n)+)", readelf("--version-info", path)):
            versions[library].update(re.findall(r" Name: (\S+)", lines))
    symbols = {symbol for path in ours for symbol in symbols_of(path)}
    offered = {symbol.name for symbol in symbols if not symbol.is_asked_for}
    wanted = {symbol for symbol in symbols if symbol.is_asked_for and symbol.name not in offered}
    there = {path.name for path in packages.rglob("*.so*")}
    return {
        library: {symbol for symbol in wanted if is_of(library, symbol, versions[library])}
        for library in sorted(named - there)
        if CUDA.match(library)
    }


def is_of(library: str, symbol: Symbol, versions: set[str]) -> bool:
    """Whether a function is that library's: by its version; where that library has none, by how the name begins."""
    if versions:
        return symbol.version in versions
    return not symbol.version and symbol.name.lower().startswith(library.removeprefix("lib").partition(".")[0].lower())


def symbols_of(path: Path) -> Iterator[Symbol]:
    """What a library offers others, and must find in others."""
    for line in readelf("--dyn-syms", path).splitlines():
        words = line.split()
        if len(words) >= 8 and words[4] == "GLOBAL":
            name, _, version = words[7].replace("@@", "@").partition("@")
            yield Symbol(name, version, words[6] == "UND")


def build(path: Path, functions: set[Symbol]) -> None:
    """Compile a stand-in."""
    by_version = defaultdict(list)
    lines = [SOURCE]
    for symbol in sorted(functions):
        by_version[symbol.version].append(symbol.name)
        kind, answer = ("const char *", "words") if re.search("String|ErrorName", symbol.name) else ("int ", "number")
        lines.append(f'{kind}{symbol.name}(void) __attribute__((alias("{answer}")));\n')
    script = "".join(f"{version} {{ global: {'; '.join(names)}; }};\n" for version, names in by_version.items())
    with tempfile.TemporaryDirectory() as folder:
        source, versions = Path(folder, "stand_in.c"), Path(folder, "versions")
        source.write_text("".join(lines))
        versions.write_text(script)
        command = ["gcc", "-shared", "-fPIC", "-s", f"-Wl,-soname,{path.name}", "-o", str(path), str(source)]
        if script:  # of some libraries torch asks for nothing but that they are there
            command.append(f"-Wl,--version-script={versions}")
        subprocess.run(command, check=True)


def readelf(what: str, path: Path) -> str:
    """What binutils tell of a library."""
    return subprocess.run(["readelf", "--wide", what, path], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main(sys.argv[1])
