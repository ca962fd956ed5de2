"""One dataset of subjects of whom each has one broken sidecar, and a sound one: the real app over all of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from bids_stroke.cli.app import main
from tests.helpers.broken_json import KINDS

SOURCE = "sub-05_task-legmove_"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    """EEG of as many people as there are ways to break a file, and of ``sound`` and ``events``."""
    root = tmp_path_factory.mktemp("broken") / "raw"
    root.mkdir()
    shutil.copyfile(example / "dataset_description.json", root / "dataset_description.json")
    for label in (*KINDS, "events", "sound"):
        folder = root / f"sub-{label}" / "eeg"
        folder.mkdir(parents=True)
        for path in (example / "sub-05" / "eeg").iterdir():
            copy = folder / path.name.replace("sub-05", f"sub-{label}")
            shutil.copyfile(path, copy)
            if copy.suffix in (".vhdr", ".vmrk"):
                copy.write_text(copy.read_text().replace("sub-05", f"sub-{label}"))
    for label, kind in KINDS.items():
        (root / f"sub-{label}" / "eeg" / f"sub-{label}_task-legmove_eeg.json").write_bytes(kind.content)
    (root / "sub-events" / "eeg" / "sub-events_task-legmove_events.json").write_bytes(KINDS["list"].content)
    return root


def run(raw: Path, out: Path, *options: str) -> tuple[int, pd.DataFrame]:
    """Exit code and table of units."""
    with pytest.raises(SystemExit) as stop:
        main([str(raw), str(out), "participant", "--model", "none", "--skip-bids-validation", "--modalities", "eegemg",
              *options])  # fmt: skip
    return int(str(stop.value.code)), pd.read_csv(
        out / "logs" / "status.tsv", sep="\t", keep_default_na=False
    ).set_index("subject")


def test_each_fails_alone_and_its_file_is_named(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, table = run(raw, tmp_path / "out", "--nprocs", "2")
    assert code == 65
    assert table["status"].to_dict() == dict.fromkeys([*KINDS, "events"], "failed") | {"sound": "done"}
    assert set(table.drop("sound")["reason"]) == {"unreadable-sidecar"}
    for label in KINDS:
        assert f"sub-{label}_task-legmove_eeg.json" in table["detail"][label]
    assert "sub-events_task-legmove_events.json holds a list" in table["detail"]["events"]
    told = capsys.readouterr()
    assert "internal error" not in told.out + told.err
    assert "Traceback" not in told.out + told.err


def test_a_broken_sidecar_at_the_root_fails_all_and_is_named_for_each(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sidecar = raw / "task-legmove_eeg.json"
    sidecar.write_bytes(KINDS["deep"].content)
    try:
        code, table = run(raw, tmp_path / "out", "--participant-label", "sound", "events")
    finally:
        sidecar.unlink()
    assert code == 65
    assert table["status"].to_dict() == {"sound": "failed", "events": "failed"}
    assert all(f"{sidecar} has objects or lists nested" in detail for detail in table["detail"])
    assert "internal error" not in capsys.readouterr().err
