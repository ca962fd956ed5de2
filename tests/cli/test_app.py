"""The command line: BIDS App style, messages, exit codes. Nothing here runs a pipeline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bids_stroke
from bids_stroke.app.model import DEMONSTRATION
from bids_stroke.cli.app import main
from bids_stroke.cli.arguments import expand_arguments
from bids_stroke.core.settings import load_settings
from tests.helpers.bids import make_dataset


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_dataset(
        tmp_path / "raw", {"sub-01/anat/sub-01_T1w.nii.gz": None, "sub-02/beh/sub-02_task-a_beh.tsv": "a\n1\n"}
    )


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    code = stop.value.code
    assert isinstance(code, int)
    return code, out, err


def test_version_is_the_package_s() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bids_stroke", "--version"], capture_output=True, text=True, check=True
    )
    assert bids_stroke.__version__ in done.stdout


OPTIONS = (
    "participant-label session-label task-label bids-filter-file modalities derivatives bids-database-dir",
    "skip-bids-validation dry-run model outcome config work-dir nprocs omp-nthreads mem-gb device precision cluster"
    " no-wait",
    "stop-on-first-crash force seed version reports-only features-only train-part",
)


def test_every_option_of_the_contract_is_there_with_underscores_too(capsys: pytest.CaptureFixture[str]) -> None:
    names = [name for names in OPTIONS for name in names.split()]
    _, out, _ = run(capsys, "--help")
    assert [name for name in names if f"--{name}" not in out] == []
    assert expand_arguments([f"--{name.replace('-', '_')}=x" for name in names]) == [f"--{name}=x" for name in names]


def test_what_tables_lack_is_a_warning_on_the_terminal(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (raw / "participants.tsv").write_text("participant_id\tage\nsub_01\t50\n")
    code, _, err = run(capsys, raw, raw.parent / "out", "participant", "--dry-run")
    assert code == 0
    assert "participants.tsv has no row of this person; its first row is 'sub_01', '50'." in err
    assert "Warning: " in err


def test_dry_run_lists_files_and_what_is_missing_and_writes_nothing(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(raw.parent.rglob("*"))
    code, out, _ = run(capsys, raw, raw.parent / "out", "participant", "--dry-run")
    assert code == 0
    assert "sub-01_T1w.nii.gz" in out.replace("\n", "")
    assert "missing: no dwi" in out
    assert sorted(raw.parent.rglob("*")) == before


def test_an_option_that_is_not_needed_any_more_is_said_once_and_does_nothing(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = raw.parent / "db"
    code, out, err = run(capsys, raw, raw.parent / "out", "participant", "--dry-run", "--bids-database-dir", database)
    assert (code, "sub-01_T1w.nii.gz" in out) == (0, True)
    assert err.replace("\n", " ").count("--bids-database-dir is not needed any more") == 1
    assert not database.exists()


REFUSED = [
    ("{raw}/none {out} participant", 66, "does not exist"),
    ("{raw}/dataset_description.json {out} participant", 66, "is a file"),
    ("{raw}/sub-01 {out} participant", 16, "no dataset_description.json"),
    ("{raw} {out} subject", 2, "is not one of"),
    ("{raw} {out}", 2, "Missing argument"),
    ("{raw} {out} participant --colour", 2, "No such option"),
    ("{raw} {out} participant --participant-label 99", 18, "no folder sub-99"),
    ("{raw} {out} participant --participant-label @{raw}/none", 66, "file of labels"),
    ("{raw} {out} participant --modalities pet", 2, "'pet' is not known"),
    ("{raw} {out} participant --bids-filter-file {raw}/README", 2, "not JSON"),
    ("{raw} {out} participant --bids-filter-file {raw}/none", 66, "cannot be read"),
    ("{raw} {out} participant --bids-filter-file {raw}/query.json", 2, "unknown key 'pet'"),
    ("{raw} {out} participant --config {raw}/none", 66, "cannot be read"),
    ("{raw} {out} participant --config {raw}/key.yml", 2, "'colour'"),
    ("{raw} {out} participant --outcome fma", 2, "is not a rule"),
    ("{raw} {out} participant --outcome nihss>=5", 2, "the model predicts fma_le<=17"),
    ("{raw} {out} participant --device tpu", 2, "--device tpu is not known"),
    ("{raw} {out} participant --device cuda:99", 2, "CUDA devices here"),
    ("{raw} {out} participant --derivatives x=", 2, "NAME=DIR"),
    ("{raw} {out} participant --derivatives /none", 66, "none=/none is not a folder"),
    ("{raw} {out} participant --derivatives /a/x /b/x", 2, "x is given twice"),
    ("{raw} {out} participant --derivatives x=/none", 66, "is not a folder"),
    ("{raw} {raw} participant", 2, "would mix outputs"),
    ("{raw} {raw} participant --dry-run", 2, "would mix outputs"),
    ("{raw} {raw}/sub-01/out participant", 2, "would mix outputs"),
    ("{raw} {raw}/README/out participant", 73, "README is a file"),
    ("{raw} {out} participant --work-dir {raw}/README/work", 73, "--work-dir"),
    ("{raw} {out} participant --cluster slurm --reports-only", 2, "does not go with --cluster"),
    ("{raw} {out} participant --no-wait", 2, "without --cluster slurm"),
    ("{raw} {out} train --train-part 3/2", 2, "3/2 is not K/N. Like 1/4"),
    ("{raw} {out} train --train-part 0/2", 2, "is not K/N"),
    ("{raw} {out} train --train-part 1", 2, "is not K/N"),
    ("{raw} {out} train --train-part -1/2", 2, "is not K/N"),
    ("{raw} {out} participant --train-part 1/2", 2, "of the level train"),
    ("{raw} {out} train --train-part 1/2 --dry-run", 2, "not of --dry-run"),
    ("{raw} {out} train --train-part 1/2 --force", 2, "leave --force out"),
    ("{raw} {out} train --train-part 1/2", 66, "has both features and a value"),
    ("{raw} {out} train --train-part 1/2 --cluster slurm", 2, "does not go with --cluster"),
    ("{raw} {out} participant --model {raw}/none --skip-bids-validation", 66, "none"),
    ("{raw} {out} participant --model {raw}/none --dry-run", 66, "none"),
    ("{raw} {out} participant --model {raw}/changed", 66, "splits.tsv is corrupt"),
    ("{raw} {out} group --model {raw}/none", 66, "none"),
    ("{raw} {out} participant --device tpu --dry-run", 2, "--device tpu is not known"),
    ("{raw} {out} train --outcome nihss>=5", 2, "no table of"),
    ("{raw} {out} train --config {raw}/network.yml", 2, "x.network is 'lstm', which does not read fa"),
    ("{raw} {out} train", 66, "has both features and a value"),
    ("{raw} {out} participant --session-label 9", 18, "--session-label 9 matches nothing"),
    ("{raw} {out} participant --bids-filter-file {raw}/entity.json", 2, "unknown entity 'colour'"),
    ("{raw} {empty} participant", 2, "it is empty"),
    ("{empty} {out} participant", 2, "it is empty"),
    ("{raw} {out} participant -w {empty}", 2, "it is empty"),
    ("{raw} {out} participant --mem-gb nan", 2, "--mem-gb"),
    ("{raw} {out} participant --mem-gb inf", 2, "--mem-gb"),
    ("{raw} {out} participant --mem-gb 0", 2, "--mem-gb"),
    ("{raw} {out} participant --seed 99999999999999999999", 2, "--seed"),
    ("{raw} {out} participant --omp-nthreads 1000000000", 2, "--omp-nthreads"),
    ("{raw} {out} participant --outcome fma_le<=nan", 2, "--outcome"),
    ("{raw} {out} participant --outcome fma_le<=inf", 2, "--outcome"),
    ("{raw} {out} participant --outcome fma_le<=1e999", 2, "--outcome"),
    ("{raw} {raw}/linked participant", 2, "is a link into BIDS_DIR"),
    ("{raw} {out} group --reports-only", 2, "--reports-only is of the level participant"),
    ("{raw} {out} participant --reports-only --dry-run", 2, "--reports-only is of the level participant"),
    ("{raw} {out} train --features-only", 2, "--features-only is of the level participant"),
    ("{raw} {out} participant --features-only --model {raw}/changed", 2, "and without --model"),
    ("{raw} {out} participant --reports-only", 66, "holds nothing of the selected units"),
]
"""Command lines that are refused for their words, or for what a look at folders and headers tells."""


@pytest.fixture
def refusing(raw: Path) -> Path:
    """The dataset, with the files that REFUSED names."""
    (raw / "README").write_text("A test cohort.")
    (raw / "participants.tsv").write_text("participant_id\tfma_le\nsub-01\t12\n")
    (raw / "query.json").write_text('{"pet": {}}')
    (raw / "entity.json").write_text('{"bold": {"colour": "red"}}')
    (raw / "network.yml").write_text("training: {members: {x: {modality: fa, network: lstm}}}")
    (raw / "key.yml").write_text("colour: red\n")
    (raw / "linked").mkdir()
    (raw / "linked" / "sub-01").symlink_to(raw / "sub-01")
    shutil.copytree(DEMONSTRATION, raw / "changed")
    with (raw / "changed" / "splits.tsv").open("a") as stream:
        stream.write("x")
    return raw


@pytest.mark.parametrize(("text", "code", "message"), [
    *REFUSED,
    ("{raw} /proc/none/out participant", 73, "cannot be created or written"),
])  # fmt: skip
def test_each_misuse_has_its_code_and_one_message(
    refusing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, code: int, message: str
) -> None:
    before = {path: path.stat().st_mtime_ns for path in refusing.rglob("*")}
    arguments = [word.format(raw=refusing, out=tmp_path / "out", empty="") for word in text.split()]
    found, _, err = run(capsys, *arguments)
    assert (found, message in err.replace("\n", " ")) == (code, True), err
    assert "Traceback" not in err
    assert {path: path.stat().st_mtime_ns for path in refusing.rglob("*")} == before


def test_what_is_refused_imports_nothing_heavy(refusing: Path, tmp_path: Path) -> None:
    """In one process: what one command imports would be seen with all that follow."""
    commands = [
        [word.format(raw=refusing, out=tmp_path / "out", empty="") for word in text.split()] for text, *_ in REFUSED
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(commands)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert [code for code, _ in found] == [code for _, code, _ in REFUSED]
    assert {text: sorted(HEAVY & set(modules)) for (text, *_), (_, modules) in zip(REFUSED, found, strict=True)} == {
        text: [] for text, *_ in REFUSED
    }


HEAVY = {"torch", "bids", "mne", "mne_bids", "dipy", "pandas", "nibabel", "numpy", "scipy", "nilearn", "matplotlib",
         "SimpleITK", "sklearn", "timm", "monai"}  # fmt: skip
RUN_ALL = """
import json, sys
from bids_stroke.cli.app import main
found = []
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as stop:
        found.append((stop.code, sorted(name for name in sys.modules if "." not in name)))
print(json.dumps(found))
"""


@pytest.mark.parametrize("text", [
    "--modalities pet", "--device tpu", "--device cuda:99", "--derivatives x=", "--derivatives x=/none",
    "--no-wait", "--participant-label 99", "--bids-filter-file {raw}/entity.json", "--work-dir {raw}/README/work",
])  # fmt: skip
def test_words_are_refused_before_settings_are_read(refusing: Path, tmp_path: Path, text: str) -> None:
    words = text.format(raw=refusing).split()
    command = json.dumps([[str(refusing), str(tmp_path / "out"), "participant", *words]])
    done = subprocess.run([sys.executable, "-c", RUN_ALL, command], capture_output=True, text=True, check=True)
    ((code, modules),) = json.loads(done.stdout)
    assert code in (2, 18, 66, 73)
    assert {"pydantic", "yaml", "rich"} & set(modules) == set()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_output_folder(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    code, _, err = run(capsys, raw, tmp_path / "closed" / "out", "participant")
    assert code == 73
    assert "permissions" in err


def test_cuda_is_never_replaced_by_the_cpu(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    missing = torch.cuda.device_count() if torch.cuda.is_available() else 0
    code, _, err = run(capsys, raw, tmp_path / "out", "participant", "--device", f"cuda:{missing}")
    assert code == 2
    assert f"there are {missing} CUDA devices" in err


def test_a_traceback_only_when_asked(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (raw, tmp_path / "out", "participant", "--participant-label", "99")
    assert "Traceback" not in run(capsys, *arguments, "-v")[2]
    assert "Traceback" in run(capsys, *arguments, "-vv")[2]
    assert "Traceback" in run(capsys, *arguments, "-v", "--verbose")[2]


def test_a_run_keeps_its_settings_and_command_line(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--model none --seed 3 --skip-bids-validation --modalities lesion"
    run(capsys, raw, tmp_path / "out", "participant", *words.split())
    kept = tmp_path / "out" / "logs" / "settings_participant.yml"
    assert f"#   bids_stroke {raw} {tmp_path}/out participant {words}\n" in kept.read_text()
    assert load_settings(kept).seed == 3
    assert load_settings(kept).modalities == ("lesion",)
