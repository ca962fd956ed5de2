"""Covariates and outcomes from the tables of a dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.bids.phenotype import check_outcome_column, unit_covariates, unit_outcome
from bids_stroke.core.errors import InputError, UsageError
from tests.helpers.bids import make_dataset


def test_the_outcome_is_looked_up_in_sessions_then_phenotype_then_participants(tmp_path: Path) -> None:
    root = make_dataset(
        tmp_path,
        {
            "participants.tsv": "participant_id\tscore\nsub-01\t1\nsub-02\t1\nsub-03\t1\nsub-04\tn/a\n",
            "phenotype/motor.tsv": "participant_id\tscore\nsub-01\t2\nsub-02\t2\n",
            "sub-01/sub-01_sessions.tsv": "session_id\tscore\nses-a\t3\n",
        },
    )
    assert unit_outcome(root, "score", "01", "a") == 3
    assert unit_outcome(root, "score", "01", "b") == 2
    assert unit_outcome(root, "score", "02", None) == 2
    assert unit_outcome(root, "score", "03", None) == 1
    assert unit_outcome(root, "score", "04", None) is None
    assert unit_outcome(root, "score", "05", None) is None


def test_an_outcome_that_is_no_number_names_file_and_person(tmp_path: Path) -> None:
    root = make_dataset(tmp_path, {"participants.tsv": "participant_id\tscore\nsub-01\tgood\n"})
    with pytest.raises(InputError, match=r"participants\.tsv: score of sub-01 is 'good'"):
        unit_outcome(root, "score", "01", None)


def test_a_column_that_no_table_has_is_a_usage_error(tmp_path: Path) -> None:
    root = make_dataset(tmp_path, {"participants.tsv": "participant_id\tage\nsub-01\t50\n"})
    check_outcome_column(root, "age")
    with pytest.raises(UsageError, match=r"no table of .* has a column 'fma_le'"):
        check_outcome_column(root, "fma_le")


def test_labels_with_leading_zeros_and_a_byte_order_mark(tmp_path: Path) -> None:
    root = make_dataset(tmp_path)
    (root / "participants.tsv").write_text("\ufeffparticipant_id\tage\nsub-001\t50\nsub-01\t60\n", encoding="utf-8")
    assert unit_covariates(root, "001", None) == {"age": 50.0}
    assert unit_covariates(root, "01", None) == {"age": 60.0}


def test_a_table_that_is_not_text_is_an_input_error(tmp_path: Path) -> None:
    root = make_dataset(tmp_path)
    (root / "participants.tsv").write_bytes(b"participant_id\tname\nsub-01\t\xff\xfe\n")
    with pytest.raises(InputError, match="UTF-8"):
        unit_covariates(root, "01", None)


@pytest.mark.parametrize("text", ["NaN", "nan", "inf", "-inf", "n/a", ""])
def test_what_is_not_a_finite_number_is_no_outcome(tmp_path: Path, text: str) -> None:
    root = make_dataset(tmp_path, {"participants.tsv": f"participant_id\tscore\tage\nsub-01\t{text}\t50\n"})
    assert unit_outcome(root, "score", "01", None) is None
    assert unit_covariates(root, "01", None) == {"age": 50.0}


def test_a_table_with_rows_for_sessions_gives_each_its_own(tmp_path: Path) -> None:
    rows = "participant_id\tsession_id\tscore\nsub-01\tses-a\t1\nsub-01\tses-b\t2\n"
    root = make_dataset(tmp_path, {"phenotype/motor.tsv": rows})
    assert [unit_outcome(root, "score", "01", session) for session in ("a", "b", "c", None)] == [1, 2, None, None]
