"""The walk of a subject's folder: the same files, entities and metadata as pybids gives."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from bids_stroke.bids.layout import Dataset
from bids_stroke.core.errors import InputError
from bids_stroke.core.modalities import QUERIES
from tests.helpers.as_pybids import Known, by_ours, by_pybids
from tests.helpers.bids import make_dataset, path_that_is_too_long

LABELS = ("01", "1", "10", "a", "Ab", "r+1")
ENTITIES: dict[str, tuple[str, ...]] = {
    "task": LABELS, "acq": LABELS, "ce": LABELS, "rec": LABELS, "dir": ("AP", "PA"), "run": ("1", "01", "2", "10"),
    "echo": ("1", "2"), "part": ("mag", "phase", "other"), "chunk": ("1", "02"), "recording": LABELS,
    "hemi": ("L",), "split": ("1",),
}  # fmt: skip
"""Of names, in their order; the last two are valid BIDS that pybids 0.22 does not know."""
UNKNOWN = ("other",)
"""Labels that make pybids pass over their entity."""
KINDS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "anat": ("T1w", (".nii", ".nii.gz"), ("acq", "ce", "rec", "run", "echo", "part", "hemi")),
    "dwi": ("dwi", (".nii.gz", ".bval"), ("acq", "rec", "dir", "run", "part", "chunk")),
    "func": ("bold", (".nii", ".nii.gz"), ("task", "acq", "ce", "rec", "dir", "run", "echo", "part")),
    "eeg": ("eeg", (".vhdr", ".edf", ".bdf", ".set", ".eeg"), ("task", "acq", "run", "split")),
    "emg": ("emg", (".edf", ".bdf"), ("task", "acq", "run", "recording")),
    "fmap": ("epi", (".nii.gz",), ("acq", "ce", "dir", "run")),
    "events": ("events", (".tsv",), ("task", "acq", "run", "recording")),
}
"""Datatype -> suffix, extensions, entities."""

VALUES = st.one_of(
    st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(),
    st.text("aé\u4e2d ", max_size=4), st.lists(st.floats(0, 1), max_size=3), st.just({"within": [None, 1, "x"]}),
)  # fmt: skip
CONTENT = st.dictionaries(st.sampled_from(("EchoTime", "RepetitionTime", "Other", "flip")), VALUES, max_size=4)


def in_order(entities: dict[str, str]) -> list[str]:
    return [f"{key}-{entities[key]}" for key in ENTITIES if key in entities]


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    """Files of a dataset with sidecars on every level, by name."""
    files: dict[str, Any] = {}
    counts: dict[tuple[str, str], int] = {}
    for subject in draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=2, unique=True)):
        for session in draw(st.sampled_from([(None,), ("01", "1"), ("pre",)])):
            unit = [f"sub-{subject}"] + ([f"ses-{session}"] if session else [])
            for _ in range(draw(st.integers(1, 4))):
                kind = draw(st.sampled_from(sorted(KINDS)))
                suffix, extensions, allowed = KINDS[kind]
                folder = "/".join([*unit, "eeg" if kind == "events" else kind])
                own = {key: draw(st.sampled_from(ENTITIES[key])) for key in allowed if draw(st.booleans())}
                stem = "_".join([*unit, *in_order(own), suffix])
                files[f"{folder}/{stem}{draw(st.sampled_from(extensions))}"] = None
                for place in draw(st.lists(st.sampled_from(["", unit[0], "/".join(unit), folder]), max_size=4)):
                    keys = own if draw(st.booleans()) else {key: own[key] for key in own if draw(st.booleans())}
                    if keys and draw(st.booleans()):  # run-1 for run-01, or another's sidecar
                        keys = keys | {
                            (key := draw(st.sampled_from(sorted(keys)))): draw(st.sampled_from(ENTITIES[key]))
                        }
                    start = unit if draw(st.booleans()) else []
                    # parts of the name that tell more than the folder does
                    news = start[0 if not place else 1 if place == unit[0] else 2 :]
                    known = {key for key in keys if key not in ("hemi", "split") and keys[key] not in UNKNOWN}
                    told = len(known) + len(news)
                    if counts.setdefault((place, suffix), told) == told:  # pybids mistakes the order of others
                        name = "_".join([*start, *in_order(keys), suffix])
                        files[f"{place}/{name}.json".lstrip("/")] = draw(CONTENT)
    return files


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
"""An index by pybids takes a tenth of a second: no example of a failure is sought that is smaller than the first."""


def differences(ours: Known, theirs: Known) -> dict[str, Any]:
    for entities, _ in [*ours.values(), *theirs.values()]:
        entities.pop("scans", None)  # the whole path, with what lies above the dataset
    return {name: (ours.get(name), theirs.get(name)) for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)}


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
@given(trees())
def test_entities_and_metadata_are_those_of_pybids(files: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = make_dataset(Path(folder).resolve() / "raw", files)
        theirs = by_pybids(root)
        event(f"sidecars: {min(sum(bool(metadata) for _, metadata in theirs.values()), 3)}")
        assert differences(by_ours(root), theirs) == {}


def test_the_example_is_understood_as_by_pybids(example: Path) -> None:
    theirs = by_pybids(example)
    assert differences(by_ours(example), theirs) == {}
    assert sum(bool(metadata) for _, metadata in theirs.values()) > 20


@pytest.mark.real
def test_the_real_dataset_is_understood_as_by_pybids(real_data: Path) -> None:
    theirs = by_pybids(real_data / "bids_real_open")
    assert differences(by_ours(real_data / "bids_real_open"), theirs) == {}
    assert {entities["datatype"] for entities, _ in theirs.values()} >= {"anat", "dwi", "func", "eeg", "emg"}


def test_folders_above_the_dataset_do_not_count(tmp_path: Path) -> None:
    """pybids 0.22 matches the whole path: below a folder sub-07/func everything is of subject 07, datatype func."""
    raw = make_dataset(tmp_path / "sub-07" / "func" / "raw_run-3", {"sub-01/anat/sub-01_T1w.nii.gz": None})
    entities = {"subject": "01", "datatype": "anat", "suffix": "T1w", "extension": ".nii.gz"}
    assert by_ours(raw) == {"sub-01/anat/sub-01_T1w.nii.gz": (entities, {})}
    assert names_of(raw) == {"t1w": ["sub-01_T1w.nii.gz"]}


def names_of(raw: Path, subject: str = "01") -> dict[str, list[str]]:
    """Names of the raw files of a subject, by query; only those that have any."""
    dataset = Dataset.open(raw, "raw")
    files = dataset.raw_files(dataset.folders(subject))
    return {query: [file.path.name for file in found] for query, found in files.items() if found}


def test_each_query_has_its_files_in_the_order_of_numbers(tmp_path: Path) -> None:
    runs = [f"sub-01_task-rest_run-{run}_bold.nii.gz" for run in (2, 9, 10)]
    others = {
        "sub-01/anat/sub-01_T1w.nii": None, "sub-01/anat/sub-01_T2w.nii.gz": None, "sub-01/anat/sub-01_epi.nii": None,
        "sub-01/fmap/sub-01_dir-AP_epi.nii.gz": None, "sub-01/eeg/sub-01_task-x_eeg.vhdr": None,
        "sub-01/eeg/sub-01_task-x_eeg.eeg": None, "sub-01/emg/sub-01_task-x_emg.bdf": None,
        "sub-01/dwi/sub-01_dwi.nii.gz": None, "sub-01/dwi/sub-01_dwi.bvec": None,
    }  # fmt: skip
    raw = make_dataset(tmp_path, {f"sub-01/func/{name}": None for name in reversed(runs)} | others)
    assert names_of(raw) == {
        "t1w": ["sub-01_T1w.nii"],
        "dwi": ["sub-01_dwi.nii.gz"],
        "bold": runs,
        "eeg": ["sub-01_task-x_eeg.vhdr"],
        "emg": ["sub-01_task-x_emg.bdf"],
        "epi": ["sub-01_dir-AP_epi.nii.gz"],
    }
    assert set(names_of(raw)) == set(QUERIES)


def test_what_is_no_data_of_the_subject_is_passed_over(tmp_path: Path) -> None:
    kept = "sub-01/anat/sub-01_T1w.nii.gz"
    others = [
        "sub-01/anat/._sub-01_T1w.nii.gz",
        "sub-01/.git/sub-01_T1w.nii.gz",
        "sub-01/micr/sub-01_x.zarr/sub-01_T1w.nii.gz",
        "sub-01/anat/sub-01_T1w.nii.gz.json",
        "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz",
        "sourcedata/sub-01/anat/sub-01_T1w.nii.gz",
        "sub-012/anat/sub-012_T1w.nii.gz",
        "sub-01_x/anat/sub-01_x_T1w.nii.gz",
    ]
    raw = make_dataset(tmp_path, dict.fromkeys([kept, *others]))
    assert names_of(raw) == {"t1w": ["sub-01_T1w.nii.gz"]}
    assert names_of(raw, "01_x") == {}  # a label that BIDS does not allow; pybids finds no such subject either
    assert names_of(raw, "02") == {}


def test_links_are_what_they_lead_to(tmp_path: Path) -> None:
    store = tmp_path / "store"
    make_dataset(store, {"anat/sub-01_T1w.nii.gz": None})
    raw = make_dataset(tmp_path / "raw", {"sub-01/eeg/sub-01_task-x_eeg.edf": None})
    (raw / "sub-01" / "anat").symlink_to(store / "anat")
    (raw / "sub-01" / "loop").symlink_to(raw / "sub-01")
    (raw / "sub-01" / "itself").symlink_to(raw / "sub-01" / "itself")
    (raw / "sub-02").symlink_to(raw / "sub-01")
    assert names_of(raw) == {"t1w": ["sub-01_T1w.nii.gz"], "eeg": ["sub-01_task-x_eeg.edf"]}
    assert Dataset.open(raw, "raw").subjects == {"01", "02"}


def test_files_that_are_not_fetched_yet_are_there_without_metadata(tmp_path: Path) -> None:
    raw = make_dataset(tmp_path, {"sub-01/anat/sub-01_run-1_T1w.nii.gz": None, "T1w.json": {"EchoTime": 0.1}})
    for name in ("run-2_T1w.nii.gz", "run-2_T1w.json"):  # as git-annex leaves them
        (raw / "sub-01" / "anat" / f"sub-01_{name}").symlink_to(raw / ".git" / "annex" / "objects" / name)
    assert differences(by_ours(raw), by_pybids(raw)) == {}
    dataset = Dataset.open(raw, "raw")
    here, missing = dataset.raw_files(dataset.folders("01"))["t1w"]
    assert (here.metadata, missing.metadata) == ({"EchoTime": 0.1}, {})


def test_a_sidecar_that_is_not_fetched_is_an_error_where_the_data_are(tmp_path: Path) -> None:
    raw = make_dataset(tmp_path, {"sub-01/anat/sub-01_T1w.nii.gz": None})
    (raw / "sub-01" / "anat" / "sub-01_T1w.json").symlink_to(raw / "nowhere")
    dataset = Dataset.open(raw, "raw")
    with pytest.raises(InputError, match=r"sub-01_T1w\.json: its content is not here: .* is a link to .*nowhere"):
        dict(dataset.raw_files(dataset.folders("01"))["t1w"][0].metadata)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    raw = make_dataset(tmp_path, {"sub-01/anat/sub-01_T1w.nii.gz": None})
    path_that_is_too_long(raw / "sub-01")
    with pytest.raises(InputError, match=r"sub-01/aaa.* cannot be listed: File name too long"):
        Dataset.open(raw, "raw").folders("01")


def test_a_name_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    raw = make_dataset(tmp_path, {"sub-01/anat/sub-01_T1w.nii.gz": None})
    (raw / "sub-01" / "anat" / os.fsdecode(b"sub-01_acq-\xff_T1w.nii.gz")).touch()
    with pytest.raises(InputError, match="not UTF-8"):
        names_of(raw)


@pytest.mark.parametrize(("said", "agrees"), [(1, True), ("01", True), (2, False), ("one", False), ([1], False)])
def test_a_sidecar_that_contradicts_the_name_is_named(tmp_path: Path, said: object, agrees: bool) -> None:
    files = {"sub-01/anat/sub-01_run-01_T1w.nii.gz": None, "T1w.json": {"run": said, "EchoTime": 0.1}}
    dataset = Dataset.open(make_dataset(tmp_path, files), "raw")
    file = dataset.raw_files(dataset.folders("01"))["t1w"][0]
    if agrees:
        assert file.metadata == {"EchoTime": 0.1}
    else:
        with pytest.raises(InputError, match=r"T1w\.json: run is .* says '01'"):
            dict(file.metadata)


WATCH = """
import sys
from pathlib import Path
from bids_stroke.bids.sessions import Selection, find_sessions
raw, subjects, seen = Path(sys.argv[1]), tuple(sys.argv[2:]), []
find_sessions(Selection(raw))  # what is imported late has been
sys.addaudithook(lambda event, given: seen.append((event, str(given[0]))) if event in ("os.scandir", "open") else None)
find_sessions(Selection(raw, participant_labels=subjects))
print("\\n".join(f"{event} {path}" for event, path in seen if path.startswith(str(raw))))
"""


@pytest.mark.parametrize("subjects", [("0", "1", "2", "3"), ("2",)])
def test_each_folder_is_listed_and_each_sidecar_read_once(tmp_path: Path, subjects: tuple[str, ...]) -> None:
    """So that the time of a plan grows with the people who are selected, not with those who are there."""
    files: dict[str, Any] = {"task-rest_bold.json": {"RepetitionTime": 1}, "participants.tsv": "participant_id\n"}
    for label in range(4):
        for name in (f"anat/sub-{label}_T1w", f"func/sub-{label}_task-rest_run-1_bold", f"dwi/sub-{label}_dwi"):
            files |= {f"sub-{label}/{name}.nii.gz": None, f"sub-{label}/{name}.json": {"EchoTime": 1}}
    raw = make_dataset(tmp_path / "raw", files | {"derivatives/x/y/z.txt": None, "code/a/b.py": None})
    done = subprocess.run(
        [sys.executable, "-c", WATCH, str(raw), *subjects], capture_output=True, text=True, check=True
    )
    seen = [line.replace(str(raw), "") for line in done.stdout.splitlines()]
    twice = {line: seen.count(line) for line in seen if seen.count(line) > 1}
    assert twice == {}
    own = [name for name in files if name.endswith(".json") and name.split("/")[0][4:] in subjects]
    assert sorted(line for line in seen if line.endswith("_bold.json") or "sub-" in line) == sorted(
        ["open /task-rest_bold.json", *(f"open /{name}" for name in own)]
        + [f"os.scandir /sub-{label}{folder}" for label in subjects for folder in ("", "/anat", "/func", "/dwi")]
    )
    listed = {line.removeprefix("os.scandir ") for line in seen if line.startswith("os.scandir") and "sub-" not in line}
    assert listed <= {"", "/derivatives", "/derivatives/x"}
