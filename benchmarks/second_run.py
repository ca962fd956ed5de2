"""A second ``participant`` on people who are all up to date, and ``group`` on many predictions: whole commands.

    python benchmarks/second_run.py [--people 1000] [--predictions 2000] [--folder DIR]

One person of the example dataset is computed with the app (two minutes). Everybody else is that person under another
label: files are hard links, manifests are written by the app's own functions for what the app itself plans, so that
the second run has 16 files, 8 stages and 120 outputs to look at for each person. Predictions and quality numbers are
drawn at random, by a seed. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from bids_stroke.app.model import DEMONSTRATION, Model
from bids_stroke.app.plan import Stage, UnitTask, plan_unit
from bids_stroke.app.unit.prediction import prediction_paths
from bids_stroke.bids.sessions import Selection, find_sessions, read_description
from bids_stroke.core.records import Prediction, StepReport, UnitStatus
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.outputs import tsv_text
from bids_stroke.derivatives.predictions import prediction_json, prediction_row, read_prediction
from bids_stroke.derivatives.status import write_status
from bids_stroke.ensemble.metadata import bundle_digest

HERE = Path(__file__).parents[1]
EXAMPLE, PERSON, LESIONS = HERE / "example_bids_dataset", "sub-04", Path("derivatives/lesions")
"""A person who has everything, the lesion mask in a dataset of its own."""


def main() -> None:
    """Make the folders, run the commands, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--predictions", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="where to make and keep everything; what is there is used again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        one = folder / "one"
        if not one.is_dir():
            run(EXAMPLE, one, "participant", "--participant-label", PERSON, "--skip-bids-validation")
        print("| | CPU s | wall s | peak MB | exit code | group.html, MB |\n|---|---|---|---|---|---|")
        for what, level, people in (
            ("participant, everything up to date but the pages", "participant", given.people),
            ("participant, everything up to date", "participant", given.people),
            ("group", "group", given.predictions),
        ):
            raw, out = folder / f"{level}_raw", folder / f"{level}_out"
            if not raw.is_dir():
                clone(one, raw, out, people)
            cpu, wall, peak, code = run(raw, out, level)
            page = out / "group.html"
            size = f"{page.stat().st_size / 1e6:.1f}" if page.is_file() else ""
            print(f"| {what}, {people} people | {cpu:.1f} | {wall:.1f} | {peak:.0f} | {code} | {size} |", flush=True)


def run(raw: Path, out: Path, level: str, *options: str) -> tuple[float, float, float, int]:
    """CPU seconds, wall seconds, peak MB and exit code of a command; its words go to a file beside OUTPUT_DIR."""
    command = [sys.executable, "-m", "bids_stroke", str(raw), str(out), level, *options]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    begin = time.monotonic()
    with (
        out.with_name(f"{out.name}_{level}.txt").open("w") as said,
        subprocess.Popen(command, env=environment, stdout=said, stderr=said) as process,
    ):
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, time.monotonic() - begin, used.ru_maxrss / 1024, process.returncode


def clone(one: Path, raw: Path, out: Path, people: int) -> None:
    """A dataset of that person many times, and an OUTPUT_DIR in which all are up to date."""
    rng = np.random.default_rng(0)
    labels = [f"sub-{number:04d}" for number in range(people)]
    scores = rng.integers(0, 35, people)
    for label in labels:
        link_all(EXAMPLE / PERSON, raw / label, label)
        link_all(EXAMPLE / LESIONS / PERSON, raw / LESIONS / label, label)
        link_all(one / PERSON, out / label, label)
    for within in (Path(), LESIONS):
        for path in (path for path in (EXAMPLE / within).iterdir() if path.is_file() and path.suffix != ".tsv"):
            (raw / within / path.name).hardlink_to(path)
    rows = [f"{label}\t{50 + n % 40}\tM\t{scores[n]}\n" for n, label in enumerate(labels)]
    (raw / "participants.tsv").write_text("participant_id\tage\tsex\tfma_le\n" + "".join(rows))
    model = Model(DEMONSTRATION.resolve(), bundle_digest(DEMONSTRATION))
    like = read_prediction(next((one / PERSON).glob("*_prediction.json")))
    for session, score in zip(find_sessions(Selection(raw)), scores, strict=True):
        task = UnitTask(session, out, out, Settings(), model, str(read_description(raw)["Name"]))
        written = write_prediction(task, drawn(like, float(score), rng))
        for stage in plan_unit(task):
            done = scattered(relabelled(one, raw, task, stage), rng)
            if stage.name == "prediction":
                stamps = {path.relative_to(out).as_posix(): manifest.stamp(path) for path in written}
                done = replace(done, outputs=stamps, report=StepReport(files={"prediction": written[0]}))
            manifest.write_manifest(stage.manifest_path(task), out, done)
        write_status(out, UnitStatus(session.subject, None, "done", "", "", 60.0, 900.0, model.sha256))


def relabelled(one: Path, raw: Path, task: UnitTask, stage: Stage) -> manifest.Manifest:
    """The manifest of the person who was computed, as that of another who has the same files."""
    text = manifest.manifest_path(one, PERSON, stage.name).read_text()
    text = text.replace(str(EXAMPLE), str(raw)).replace(PERSON, task.session.prefix)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as stream:
        stream.write(text)
        stream.flush()
        done = manifest.read_manifest(Path(stream.name), task.output_dir)
    assert done is not None
    return replace(done, recipe=stage.recipe)


def scattered(done: manifest.Manifest, rng: np.random.Generator) -> manifest.Manifest:
    """The same with quality numbers around those of the person: a tenth of each up or down, of a few people far off."""
    spread = 0.1 if rng.random() < 0.98 else 1.0
    numbers = {name: value * (1 + spread * rng.normal()) for name, value in done.report.qc.items()}
    return replace(done, report=replace(done.report, qc=numbers))


def drawn(like: Prediction, score: float, rng: np.random.Generator) -> Prediction:
    """A prediction that knows a little of the score, by members of whom some are missing."""

    def near() -> float:
        return float(1 / (1 + np.exp((score - 17) / 8 + rng.normal(0, 1))))

    gone = {name for name in ("bold", "eegemg", "lesion") if rng.random() < 0.2}
    members = {
        name: replace(member, probability=near(), score=score + rng.normal(0, 8))
        for name, member in like.members.items()
        if member.modality not in gone
    }
    probability = near()
    return replace(
        like,
        probability_poor=probability,
        probability_poor_interval=(probability * 0.8, probability * 0.8 + 0.2),
        prediction="poor" if probability > 0.6 else "good" if probability < 0.4 else "abstain",
        predicted_score=score + rng.normal(0, 6),
        members=members,
        missing={name: "no-data" for name in like.members if name not in members},
        early_fusion=replace(like.early_fusion, probability=near()) if like.early_fusion else None,
    )


def write_prediction(task: UnitTask, prediction: Prediction) -> tuple[Path, Path]:
    """Both files of a prediction, as the participant level writes them."""
    path, _ = prediction_paths(task)
    path.write_text(json.dumps(prediction_json(prediction), indent=2) + "\n")
    path.with_suffix(".tsv").write_text(tsv_text(pd.DataFrame([prediction_row(prediction)])))
    return path, path.with_suffix(".tsv")


def link_all(source: Path, target: Path, label: str) -> None:
    """Hard links to all files of the person, under another label; predictions are not linked."""
    for folder, _, names in os.walk(source):
        place = target / Path(folder).relative_to(source)
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            if "_prediction." not in name:
                (place / name.replace(PERSON, label)).hardlink_to(Path(folder) / name)


if __name__ == "__main__":
    main()
