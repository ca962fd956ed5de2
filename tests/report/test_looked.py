"""What the page says of where networks looked: how much it matters, the audit's verdict, and nothing unescaped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bids_stroke.core.records import MemberPrediction, Prediction
from bids_stroke.derivatives.explanations import NetworkExplanation
from bids_stroke.report.looked import lines
from bids_stroke.report.participant import UnitReport, write_participant_report
from tests.helpers.pages import Page

ROW = NetworkExplanation(
    "fa",
    "fa",
    "cbam_resnet3d",
    0.4,
    "Grad-CAM",
    0.12,
    0.31,
    0.4,
    0.2,
    0.2,
    0.4,
    0.37,
    figure="sub-01_desc-x_figure.png",
)
MODEL = {"name": "m", "version": "1", "sha256": "ab" * 32, "demonstration": False, "outcome": "fma_le<=17"}
PREDICTION = Prediction(0.7, None, "poor", None, {"fa": MemberPrediction(0.7, 12.0, 1, 1.0)}, {}, MODEL, False)


def page_of(root: Path, *rows: NetworkExplanation) -> Page:
    folder = root / "sub-01" / "figures"
    folder.mkdir(parents=True)
    (folder / "sub-01_desc-x_figure.png").write_bytes(b"\x89PNG")
    unit = UnitReport("01", None, PREDICTION, explanations=rows, figure_folder=folder)
    return Page(write_participant_report(root, "01", [unit]))


def test_the_page_tells_shares_and_that_nobody_has_audited(tmp_path: Path) -> None:
    page = page_of(tmp_path, ROW)
    for words in (
        "Where the networks looked",
        "12 %",
        "31 %",
        "37 %",
        "Affected side",
        "Not audited",
        "not why the person",
    ):
        assert words in page.text
    assert "hardly matters" not in page.text
    html = (tmp_path / "sub-01.html").read_text()
    assert html.index("Member by member") < html.index("Where the networks looked")
    assert 'src="data:image/png;base64,' in html


def test_a_failed_audit_warns_beside_the_picture(tmp_path: Path) -> None:
    page = page_of(tmp_path, replace(ROW, audit="failed", faults="Its map is <script>alert(1)</script>."))
    assert "do not believe this picture. Its map is <script>" in page.text  # as text
    assert "<script>" not in (tmp_path / "sub-01.html").read_text()


def test_without_a_known_side_left_and_right_are_told(tmp_path: Path) -> None:
    page = page_of(tmp_path, replace(ROW, ipsilesional=None, contralesional=None))
    assert "Left side" in page.text and "Affected side" not in page.text


def test_a_unit_without_explanations_has_no_such_section(tmp_path: Path) -> None:
    assert "Where the networks looked" not in page_of(tmp_path).text


def test_a_network_of_little_weight_and_one_that_shows_nothing_say_so() -> None:
    little, nothing, passed = lines([replace(ROW, weight=0.004), replace(ROW, figure=""), replace(ROW, audit="passed")])
    assert "< 1 % of the weight" in little.little
    assert "there is no picture" in nothing.text
    assert "does not make them right" in passed.verdict and not passed.warns
