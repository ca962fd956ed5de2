"""What a run that was ended left is removed, and its units say so to readers elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bids_stroke.app.unit.left import tidy
from bids_stroke.core.records import UnitStatus
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.status import write_status

LEAVES = """
import sys
from pathlib import Path
from bids_stroke.app.preflight import prepare_work
from bids_stroke.derivatives.outputs import Outputs, temporary_beside
from bids_stroke.derivatives.status import write_running, write_waiting
out, work = map(Path, sys.argv[1:])
write_waiting(out, [("02", None)])
write_running(out, "01", "1", "dwi (2 of 5)")
half = temporary_beside(Outputs(out, "01", "1").folder / "dwi" / "sub-01_dwi.nii.gz")
half.parent.mkdir(parents=True)
half.write_text("half")
prepare_work(work).joinpath("big").write_text("big")
"""


def test_what_is_left_goes_and_units_say_that_they_were_stopped(tmp_path: Path) -> None:
    out, work = tmp_path / "out", tmp_path / "work"
    write_status(out, UnitStatus("03", None, "done"))
    subprocess.run([sys.executable, "-c", LEAVES, str(out), str(work)], check=True)
    assert list(work.iterdir()) and list(out.glob("sub-01/ses-1/dwi/.tmp-*"))
    tidy(out, work, "Stopped by SIGTERM.")
    assert list(work.iterdir()) == []
    assert not [path for path in out.rglob(".*") if path.is_file()]
    stands = {
        unit: json.loads(dataset_file(out, "status", unit=unit).read_text())
        for unit in ("sub-01_ses-1", "sub-02", "sub-03")
    }
    assert [(unit["status"], unit["reason"]) for unit in stands.values()] == [
        ("failed", "interrupted"), ("failed", "not-begun"), ("done", ""),
    ]  # fmt: skip
    assert stands["sub-01_ses-1"]["detail"] == "Stopped by SIGTERM. Run it again."
    assert "turn had not come" in stands["sub-02"]["detail"]
    assert dataset_file(out, "status_table").read_text().count("\n") == 1 + len(stands)


def test_where_nothing_is_there_is_nothing_to_do(tmp_path: Path) -> None:
    tidy(tmp_path / "out", tmp_path / "work", "Stopped by SIGTERM.")
    assert list(tmp_path.iterdir()) == []
