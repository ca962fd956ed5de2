"""What each member said of people it had not seen, written and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bids_stroke.derivatives.outputs import write_table
from bids_stroke.fusion.out_of_fold import out_of_fold_table, read_out_of_fold
from bids_stroke.training.late_fusion import fuse_members
from tests.helpers.members import NAMES, trained


def test_evidence_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    members, cohort, folds = trained(30, np.arange(30) % 5 == 0)
    evidence = fuse_members(members, cohort, folds, 0.9).evidence
    file = tmp_path / "evidence.tsv"
    assert read_out_of_fold(file) is None
    write_table(file, out_of_fold_table(evidence))
    again = read_out_of_fold(file)
    assert again is not None and again.names == NAMES
    np.testing.assert_allclose(again.probability, evidence.probability, rtol=1e-9)
    np.testing.assert_allclose(again.score, evidence.score, rtol=1e-9)
    np.testing.assert_array_equal(again.poor, evidence.poor)
