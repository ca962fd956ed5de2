"""``python -m tests.fuzz --cases 2000 --seed 0``: run cases and print a table of those that failed."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import click

from tests.fuzz.kinds import KINDS, kind_of
from tests.fuzz.pool import run_cases


@click.command()
@click.option("--cases", type=click.IntRange(min=1), default=2000, show_default=True)
@click.option("--first", type=click.IntRange(min=0), default=0, show_default=True, help="Number of the first case.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--kind", type=click.Choice(sorted(KINDS)), help="Only cases of this kind.")
@click.option("--processes", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default=True)
@click.option("--said", is_flag=True, help="Print what the app said in each failure.")
@click.option("--table", type=click.Path(path_type=Path), help="Write every case into this TSV.")
def main(cases: int, first: int, seed: int, kind: str | None, processes: int, said: bool, table: Path | None) -> None:
    """Break inputs at random, run the app on them, and tell what must not be."""
    numbers = [number for number in range(first, first + cases) if kind in (None, kind_of(number))]
    codes: Counter[tuple[str, int | None]] = Counter()
    failed, seconds, rows = 0, 0.0, ["number\tkind\tcode\tseconds\tproblems\twhat"]
    for outcome in run_cases(numbers, seed, processes):
        codes[outcome.kind, outcome.code] += 1
        seconds += outcome.seconds
        rows.append(
            "\t".join(
                " ".join(str(item).split())
                for item in (
                    outcome.number,
                    outcome.kind,
                    outcome.code,
                    outcome.seconds,
                    "; ".join(outcome.problems),
                    outcome.what,
                )
            )
        )
        if outcome.problems:
            failed += 1
            print(
                f"{outcome.number}\t{outcome.kind}\t{outcome.code}\t{'; '.join(outcome.problems)}\t{outcome.what!r}",
                flush=True,
            )
            if said:
                print("    " + "\n    ".join(outcome.said.splitlines()[-6:]), flush=True)
    for name in KINDS:
        told = ", ".join(f"{code}: {count}" for (of, code), count in sorted(codes.items(), key=str) if of == name)
        print(f"{name:18}{told}")
    print(f"{failed} of {len(numbers)} cases failed; {seconds:.0f} s.")
    if table is not None:
        table.write_text("\n".join(rows) + "\n")
    raise SystemExit(min(failed, 1))


if __name__ == "__main__":
    main()
