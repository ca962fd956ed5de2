"""Options that scripts for fMRIPrep, QSIPrep or MRIQC carry: read as they are meant there, and said.

Those that mean just what an option of ours means are in `cli.arguments.SYNONYMS`; these are converted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bids_stroke.core.errors import UsageError

_GB = {"k": 1e-6, "m": 1e-3, "g": 1.0, "t": 1e3}


def as_ours(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Convert ``nthreads``, ``mem`` and ``notrack``.

    Parameters
    ----------
    options : mapping
        Values by parameter, as click gives them; those three may be None.

    Returns
    -------
    options, notes : dict, list of str
        Without the three, and a sentence for each that was converted.

    Raises
    ------
    UsageError
        One of them beside the option of ours that it stands for, or memory that is no amount.
    """
    ours, notes = dict(options), []
    nthreads, mem, _ = (ours.pop(name, None) for name in ("nthreads", "mem", "notrack"))
    for theirs, value, own in (("--nthreads (--n-cpus)", nthreads, "nprocs"), ("--mem", mem, "mem_gb")):
        if value is not None and ours.get(own) is not None:
            option = f"--{own.replace('_', '-')}"
            raise UsageError(f"{theirs} and {option} are both given.", f"Give {option} alone.")
    if nthreads is not None:
        threads = min(ours["omp_nthreads"], nthreads)
        ours |= {"omp_nthreads": threads, "nprocs": nthreads // threads}
        notes.append(
            f"--nthreads {nthreads} is read as fMRIPrep does, as the threads of all units together: "
            f"--nprocs {ours['nprocs']} --omp-nthreads {threads}."
        )
    if mem is not None:
        ours["mem_gb"] = memory_gb(mem)
        unit = "" if mem.strip()[-1].isalpha() else " (a number without a unit is MB, as for fMRIPrep)"
        notes.append(f"--mem {mem} is read as --mem-gb {ours['mem_gb']:g}{unit}.")
    return ours, notes


def memory_gb(text: str) -> float:
    """GB of an amount like ``16G``, ``16000M`` or ``16000``, which is MB.

    For MRIQC a number alone is GB: numbers that would be less than 1 GB in MB are therefore refused, not guessed.

    >>> memory_gb("16000"), memory_gb("16GB")
    (16.0, 16.0)

    Raises
    ------
    UsageError
        It is no amount, or below 1 GB.
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([kmgt]?)b?", text.strip().lower())
    if found is None:
        raise UsageError(f"--mem {text} is no amount of memory.", "Like --mem 16G, or --mem-gb 16.")
    amount = float(found[1]) * _GB[found[2] or "m"]
    if amount < 1:
        raise UsageError(
            f"--mem {text} is {amount * 1000:g} MB (a number without a unit is MB, as for fMRIPrep and QSIPrep).",
            f"At least 1 GB is needed. If GB was meant, as for MRIQC: --mem-gb {found[1]}.",
        )
    return amount
