"""``train`` through the real command line: features of a cohort, a bundle, its use, and who it was trained on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from bids_stroke.derivatives.names import dataset_file, is_named
from bids_stroke.simulate.cohort import simulate_cohort
from bids_stroke.simulate.options import CohortOptions
from tests.helpers.pages import Page

N_SUBJECTS = 16
SETTINGS = {
    "training": {
        "name": "small",
        "outer_folds": 2,
        "inner_folds": 2,
        "epochs": 3,
        "batch_size": 16,
        "bootstrap": 200,
        "permutations": 100,
        "members": {"lstm": {"modality": "eegemg", "network": "lstm", "hidden": [4], "inputs": {"rate": 100}}},
    }
}


def bids_stroke(*arguments: object, largest_file: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run the app; with ``largest_file`` the system lets no file grow beyond so many bytes."""
    command = [sys.executable, "-m", "bids_stroke", *map(str, arguments)]
    if largest_file is None:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    limits = (largest_file, largest_file)
    return subprocess.run(
        command, capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},  # its file is larger
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Raw cohort, OUTPUT_DIR after features, training, prediction of the same people and group; settings."""
    folder = tmp_path_factory.mktemp("train")
    raw, out, settings = folder / "raw", folder / "out", folder / "settings.yml"
    simulate_cohort(raw, CohortOptions(n_subjects=N_SUBJECTS, seed=1))
    settings.write_text(yaml.safe_dump(SETTINGS))
    features = ("--modalities", "eegemg", "--skip-bids-validation", "--nprocs", 1)
    for arguments in (
        ("participant", *features, "--model", "none"),
        ("train", "--config", settings),
        ("participant", *features, "--model", out / "models" / "small"),
        ("group",),
    ):
        done = bids_stroke(raw, out, *arguments)
        assert done.returncode == 0, done.stderr
    return raw, out, settings


def test_the_bundle_is_whole_and_names_nobody(trained: tuple[Path, Path, Path]) -> None:
    _, out, _ = trained
    folder = out / "models" / "small"
    done = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    metadata = json.loads((folder / "configs" / "metadata.json").read_text())
    assert metadata["demonstration"] is False
    assert len(metadata["participants"]["train"]) == N_SUBJECTS
    for path in folder.rglob("*"):
        if path.suffix in (".json", ".tsv", ".md"):
            assert "sub-" not in path.read_text(), path


def test_training_is_evaluated_out_of_fold_beside_baselines(trained: tuple[Path, Path, Path]) -> None:
    _, out, _ = trained
    metrics = pd.read_csv(dataset_file(out / "models", "metrics", name="small"), sep="\t")
    assert set(metrics["kind"]) == {"fusion", "member", "other fusion", "baseline"}
    assert set(metrics.loc[metrics["metric"] == "auc", "n"]) == {N_SUBJECTS}
    assert dataset_file(out / "models", "comparisons", name="small").is_file()
    assert all(dataset_file(out, role, name="small").is_file() for role in ("subsets", "curves", "curves_plot"))
    assert not dataset_file(out, "unfinished", name="small").exists()
    page = Page(dataset_file(out, "train_report", name="small"))
    assert f"{N_SUBJECTS} people, {N_SUBJECTS} examinations" in page.text
    assert all((out / link).is_file() for link in page.links if not link.startswith("#"))


def predictions(out: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in out.glob("sub-*/*.json") if is_named(path, "prediction")]
    assert found
    return found


def test_people_of_the_training_set_are_recognised(trained: tuple[Path, Path, Path]) -> None:
    _, out, _ = trained
    for prediction in predictions(out):
        assert prediction["in_training_set"] is True
        assert any("training set" in warning for warning in prediction["warnings"])


def test_group_uses_their_out_of_fold_predictions_never_the_others(trained: tuple[Path, Path, Path]) -> None:
    _, out, _ = trained
    table = pd.read_csv(dataset_file(out, "group_predictions"), sep="\t")
    assert table["out_of_fold"].all()
    held_out = pd.read_csv(out / "models" / "small" / "out_of_fold.tsv", sep="\t")
    assert sorted(table["prediction"]) == sorted(held_out["prediction"])
    assert sorted(table["probability_poor"].round(6)) == sorted(held_out["probability_poor"].round(6))
    in_sample = [prediction["probability_poor"] for prediction in predictions(out)]
    assert not set(table["probability_poor"].round(6)) & {round(value, 6) for value in in_sample}


def test_an_outcome_that_no_table_has_is_refused(trained: tuple[Path, Path, Path]) -> None:
    raw, out, settings = trained
    done = bids_stroke(raw, out, "train", "--config", settings, "--outcome", "nihss>=5")
    assert done.returncode == 2
    assert "has a column 'nihss'" in done.stderr


def test_training_without_features_says_what_to_do(trained: tuple[Path, Path, Path], tmp_path: Path) -> None:
    raw, _, settings = trained
    done = bids_stroke(raw, tmp_path / "empty", "train", "--config", settings)
    assert done.returncode == 66
    assert "Run the participant level" in done.stderr


def test_a_model_that_predicts_something_else_is_refused(trained: tuple[Path, Path, Path]) -> None:
    raw, out, _ = trained
    model = out / "models" / "small"
    done = bids_stroke(raw, out, "participant", "--model", model, "--outcome", "fma_le<=10", "--skip-bids-validation")
    assert done.returncode == 2
    assert "the model predicts fma_le<=17" in done.stderr


@pytest.mark.parametrize(
    ("file", "message"), [("models/lstm.safetensors", "corrupt"), ("docs/model_card.md", "missing")]
)
def test_a_broken_model_ends_the_run_at_once(
    trained: tuple[Path, Path, Path], tmp_path: Path, file: str, message: str
) -> None:
    raw, out, _ = trained
    model = tmp_path / "model"
    shutil.copytree(out / "models" / "small", model)
    (model / file).unlink() if message == "missing" else (model / file).write_bytes(b"x")
    done = bids_stroke(raw, tmp_path / "o", "participant", "--model", model, "--skip-bids-validation")
    assert done.returncode == 66
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_of_another_version_is_refused_with_the_remedy(
    trained: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    raw, out, _ = trained
    model = tmp_path / "model"
    shutil.copytree(out / "models" / "small", model)
    metadata = model / "configs" / "metadata.json"
    content = json.loads(metadata.read_text()) | {"format_version": 99}
    old = hashlib.sha256(metadata.read_bytes()).hexdigest()
    metadata.write_text(json.dumps(content))
    new = hashlib.sha256(metadata.read_bytes()).hexdigest()
    sums = model / "SHA256SUMS"
    sums.write_text(sums.read_text().replace(old, new))
    done = bids_stroke(raw, tmp_path / "o", "participant", "--model", model, "--skip-bids-validation")
    assert done.returncode == 66
    assert "format_version 99" in done.stderr
    assert "Train it again" in done.stderr


def test_training_on_a_full_disk_says_so_and_goes_on_later(trained: tuple[Path, Path, Path], tmp_path: Path) -> None:
    raw, out, settings = trained
    here = tmp_path / "out"
    shutil.copytree(out, here, ignore=shutil.ignore_patterns("models"))
    models = here / "models"
    # A fit that takes longer than 5 seconds also writes its state, of 24 kB; the metadata have about 30 kB.
    for largest_file, which in ((2000, "lstm-.*pt"), (40_000, "small_evaluation.json")):
        done = bids_stroke(raw, here, "train", "--config", settings, largest_file=largest_file)
        assert done.returncode == 73, done.stderr
        assert re.search(rf"{which} cannot be written: File too large", done.stderr)
        assert "Traceback" not in done.stderr
        assert not list(models.rglob(".tmp-*"))
    assert len(list((models / "small.unfinished").glob("lstm-*.pt"))) > 2  # what was done is kept to the end
    done = bids_stroke(raw, here, "train", "--config", settings)
    assert done.returncode == 0, done.stderr
    sums = [(folder / "models" / "small" / "SHA256SUMS").read_text() for folder in (out, here)]
    assert sums[0] == sums[1]
    assert not (models / "small.unfinished").exists()


def test_parts_at_once_one_twice_and_one_killed_make_the_same_bundle(
    trained: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    raw, out, settings = trained
    here = tmp_path / "out"
    shutil.copytree(out, here, ignore=shutil.ignore_patterns("models", "train_*.html"))
    command = [sys.executable, "-m", "bids_stroke", str(raw), str(here), "train", "--config", str(settings)]
    unfinished = here / "models" / "small.unfinished"
    killed = subprocess.Popen([*command, "--train-part", "1/2"], stdout=subprocess.DEVNULL)
    while killed.poll() is None and not list(unfinished.glob("lstm-*.pt")):
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    assert list(unfinished.glob("lstm-*.pt"))
    running = [
        subprocess.Popen([*command, "--train-part", part], stderr=subprocess.PIPE, text=True)
        for part in ("1/2", "1/2", "2/2")
    ]
    said = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert "Part 1 of 2 is done" in said[0]
    assert "without --train-part makes the model" in said[2]
    assert sorted(path.name for path in (here / "models").iterdir()) == ["small.unfinished"]  # no bundle, no page
    assert not list(here.glob("train_*.html"))
    assert not [path for path in unfinished.iterdir() if path.suffix != ".pt"]
    (unfinished / "lstm-0123456789abcdef01234567.pt").write_bytes(next(unfinished.iterdir()).read_bytes())
    done = bids_stroke(raw, here, "train", "--config", settings)
    assert done.returncode == 0, done.stderr
    n = int(re.search(r"(\d+) finished fits were taken", done.stderr)[1])  # type: ignore[index]
    assert n >= 6  # two folds, each with two inner ones
    assert "1 that were there are not of this training" in done.stderr
    sums = [(folder / "models" / "small" / "SHA256SUMS").read_text() for folder in (out, here)]
    assert sums[0] == sums[1]
    assert not unfinished.exists()
