"""Links lead to places that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.report.participant import UnitReport, write_participant_report
from bids_stroke.report.places import named, page_of


@pytest.mark.parametrize("session", ["02", None])
def test_the_address_of_an_examination_is_a_place_on_the_page(tmp_path: Path, session: str | None) -> None:
    page = write_participant_report(tmp_path, "01", [UnitReport("01", session)])
    name, _, place = page_of("01", session).partition("#")
    assert page.name == name
    assert f'id="{place}"' in page.read_text()
    assert named("sub-01" + (f"_ses-{session}" if session else ""))[1] == page_of("01", session)
