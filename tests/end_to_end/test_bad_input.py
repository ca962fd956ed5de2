"""One dataset of subjects that are each broken in one way, and a sound one: what a run makes of them.

The real app runs once over all of them, in local processes; each test looks at one subject.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_stroke.cli.app import main
from bids_stroke.derivatives.names import is_named
from bids_stroke.derivatives.outputs import Outputs

SOURCE = "05"
"""Subject of the example dataset that the broken ones are made of."""


def take(example: Path, raw: Path, label: str, *datatypes: str) -> Path:
    """Copy datatypes of the source subject under a new label."""
    for datatype in datatypes:
        for path in (example / f"sub-{SOURCE}" / datatype).iterdir():
            copy = raw / f"sub-{label}" / datatype / path.name.replace(f"sub-{SOURCE}", f"sub-{label}")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            if copy.suffix in (".vhdr", ".vmrk"):
                copy.write_text(copy.read_text().replace(f"sub-{SOURCE}", f"sub-{label}"))
    return raw / f"sub-{label}"


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: next(folder.rglob(name)).unlink()


def write(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = next(folder.rglob(name))
        path.write_text(change(path.read_text()))

    return edit


def truncate(name: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = next(folder.rglob(name))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return edit


def image(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = next(folder.rglob(name))
        loaded = nib.load(path)
        data = change(loaded.get_fdata(dtype=np.float32))
        nib.Nifti1Image(data, loaded.affine).to_filename(path)

    return edit


def with_nan(data: np.ndarray) -> np.ndarray:
    data[data.shape[0] // 2, data.shape[1] // 2] = np.nan
    return data


def without(key: str) -> Callable[[str], str]:
    return lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != key})


def garbage(folder: Path) -> None:
    next(folder.rglob("*_T1w.nii.gz")).write_bytes(gzip.compress(b"this is no image" * 100))


BROKEN: dict[str, tuple[tuple[str, ...], Callable[[Path], None], str, str]] = {
    # label: datatypes, what is done to them, file that the message must name, reason code
    "nobval": (("dwi",), remove("*_dwi.bval"), "sub-nobval_dwi.bval", "missing-bval"),
    "nobvec": (("dwi",), remove("*_dwi.bvec"), "sub-nobvec_dwi.bvec", "missing-bvec"),
    "fewbval": (("dwi",), write("*_dwi.bval", lambda t: " ".join(t.split()[:-2])), "sub-fewbval_dwi", "gradient-count"),
    "textbval": (("dwi",), write("*_dwi.bval", lambda t: "a " + t), "sub-textbval_dwi.bval", "gradient-format"),
    "textbvec": (("dwi",), write("*_dwi.bvec", lambda t: "x" + t[1:]), "sub-textbvec_dwi.bvec", "gradient-format"),
    "cutdwi": (("dwi",), truncate("*_dwi.nii.gz"), "sub-cutdwi_dwi.nii.gz", "unreadable-image"),
    "nandwi": (("dwi",), image("*_dwi.nii.gz", with_nan), "sub-nandwi_dwi.nii.gz", "not-finite"),
    "flatdwi": (("dwi",), image("*_dwi.nii.gz", lambda d: d[..., 0]), "sub-flatdwi_dwi.nii.gz", "not-4d"),
    "cutt1w": (("anat",), truncate("*_T1w.nii.gz"), "sub-cutt1w_T1w.nii.gz", "unreadable-image"),
    "not1w": (("anat",), garbage, "sub-not1w_T1w.nii.gz", "unreadable-image"),
    "notr": (("func",), write("*_bold.json", without("RepetitionTime")), "RepetitionTime", "missing-repetition-time"),
    "noeeg": (("eeg",), remove("*_eeg.eeg"), "sub-noeeg_task-legmove_eeg.eeg", "missing-data-file"),
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, example: Path):
    """Exit code, status table, output folder and messages of one run over everything."""
    folder = tmp_path_factory.mktemp("broken")
    raw = folder / "raw"
    raw.mkdir()
    shutil.copyfile(example / "dataset_description.json", raw / "dataset_description.json")
    for label, (datatypes, damage, _, _) in BROKEN.items():
        damage(take(example, raw, label, *datatypes))
    take(example, raw, "sound", "eeg")
    remove("*_dwi.bval")(take(example, raw, "mixed", "dwi", "eeg"))
    (raw / "sub-nothing" / "beh").mkdir(parents=True)
    (raw / "sub-nothing" / "beh" / "sub-nothing_task-x_beh.tsv").write_text("a\n1\n")
    before = {path: path.read_bytes() for path in raw.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit) as stop:
        main([str(raw), str(folder / "out"), "participant", "--nprocs", "2", "--skip-bids-validation"])
    assert {path: path.read_bytes() for path in raw.rglob("*") if path.is_file()} == before
    table = pd.read_csv(folder / "out" / "logs" / "status.tsv", sep="\t", dtype=str).set_index("subject")
    return stop.value.code, table, folder / "out"


def test_the_run_says_that_units_failed(outcome) -> None:
    code, table, _ = outcome
    assert code == 65
    assert set(table.index) == {*BROKEN, "sound", "mixed", "nothing"}


@pytest.mark.parametrize("label", BROKEN)
def test_each_fault_has_its_reason_and_names_its_file(outcome, label: str) -> None:
    _, table, out = outcome
    row = table.loc[label]
    _, _, named, reason = BROKEN[label]
    assert (row["status"], row["reason"]) == ("failed", reason)
    assert named in row["detail"]
    assert "Traceback" not in row["detail"]
    assert not [path for path in (out / f"sub-{label}").rglob("*.json") if is_named(path, "prediction")]


def test_a_subject_without_any_modality_fails_with_the_reason(outcome) -> None:
    row = outcome[1].loc["nothing"]
    assert (row["status"], row["reason"]) == ("failed", "no-usable-modality")


def test_the_sound_subject_is_predicted_all_the_same(outcome) -> None:
    _, table, out = outcome
    assert table.loc["sound", "status"] == "done"
    prediction = json.loads(Outputs(out, "sound").path("prediction", desc="fmale").read_text())
    assert set(prediction["members"]) == {"lstm", "eegemg_power", "eegemg_coherence", "biomarkers_eegemg"}
    assert 0 <= prediction["probability_poor"] <= 1
    assert prediction["missing"]


def test_one_broken_modality_does_not_take_the_prediction_with_it(outcome) -> None:
    _, table, out = outcome
    row = table.loc["mixed"]
    assert (row["status"], row["reason"]) == ("failed", "missing-bval")
    assert "fa md rd ad: missing-bval" in row["missing"]
    mixed, sound = (json.loads(Outputs(out, label).path("prediction", desc="fmale").read_text())
                    for label in ("mixed", "sound"))  # fmt: skip
    assert mixed["probability_poor"] == pytest.approx(sound["probability_poor"], abs=1e-6)  # the same EEG, nothing else
    assert mixed["missing"]["fa"] == "missing-bval"
    (warning,) = (text for text in mixed["warnings"] if text.startswith("Predicted without dwi"))
    assert "sub-mixed_dwi.bval" in warning


def test_every_subject_has_a_page_that_says_what_happened(outcome) -> None:
    _, _, out = outcome
    for label in (*BROKEN, "sound", "mixed", "nothing"):
        assert (out / f"sub-{label}.html").is_file()
    assert "failed" in (out / "sub-nobval.html").read_text().lower()
