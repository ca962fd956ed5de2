"""Options of other BIDS Apps: what they mean there, or a refusal; never silently something else."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from bids_stroke.cli.aliases import as_ours, memory_gb
from bids_stroke.cli.app import command, main
from bids_stroke.cli.arguments import SYNONYMS, expand_arguments
from bids_stroke.core.errors import UsageError
from tests.conftest import ROOT
from tests.helpers.bids import make_dataset


def given(**options: object) -> dict[str, object]:
    return {
        "nprocs": None,
        "omp_nthreads": 1,
        "mem_gb": None,
        "nthreads": None,
        "mem": None,
        "notrack": False,
    } | options


@pytest.mark.parametrize(
    ("options", "nprocs", "threads"),
    [
        ({"nthreads": 8}, 8, 1),
        ({"nthreads": 8, "omp_nthreads": 4}, 2, 4),
        ({"nthreads": 7, "omp_nthreads": 4}, 1, 4),
        ({"nthreads": 2, "omp_nthreads": 8}, 1, 2),
    ],
)
def test_threads_of_all_units_together_are_never_more_than_asked(
    options: dict[str, int], nprocs: int, threads: int
) -> None:
    ours, (note,) = as_ours(given(**options))
    assert (ours["nprocs"], ours["omp_nthreads"]) == (nprocs, threads)
    assert f"--nprocs {nprocs} --omp-nthreads {threads}" in note
    assert not {"nthreads", "mem", "notrack"} & ours.keys()


@pytest.mark.parametrize(
    ("text", "gb"), [("16000", 16), ("16G", 16), ("16gb", 16), ("1500M", 1.5), ("2T", 2000), ("8000 MB", 8)]
)
def test_memory_is_mb_unless_it_has_a_unit(text: str, gb: float) -> None:
    assert memory_gb(text) == pytest.approx(gb)
    ours, (note,) = as_ours(given(mem=text))
    assert ours["mem_gb"] == pytest.approx(gb)
    assert f"--mem-gb {gb:g}" in note
    assert ("is MB" in note) == text.isdigit()


def test_a_number_that_may_be_meant_as_gb_is_refused_with_what_to_give() -> None:
    with pytest.raises(UsageError, match="is 16 MB") as caught:
        memory_gb("16")
    assert "--mem-gb 16." in caught.value.remedy
    for text in ("", "much", "-3G", "nan", "1e9"):
        with pytest.raises(UsageError, match="no amount"):
            memory_gb(text)


@pytest.mark.parametrize("options", [{"nthreads": 2, "nprocs": 2}, {"mem": "8G", "mem_gb": 8.0}])
def test_both_names_at_once_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="both given"):
        as_ours(given(**options))


def test_nothing_is_said_of_a_command_line_without_them() -> None:
    assert as_ours(given())[1] == as_ours(given(notrack=True))[1] == []


def test_synonyms_and_commas() -> None:
    words = ["--random_seed", "3", "--n_cpus=4", "--mem_mb", "8000", "--modalities", "fa,md", "gm", "--task-id", "leg"]
    expanded = ["--seed", "3", "--nthreads=4", "--mem", "8000", "--modalities=fa", "--modalities=md", "--modalities=gm"]
    assert expand_arguments(words) == [*expanded, "--task-label=leg"]
    assert expand_arguments(["--modalities=fa,md"]) == ["--modalities=fa", "--modalities=md"]
    assert expand_arguments(["--participant-label", "01,02"]) == ["--participant-label=01,02"]


def test_a_script_for_another_app_runs_and_is_told_what_was_understood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = make_dataset(tmp_path / "raw", {"sub-01/anat/sub-01_T1w.nii.gz": None})
    words = "--nthreads 4 --omp-nthreads 2 --mem 8000 --random-seed 1 --notrack --modalities gm,wm --dry-run"
    with pytest.raises(SystemExit) as stop:
        main([str(raw), str(tmp_path / "out"), "participant", *words.split()])
    assert stop.value.code == 0
    err = capsys.readouterr().err
    assert "--nprocs 2 --omp-nthreads 2" in err and "--mem-gb 8 " in err


def test_they_are_documented_but_neither_in_help_nor_in_the_descriptor() -> None:
    hidden = [f"--{item.name}" for item in command.params if isinstance(item, click.Option) and item.hidden]
    assert sorted(hidden) == ["--mem", "--notrack", "--nthreads"]
    names = {*hidden, *SYNONYMS}
    documented = (ROOT / "docs" / "configuration.md").read_text()
    assert [name for name in names if f"`{name}" not in documented] == []
    flags = {
        item.get("command-line-flag")
        for item in json.loads((ROOT / "descriptors/bids_stroke.json").read_text())["inputs"]
    }
    assert not names & flags
    text = command.get_help(click.Context(command))
    assert [name for name in names if f"  {name} " in text] == []
