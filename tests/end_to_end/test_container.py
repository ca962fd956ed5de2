"""The image under podman, with what Apptainer and clusters leave a container: a read-only root, no network, any user.

`make image`, then `make test-container`. BIDS_STROKE_TEST_IMAGE names another image than `make image` builds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

IMAGE = os.environ.get("BIDS_STROKE_TEST_IMAGE", "localhost/bids_stroke")
EVERYTHING = "04"
"""A person of the example dataset who has a T1w, DWI, BOLD, EEG, EMG and a lesion mask."""
UNIT = ("participant", "--skip-bids-validation", "--nprocs", "1", "--participant-label", EVERYTHING)
CLOSED = (
    "--read-only", "--read-only-tmpfs=false", "--network", "none", "--user", "12345:12345", "--cap-drop", "ALL",
    "--security-opt", "no-new-privileges", "--tmpfs", "/tmp",
)  # fmt: skip
SMALL_HOME = ("--tmpfs", "/home/somebody:size=64m,mode=1777", "--env", "HOME=/home/somebody")
NO_HOME = ("--entrypoint", '["env", "--unset=HOME", "/opt/venv/bin/bids_stroke"]')
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")
"""As low as a sandbox may have them: it grants no container more than it has itself."""
pytestmark = [pytest.mark.slow, pytest.mark.container]


@pytest.fixture(scope="module")
def podman() -> list[str]:
    """The command, up to its own arguments; tests are skipped, visibly, without it or without the image."""
    if not shutil.which("podman"):
        pytest.skip("podman is not installed")
    if subprocess.run(["podman", "image", "exists", IMAGE]).returncode != 0:
        pytest.skip(f"there is no image {IMAGE}: make image")
    return ["podman", *(("--runtime", "runc") if shutil.which("runc") else ())]


def run_of(podman: list[str], example: Path, *options: str) -> list[str]:
    """The words of a run with the example dataset as /data."""
    return [*podman, "run", "--rm", *LIMITS, "--volume", f"{example}:/data:ro", *options]


def ends(words: list[str]) -> tuple[int, str]:
    done = subprocess.run(words, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True)
    return done.returncode, done.stdout


def folder_for_all(folder: Path) -> Path:
    """A new folder that the container's user may write."""
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="module")
def out(podman: list[str], example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OUTPUT_DIR of a run of one person in a closed container with little HOME."""
    folder = folder_for_all(tmp_path_factory.mktemp("container") / "out")
    options = (*CLOSED, *SMALL_HOME, "--volume", f"{folder}:/out")
    code, said = ends([*run_of(podman, example, *options), IMAGE, "/data", "/out", *UNIT])
    assert code == 0, said
    return folder


def predictions(out: Path) -> pd.DataFrame:
    (path,) = out.glob(f"sub-{EVERYTHING}/*_prediction.tsv")
    return pd.read_csv(path, sep="\t", na_values="n/a")


def test_it_predicts_as_the_host_does(out: Path, example: Path, tmp_path: Path) -> None:
    code, said = ends([sys.executable, "-m", "bids_stroke", str(example), str(tmp_path / "out"), *UNIT])
    assert code == 0, said
    inside, outside = predictions(out), predictions(tmp_path / "out")
    assert list(inside) == list(outside)
    numbers = outside.select_dtypes("number").columns
    assert len(numbers) > 10
    np.testing.assert_allclose(inside[numbers], outside[numbers], rtol=0, atol=1e-6)
    told = json.loads((out / "dataset_description.json").read_text())
    assert told["GeneratedBy"][0]["Container"]["Type"] == "docker"
    assert "Container" not in json.loads((tmp_path / "out" / "dataset_description.json").read_text())["GeneratedBy"][0]


def test_it_needs_no_home_and_finds_what_another_container_made(podman: list[str], out: Path, example: Path) -> None:
    words = run_of(podman, example, *CLOSED, *NO_HOME, "--volume", f"{out}:/out")
    code, said = ends([*words, IMAGE, "/data", "/out", *UNIT])
    assert code == 0, said
    assert "up to date: nothing to do" in said
    code, said = ends([*words, IMAGE, "/data", "/out", "group"])
    assert code == 0, said
    assert (out / "group.html").is_file()


def test_it_computes_without_home(podman: list[str], example: Path, tmp_path: Path) -> None:
    folder = folder_for_all(tmp_path / "out")
    words = run_of(podman, example, *CLOSED, *NO_HOME, "--volume", f"{folder}:/out")
    code, said = ends([*words, IMAGE, "/data", "/out", *UNIT, "--modalities", "eegemg"])
    assert code == 0, said
    assert predictions(folder)["probability_poor"].notna().all()


@pytest.mark.parametrize("options", [(), ("--tmpfs", "/out"), CLOSED], ids=["own disk", "memory", "read-only"])
def test_where_nothing_of_the_host_is_mounted_it_refuses_to_begin(
    podman: list[str], example: Path, options: tuple[str, ...]
) -> None:
    code, said = ends([*run_of(podman, example, *options), IMAGE, "/data", "/out", *UNIT])
    assert code == 73, said
    assert "/out" in said


@pytest.fixture
def name(podman: list[str]) -> Iterator[str]:
    """Of a container, that is removed afterwards whatever became of it."""
    name = f"bids_stroke_test_{os.getpid()}"
    yield name
    subprocess.run([*podman, "rm", "--force", "--ignore", name], capture_output=True)


def test_podman_stop_amid_the_dwi_step(podman: list[str], example: Path, tmp_path: Path, name: str) -> None:
    folder = folder_for_all(tmp_path / "out")
    options = (*CLOSED, *SMALL_HOME, "--volume", f"{folder}:/out")
    words = [*run_of(podman, example, *options, "--name", name), IMAGE, "/data", "/out", *UNIT]
    running = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    status = folder / "logs" / "status" / f"person-{EVERYTHING}.json"
    while running.poll() is None and '"step": "dwi' not in (status.read_text() if status.is_file() else ""):
        time.sleep(0.1)
    time.sleep(3.0)  # into its computing
    begin = time.monotonic()
    subprocess.run([*podman, "stop", "--time", "30", name], capture_output=True, check=True)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 143, said
    assert time.monotonic() - begin < 10
    assert "Stopped." in said and "Traceback" not in said
    stands = json.loads(status.read_text())
    assert (stands["status"], stands["reason"]) == ("failed", "interrupted")
    assert not list(folder.rglob(".tmp-*"))
    code, said = ends([*run_of(podman, example, *options), IMAGE, "/data", "/out", *UNIT, "--modalities", "fa"])
    assert code == 0, said
    assert "anat" not in said.partition(f"sub-{EVERYTHING}: done in ")[2].partition(")")[0]
