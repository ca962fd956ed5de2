"""A participant's page: what it says of the prediction, of the data behind it, and of what failed."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bids_stroke.core.records import MemberPrediction, Prediction, StepReport, UnitStatus
from bids_stroke.features.clinical_rules import clinical_rules
from bids_stroke.report.participant import UnitReport, write_participant_report
from tests.helpers.pages import FLAGGED_STEPS, Page

PREDICTION = Prediction(
    probability_poor=0.72,
    probability_poor_interval=(0.41, 0.9),
    prediction="poor",
    predicted_score=14.23,
    members={
        "fa": MemberPrediction(0.81, 12.0, 1, 0.6),
        "bold_shufflenet": MemberPrediction(0.66, 15.0, 24, 0.4),
    },
    missing={"eegemg": "no-eeg"},
    model={"name": "cohort-a", "version": "1", "sha256": "ab" * 32, "demonstration": False, "outcome": "fma_le<=17"},
    in_training_set=False,
    warnings=("Age 91 is outside the training range.",),
)


def participant_page(root: Path, *units: UnitReport) -> Page:
    return Page(write_participant_report(root, "01", units))


def test_participant_page_says_the_prediction_in_words_and_numbers(tmp_path: Path) -> None:
    page = participant_page(tmp_path, UnitReport("01", None, PREDICTION))
    assert (tmp_path / "sub-01.html").is_file()
    for expected in (
        "Research use only",
        "Poor outcome more likely",
        "Probability of a poor outcome: 72 % (90 % interval 41 % to 90 %)",
        "lower-limb Fugl-Meyer score (FMA-LE) of 17 or less",
        "14.2 of 34",
        "Age 91 is outside the training range.",
        "EEG and EMG: there is no EEG or EMG recording",
        "24 slices",
        "cohort-a, version 1, sha256 abababababab",
    ):
        assert expected in page.text
    assert "Demonstration" not in page.text and "training data" not in page.text


def test_bar_shows_the_probability_and_its_interval_in_place(tmp_path: Path) -> None:
    write_participant_report(tmp_path, "01", [UnitReport("01", None, PREDICTION)])
    text = (tmp_path / "sub-01.html").read_text()
    assert float(re.search(r'<circle cx="([\d.]+)"', text)[1]) == pytest.approx(20 + 600 * 0.72)  # type: ignore[index]
    band = re.findall(r'<rect x="([\d.]+)" y="34" width="([\d.]+)"', text)[1]
    assert [float(value) for value in band] == pytest.approx([20 + 600 * 0.41, 600 * 0.49])


def test_demonstration_and_training_set_are_said_loudly(tmp_path: Path) -> None:
    marked = replace(PREDICTION, model={**PREDICTION.model, "demonstration": True}, in_training_set=True)
    page = participant_page(tmp_path, UnitReport("01", None, marked))
    assert "Demonstration model: do not read the prediction as one." in page.text
    assert "Demonstration only: Poor outcome more likely" in page.text
    assert "This person was in the model's training data." in page.text


def test_abstention_and_missing_score(tmp_path: Path) -> None:
    page = participant_page(
        tmp_path, UnitReport("01", None, replace(PREDICTION, prediction="abstain", predicted_score=None))
    )
    assert "No decision" in page.text and "Predicted score" not in page.text


def test_sessions_failure_warnings_and_quality(tmp_path: Path) -> None:
    figure = tmp_path / "sub-01" / "ses-01" / "figures" / "sub-01_ses-01_desc-tissues_figure.png"
    step = StepReport(
        qc={"brain_volume_ml": 1432.4}, warnings=("Two scans: the first is used.",), missing={"gm": "no-brain-found"}
    )
    failed = UnitStatus("01", "02", "failed", "missing-bval", "sub-01_dwi.nii.gz has no .bval file.")
    page = participant_page(
        tmp_path,
        UnitReport("01", "01", PREDICTION, {"anat": step}, (figure,)),
        UnitReport("01", "02", None, status=failed, unused={"x.nii.gz": "another run"}),
    )
    assert page.links == ["#ses-01", "#ses-02"]
    assert page.sources == ["sub-01/ses-01/figures/sub-01_ses-01_desc-tissues_figure.png"]
    assert "not completed: missing bval" in page.text and "has no .bval file" in page.text
    assert "brain volume 1432 ml 900 to 2000 ml as expected" in page.text
    assert "T1-weighted image: Two scans: the first is used." in page.text
    assert "grey matter (T1w): no brain was found" in page.text
    assert "x.nii.gz: another run" in page.text


def test_text_from_data_is_escaped(tmp_path: Path) -> None:
    bad = replace(PREDICTION, warnings=("<script>alert(1)</script>",))
    write_participant_report(tmp_path, "01", [UnitReport("01", None, bad)])
    text = (tmp_path / "sub-01.html").read_text()
    assert "<script" not in text and "&lt;script&gt;" in text


def test_participant_page_shows_flags_first_and_all_numbers_below(tmp_path: Path) -> None:
    table = tmp_path / "sub-01" / "sub-01_quality.tsv"
    page = participant_page(tmp_path, UnitReport("01", None, PREDICTION, FLAGGED_STEPS, quality_file=table))
    assert page.text.index("Some results cannot be right") < page.text.index("Probability of a poor outcome")
    assert "brain volume 300 ml 900 to 2000 ml cannot be right" in page.text
    assert "mean diffusivity in white matter 0.75 × 10⁻³ mm²/s 0.55 to 1.05 × 10⁻³ mm²/s as expected" in page.text
    assert "sub-01/sub-01_quality.tsv" in page.text
    good = participant_page(
        tmp_path, UnitReport("01", None, PREDICTION, {"anat": StepReport(qc={"gm_volume_ml": 600.0})})
    )
    assert "Look at these" not in good.text and "cannot be right" not in good.text
    assert "Mirrored" not in good.text


def test_a_mirrored_unit_is_marked_and_a_text_of_all_steps_is_said_once(tmp_path: Path) -> None:
    qc, text = {"mirrored": 1.0}, "The lesion mask lies on the right, the column says left."
    steps = {name: StepReport(qc=qc, warnings=(text,)) for name in ("anat", "dwi")}
    page = participant_page(tmp_path, UnitReport("01", None, PREDICTION, steps))
    assert "Mirrored: the right side of the brain is affected." in page.text
    assert page.text.count(text) == 1
    assert f"T1-weighted image, Diffusion (DWI): {text}" in page.text


def test_rules_of_the_clinic_and_the_limits_of_the_decision_stand_beside_the_prediction(tmp_path: Path) -> None:
    rules = tuple(asdict(rule) for rule in clinical_rules({"safe": 4.0, "mep": 0.0, "tct": 55.0}))
    prediction = replace(PREDICTION, rules=rules, decided_beyond=(0.18, 0.7))
    text = Page(write_participant_report(tmp_path, "01", [UnitReport("01", None, prediction)])).text
    limits = "A good outcome is decided below 18 %, a poor one above 70 % (black lines); between is no decision."
    assert limits in text
    missing = "PREP2 use of the affected arm and hand at 3 months nothing: NIHSS on day 3 is missing SAFE 4, MEP 0"
    assert missing in text
    assert "TWIST 2017 independent walking walks independently by 6 weeks trunk control test 55" in text
    plain = Page(write_participant_report(tmp_path, "02", [UnitReport("02", None, PREDICTION)])).text
    assert "Rules of the clinic" not in plain and limits not in plain
