"""Tables of a bundle that are none: named, whatever is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.core.errors import ModelError
from bids_stroke.ensemble.bundle import write_bundle
from bids_stroke.ensemble.tables import read_evidence, read_people
from tests.helpers.units import tiny_contents

HEAD = "participant_hash\tsession_id\tprediction\tprobability_poor\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "m", tiny_contents()).path


def test_the_people_come_back(folder: Path) -> None:
    assert read_people(folder)["probability_poor"].tolist() == [0.3, 0.6]
    assert read_evidence(folder) is None


@pytest.mark.parametrize(
    "content", [b"", b"a\tb\n1\t2\n", b"\xff\xfe\x00", HEAD.encode() + b"a\tn/a\tpoor\tlikely\n", b'"a\n\t"b']
)
def test_people_that_are_no_table(folder: Path, content: bytes) -> None:
    (folder / "out_of_fold.tsv").write_bytes(content)
    with pytest.raises(ModelError, match=r"out_of_fold\.tsv cannot be read"):
        read_people(folder)


@pytest.mark.parametrize(
    "content", ["", "poor\n1\n", "poor\tscore\tp_a\n1\t2\t0.5\n", "poor\tscore\tp_a\ts_a\n1\tx\t1\t1\n"]
)
def test_evidence_that_is_no_table(folder: Path, content: str) -> None:
    (folder / "evidence.tsv").write_text(content)
    with pytest.raises(ModelError, match=r"evidence\.tsv cannot be read"):
        read_evidence(folder)
