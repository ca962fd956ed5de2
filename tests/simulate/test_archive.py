"""People without a scan: the outline lies where the lesion was put, and the examination is a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bids_stroke.simulate.archive import standard_mask, write_examination
from bids_stroke.simulate.cohort import EXAMPLE
from bids_stroke.simulate.table import draw_people

PEOPLE = draw_people(EXAMPLE)


def test_the_outline_lies_in_the_brain_on_the_lesion_s_side() -> None:
    for person in (PEOPLE[6], PEOPLE[7], PEOPLE[12]):  # capsular right, cortical right, cortical left
        mask = standard_mask(person)
        inside = np.asarray(mask.dataobj) == 1
        x = (np.argwhere(inside) @ mask.affine[:3, :3].T + mask.affine[:3, 3])[:, 0]
        assert (x > 0).all() if person.lesion.side == "R" else (x < 0).all()
        assert 0.2 * person.lesion.volume_ml < inside.sum() * 0.008 < 1.1 * person.lesion.volume_ml


def test_the_example_keeps_an_examination_and_no_scan(example: Path) -> None:
    folder = example / "sub-07"
    assert [path.name for path in sorted(folder.iterdir())] == ["beh"]
    table = pd.read_csv(folder / "beh" / "sub-07_task-fuglmeyer_beh.tsv", sep="\t")
    assert table.to_dict("list") == {"fma_le_baseline": [PEOPLE[6].fma_le_baseline]}


def test_an_examination_has_a_sidecar(tmp_path: Path) -> None:
    write_examination(tmp_path, "sub-07", PEOPLE[6])
    assert {path.name for path in (tmp_path / "beh").iterdir()} == {
        "sub-07_task-fuglmeyer_beh.tsv",
        "sub-07_task-fuglmeyer_beh.json",
    }
