"""The pages in a real browser: nothing asked of the network, nothing cut off, nothing that axe-core finds.

Needs ``pip install -e .[browser]`` and a Chromium; skipped, visibly, without them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bids_stroke.core.biomarkers import BIOMARKERS
from bids_stroke.core.records import Contribution, UnitStatus
from bids_stroke.evaluation.cohort.describe import described
from bids_stroke.evaluation.cohort.flow import flow_table
from bids_stroke.evaluation.cohort.separation import separation
from bids_stroke.evaluation.evaluate import evaluate, evaluate_apart
from bids_stroke.report.group import GroupDetails, write_group_report
from bids_stroke.report.participant import UnitReport, write_participant_report
from tests.helpers.background import background_of
from tests.helpers.pages import FLAGGED_STEPS
from tests.report.test_group import QUICK, cohort, of_two_kinds
from tests.report.test_participant import PREDICTION

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    api = pytest.importorskip("playwright.sync_api", reason="pip install -e .[browser]")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def participant(root: Path) -> Path:
    parts = (Contribution("", "", "", 0.1), Contribution("lesion_regions", "lesion", "whole brain", 0.5, 2.0, 1.2))
    told = replace(PREDICTION, contributions=parts, predicted_score_interval=(8.0, 21.0), decided_beyond=(0.2, 0.8))
    picture = root / "sub-01" / "figures" / "sub-01_desc-tissues_figure.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(ONE_PIXEL)
    failed = UnitStatus("01", "02", "failed", "missing-bval", "sub-01_dwi.nii.gz has no .bval file.")
    units = [
        UnitReport("01", "01", told, FLAGGED_STEPS, (picture,), person=(("Age", "68 years"),)),
        UnitReport("01", "02", None, status=failed, unused={"x.nii.gz": "another run"}),
        UnitReport("01", "03", told),
    ]
    return write_participant_report(root, "01", units)


def group(root: Path) -> Path:
    table = cohort()
    numbers = [dict.fromkeys(BIOMARKERS, 0.2)] * 3
    details = GroupDetails(steps={"sub-000": FLAGGED_STEPS}, biomarkers=numbers)
    return write_group_report(root, evaluate(table, QUICK, {"fa": "fa"}, 0.9), table, details)


def group_of_two_kinds(root: Path) -> Path:
    """All that the group page can hold: people of the training and new ones, described, and some who are lost."""
    table = of_two_kinds(60).assign(session_id=None)
    found = described(evaluate_apart(table, QUICK, {"fa": "fa"}, 0.9), table, background_of(table), QUICK, {"fa": "fa"})
    flow = flow_table([(name, None) for name in ("sub-000", "sub-late")], {}, table)
    return write_group_report(root, replace(found, flow=flow, separation=separation(table, None)), table)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("write", [participant, group, group_of_two_kinds], ids=lambda write: write.__name__)
def test_a_page_is_whole_quiet_and_accessible(browser: Any, tmp_path: Path, write: Any, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install -e .[browser]")
    page = browser.new_page(viewport={"width": width, "height": 800})
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(write(tmp_path).as_uri())
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert page.evaluate("[...document.images].filter(image => !image.alt || !image.naturalWidth).length") == 0
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    found = axe.Axe().run(page).response["violations"]
    assert [(item["id"], item["nodes"][0]["html"]) for item in found] == []
    page.close()


def test_what_is_folded_opens_by_key(browser: Any, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(participant(tmp_path).as_uri())
    folded = page.locator("#ses-01 details:has(summary:text('Quality numbers'))")
    assert folded.get_attribute("open") is None
    folded.locator("summary").focus()
    page.keyboard.press("Enter")
    assert folded.get_attribute("open") is not None
    page.close()


ONE_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8ffff3f0005fe02fea135810c0000000049454e44ae426082"
)
