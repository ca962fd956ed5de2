"""A participant's page: what it says of the prediction, of the data behind it, and of what failed."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bids_stroke.core.records import Contribution, MemberPrediction, Prediction, StepReport, UnitStatus
from bids_stroke.derivatives.provenance import RunTold
from bids_stroke.features.clinical_rules import clinical_rules
from bids_stroke.report.participant import Around, UnitReport, write_participant_report
from bids_stroke.report.provenance import Made, Ran
from tests.helpers.pages import FLAGGED_STEPS, HOSTILE, Page, times_shown_and_never_obeyed

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
    assert float(re.search(r'<circle cx="([\d.]+)%"', text)[1]) == pytest.approx(72)  # type: ignore[index]
    (band,) = re.findall(r'<rect x="([\d.]+)%" y="34" width="([\d.]+)%"', text)
    assert [float(value) for value in band] == pytest.approx([41, 49])


def test_a_probability_is_never_written_as_a_limit_that_it_does_not_reach(tmp_path: Path) -> None:
    near = replace(PREDICTION, probability_poor=0.797, prediction="indeterminate", decided_beyond=(0.2, 0.803))
    text = participant_page(tmp_path, UnitReport("01", None, near)).text
    assert "Probability of a poor outcome: 79.7 %" in text and "a poor one above 80.3 %" in text


def test_who_the_person_is_stands_first(tmp_path: Path) -> None:
    lesion = StepReport(qc={"lesion_volume_ml": 34.4, "lesion_side_left_fraction": 0.03})
    unit = UnitReport("01", None, PREDICTION, {"lesion": lesion}, person=(("Age", "68 years"), ("Sex", "male")))
    text = participant_page(tmp_path, unit).text
    assert "Age 68 years Sex male Lesion 34 ml, right" in text
    assert text.index("68 years") < text.index("Poor outcome more likely")


def test_the_score_lies_on_its_scale_with_the_cut(tmp_path: Path) -> None:
    scored = replace(PREDICTION, predicted_score_interval=(8.5, 25.5))
    participant_page(tmp_path, UnitReport("01", None, scored))
    text = (tmp_path / "sub-01.html").read_text()
    assert "predicted 14.2, 90 % interval 8.5 to 25.5, poor outcome up to 17" in text
    circles = [float(x) for x in re.findall(r'<circle cx="([\d.]+)%"', text)]
    assert circles[-1] == pytest.approx(100 * 14.23 / 34, abs=0.01)
    assert re.search(r'<line x1="50.0%" x2="50.0%" y1="28" y2="58" stroke="#b5541c"', text)  # 17 of 34


def test_what_moves_the_prediction_by_kind_and_by_number(tmp_path: Path) -> None:
    parts = (
        Contribution("", "", "", 0.1),
        Contribution("lesion_regions", "lesion", "whole brain", 0.5, 2.0, 1.24),
        Contribution("lesion_regions", "lesion", "parcel 3, both sides", -0.2, 0.1, -0.5),
        Contribution("fa", "fa", "", -0.1),
    )
    page = participant_page(tmp_path, UnitReport("01", None, replace(PREDICTION, contributions=parts, index=0.3)))
    assert "Kind of data Moves the prediction Lesion mask Diffusion (DWI)" in page.text
    assert "Lesion mask: whole brain lesion_regions 1.2 SD above" in page.text
    text = (tmp_path / "sub-01.html").read_text()
    told = re.findall(r'aria-label="(-?\d+) % of the largest, ([^"]+)"', text)
    assert told[:2] == [("100", "towards a poor outcome"), ("-33", "towards a good outcome")]


def test_pictures_are_inside_as_far_as_the_page_may_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "sub-01" / "figures"
    folder.mkdir(parents=True)
    pictures = [folder / f"sub-01_ses-{i}_desc-tissues_figure.png" for i in (1, 2)]
    for picture in pictures:
        picture.write_bytes(b"x" * 900)
    monkeypatch.setattr("bids_stroke.report.participant.LARGEST_PAGE", 1300)
    units = [UnitReport("01", str(i + 1), PREDICTION, figures=(picture,)) for i, picture in enumerate(pictures)]
    page = participant_page(tmp_path, *units)
    later, earlier = page.sources[:2]  # then the trend
    assert later.startswith("data:image/png;base64,")
    assert earlier == "sub-01/figures/sub-01_ses-1_desc-tissues_figure.png"


def test_sessions_are_shown_as_a_trend_and_the_earlier_ones_folded(tmp_path: Path) -> None:
    page = participant_page(tmp_path, UnitReport("01", "01", PREDICTION), UnitReport("01", "02", PREDICTION))
    assert page.sources[-1].startswith("data:image/svg+xml")
    text = (tmp_path / "sub-01.html").read_text()
    assert text.index('id="ses-02"') < text.index('id="ses-01"')
    assert re.findall(r'<details id="ses-(\d+)-members"( open)?>', text) == [("02", " open"), ("01", "")]


def test_demonstration_and_training_set_are_said_loudly(tmp_path: Path) -> None:
    marked = replace(PREDICTION, model={**PREDICTION.model, "demonstration": True}, in_training_set=True)
    page = participant_page(tmp_path, UnitReport("01", None, marked))
    assert "Demonstration model: do not read the prediction as one." in page.text
    assert "Demonstration only: Poor outcome more likely" in page.text
    assert "This person was in the model's training data." in page.text
    assert "group.html#predictions" in page.links


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
    assert page.links[:4] == ["#content", "group.html", "#ses-02", "#ses-01"]  # the latest first
    assert page.sources == ["sub-01/ses-01/figures/sub-01_ses-01_desc-tissues_figure.png"]
    assert "not completed: missing bval" in page.text and "has no .bval file" in page.text
    assert "brain volume 1432 ml 900 to 2000 ml as expected" in page.text
    assert "T1-weighted image: Two scans: the first is used." in page.text
    assert "grey matter (T1w): no brain was found" in page.text
    assert "x.nii.gz: another run" in page.text


def test_text_from_data_is_escaped_wherever_it_stands(tmp_path: Path) -> None:
    bad = HOSTILE
    member = MemberPrediction(0.5, 12.0, 1, 0.6, bad)
    prediction = replace(
        PREDICTION, warnings=(bad,), members={bad: member}, missing={bad: bad}, prediction=bad,
        model={"name": bad, "version": bad, "sha256": bad, "outcome": bad, "demonstration": False},
        contributions=(Contribution(bad, bad, bad, 0.5, 1.0, 1.0),),
        rules=({"rule": bad, "about": bad, "says": bad, "missing": (), "used": {bad: 1.0}, "source": bad},),
    )  # fmt: skip
    steps = {"dwi": StepReport(qc={bad: 1.0}, warnings=(bad,), missing={bad: bad}), bad: StepReport(qc={bad: 2.0})}
    ran = (Ran(bad, bad, bad, {bad: bad}, {bad: bad}),)
    picture = tmp_path / "sub-01" / "figures" / f"sub-01_{bad.replace('/', '')}_figure.png"
    status = UnitStatus("01", "02", "failed", bad, bad)
    units = [
        UnitReport("01", "01", prediction, steps, (picture,), unused={bad: bad}, notes=(bad,), person=((bad, bad),),
                   quality_file=tmp_path / f"{bad.replace('/', '')}.tsv", ran=ran),
        UnitReport("01", "02", None, status=status),
    ]  # fmt: skip
    around = Around(made=Made(RunTold(bad, bad, bad), (bad,), ((bad, bad),)))
    path = write_participant_report(tmp_path, "01", units, around)
    assert times_shown_and_never_obeyed(path, scripts=0) > 30


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
