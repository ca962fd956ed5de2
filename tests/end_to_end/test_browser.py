"""The pages in a real browser: nothing asked of the network, nothing cut off, nothing that axe-core finds.

Needs a Chromium (Debian: ``apt install chromium``); skipped, visibly, without one.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from bids_stroke.core.biomarkers import BIOMARKERS
from bids_stroke.core.records import Contribution, StepReport, UnitStatus
from bids_stroke.evaluation.cohort.describe import described
from bids_stroke.evaluation.cohort.flow import flow_table
from bids_stroke.evaluation.cohort.separation import separation
from bids_stroke.evaluation.evaluate import evaluate, evaluate_apart
from bids_stroke.report.group import GroupDetails, write_group_report
from bids_stroke.report.participant import Around, UnitReport, write_participant_report
from bids_stroke.report.train import write_train_report
from tests.helpers.background import background_of
from tests.helpers.evaluated import QUICK, cohort
from tests.helpers.pages import FLAGGED_STEPS, HOSTILE
from tests.report.test_group import of_two_kinds
from tests.report.test_participant import PREDICTION
from tests.report.test_train import training

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
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
    """60 people, of whom one has flagged numbers, one failed, and every third lacks something."""
    table = cohort().assign(missing=["lesion", None, None] * 20)
    numbers = [dict.fromkeys(BIOMARKERS, 0.2)] * 3
    steps = {f"sub-{i:03d}": {"dwi": StepReport(qc={"fa_wm_median": 0.4 + 0.002 * i})} for i in range(1, 60)}
    failed = UnitStatus("077", None, "failed", "missing-bval", "sub-077_dwi.nii.gz has no .bval file.")
    details = GroupDetails([failed], {"sub-000": FLAGGED_STEPS, **steps}, numbers)
    return write_group_report(root, evaluate(table, QUICK, {"fa": "fa"}, 0.9), table, details)


def group_of_two_kinds(root: Path) -> Path:
    """All that the group page can hold: people of the training and new ones, described, and some who are lost."""
    table = of_two_kinds(60).assign(session_id=None)
    found = described(evaluate_apart(table, QUICK, {"fa": "fa"}, 0.9), table, background_of(table), QUICK, {"fa": "fa"})
    flow = flow_table([(name, None) for name in ("sub-000", "sub-late")], {}, table)
    return write_group_report(root, replace(found, flow=flow, separation=separation(table, None)), table)


def hostile(root: Path) -> Path:
    table = cohort().assign(missing=HOSTILE)
    steps = {f"sub-{i:03d}": {HOSTILE: StepReport(qc={HOSTILE: float(i)})} for i in range(20)}
    details = GroupDetails([UnitStatus("077", None, "failed", HOSTILE, HOSTILE)], steps, how=HOSTILE)
    return write_group_report(root, evaluate(table, QUICK), table, details)


def train(root: Path) -> Path:
    return write_train_report(root, evaluate(cohort(), QUICK, {"fa": "fa"}, 0.9), training())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "write", [participant, group, group_of_two_kinds, hostile, train], ids=lambda write: write.__name__
)
def test_a_page_is_whole_quiet_and_accessible(browser: Any, tmp_path: Path, write: Any, width: int) -> None:
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
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    drawn = "[...document.querySelectorAll('svg')].filter(one => !one.getAttribute('aria-label') || !one.clientWidth)"
    assert page.evaluate(f"{drawn}.length") == 0
    assert page.evaluate("window.hacked") is None
    found = Axe().run(page).response["violations"]
    assert [(item["id"], item["nodes"][0]["html"]) for item in found] == []
    page.close()


@pytest.fixture
def open_group(browser: Any, tmp_path: Path) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    for label in ("000", "001", "059"):
        around = Around(before="000", after="002")
        write_participant_report(tmp_path, label, [UnitReport(label, None, PREDICTION)], around)
    page.goto(group(tmp_path).as_uri())
    yield page
    assert errors == []
    page.close()


def column(page: Any, heading: str) -> list[str]:
    """What a column shows, of the rows that are not hidden."""
    heads = page.locator(".sortable thead th").all_inner_texts()
    (place,) = [number for number, text in enumerate(heads) if heading in text]
    return [
        str(text) for text in page.locator(f".sortable tbody tr:visible > :nth-child({place + 1})").all_inner_texts()
    ]


def test_the_table_is_sorted_by_mouse_and_by_keys(open_group: Any) -> None:
    page, table = open_group, cohort()
    head = page.locator(".sortable th", has_text="Probability of a poor outcome")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    in_order = list(table.sort_values("probability_poor")["participant_id"])
    assert column(page, "Participant") == in_order
    page.keyboard.press("Enter")  # the button has the focus still
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, "Participant") == in_order[::-1]
    page.locator(".sortable th button", has_text="Participant").click()
    assert column(page, "Participant") == list(table["participant_id"])
    assert head.get_attribute("aria-sort") == "none"
    page.locator(".sortable th button", has_text="Missing").click()  # empty cells come last, up and down
    assert column(page, "Missing")[:20] == ["Lesion mask"] * 20
    page.locator(".sortable th button", has_text="Missing").click()
    assert column(page, "Missing")[:20] == ["Lesion mask"] * 20


def test_the_table_is_filtered_and_says_how_many_rows_are_left(open_group: Any) -> None:
    page, table = open_group, cohort()
    told = page.locator("#told")
    assert told.inner_text() == "60 of 60 rows shown."
    page.select_option("[name=decision]", "poor")
    n_poor = int((table["prediction"] == "poor").sum())
    assert told.inner_text() == f"{n_poor} of 60 rows shown."
    assert set(column(page, "Decided")) == {"poor"}
    page.select_option("[name=outcome]", "good")
    wrong = table[(table["prediction"] == "poor") & (table["poor"] == 0)]
    assert column(page, "Participant") == list(wrong["participant_id"])
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.getElementById('told').textContent.startsWith('60')")
    page.fill("[name=words]", "SUB-00")
    assert told.inner_text() == "10 of 60 rows shown."
    page.fill("[name=words]", "")
    page.select_option("[name=look]", "fail")
    assert column(page, "Participant") == ["sub-000"]
    page.select_option("[name=look]", "")
    page.select_option("[name=missing]", "Lesion mask")
    assert told.inner_text() == "20 of 60 rows shown."


def test_links_lead_to_people_and_back(open_group: Any) -> None:
    page = open_group
    page.get_by_role("link", name="sub-001", exact=True).first.click()
    page.wait_for_url("**/sub-001.html#examination")
    assert page.get_by_role("link", name="sub-002").first.get_attribute("href") == "sub-002.html"
    page.get_by_role("link", name="All people").first.click()
    page.wait_for_url("**/group.html")


def test_a_mark_tells_who_it_is_and_leads_there(open_group: Any) -> None:
    page = open_group
    plot = page.locator("svg[data-label='FA in white matter']")
    box = plot.evaluate(
        "svg => { svg.scrollIntoView(); const b = svg.getBoundingClientRect(); return [b.x, b.y, b.width]; }"
    )
    right = re.findall(r"M(\d+) (\d+)h0", plot.locator(".dots").get_attribute("d"))[-1]  # of sub-059, the highest
    x, y = box[0] + int(right[0]) / 1000 * box[2], box[1] + int(right[1])
    page.mouse.move(x, y)
    assert page.locator("#tip").inner_text() == "sub-059: 0.518"
    page.mouse.click(x, y)
    page.wait_for_url("**/sub-059.html#examination")


def test_marks_are_reached_by_keys(open_group: Any) -> None:
    page = open_group
    plot = page.locator("svg[data-label='FA in white matter']")
    plot.focus()
    page.keyboard.press("End")
    assert plot.get_attribute("aria-valuetext") == "sub-059: 0.518"
    page.keyboard.press("ArrowLeft")
    assert plot.get_attribute("aria-valuetext") == "sub-058: 0.516"
    page.keyboard.press("Home")
    assert plot.get_attribute("aria-valuetext") == "sub-000: 0.2"  # flagged, and among the others
    page.keyboard.press("Enter")
    page.wait_for_url("**/sub-000.html#examination")


def test_without_a_script_everything_is_there(browser: Any, tmp_path: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(group(tmp_path).as_uri())
    assert page.locator(".sortable tbody tr").count() == 60
    assert not page.locator("#filter").is_visible()
    assert page.locator("svg[data-label='FA in white matter']").get_attribute("role") == "img"
    page.context.close()


def test_a_table_of_two_thousand_people_is_sorted_at_once(browser: Any, tmp_path: Path) -> None:
    page, table = browser.new_page(), cohort(2000)
    page.goto(write_group_report(tmp_path, None, table).as_uri())
    seconds = page.evaluate("""() => {
        const button = document.querySelectorAll(".sortable thead button")[2], begin = performance.now();
        button.click();
        document.body.offsetHeight;  // with the layout
        return (performance.now() - begin) / 1000;
    }""")
    assert seconds < 0.5  # a tenth of a second on a computer that does much else
    page.wait_for_function("document.querySelectorAll('.sortable tbody tr').length === 2000")  # the rest comes after
    names = page.locator(".sortable tbody th").all_text_contents()
    assert names == list(table.sort_values("probability_poor", kind="stable")["participant_id"])
    page.locator(".sortable thead button").first.click()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".sortable tbody th").all_text_contents() == list(table["participant_id"])
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
