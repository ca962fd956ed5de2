from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.core.records import MemberPrediction, Prediction, StepReport, UnitStatus
from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.evaluation.evaluate import evaluate
from bids_stroke.report import words
from bids_stroke.report.group import GroupDetails, write_group_report
from bids_stroke.report.participant import UnitReport, write_participant_report
from bids_stroke.report.quality import flagged, flagged_units, overview

QUICK = Settings(training=TrainingSettings(bootstrap=200, permutations=199))
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


class Page(HTMLParser):
    """Visible text, addresses and alternative texts of a page; fails on tags that do not match."""

    VOID = ("meta", "img", "br", "rect", "line", "circle")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.sources: list[str] = []
        self.links: list[str] = []
        self.feed(path.read_text())
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "img":
            assert values["alt"]
            self.sources.append(str(values["src"]))
        if tag == "a":
            self.links.append(str(values["href"]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def participant_page(root: Path, *units: UnitReport) -> Page:
    return Page(write_participant_report(root, "01", units))


def cohort(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    score = rng.uniform(2, 34, n).round()
    poor = (score <= 17).astype(float)
    probability = 1 / (1 + np.exp(-(3 * poor - 1.5 + rng.normal(size=n))))
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{i:03d}" for i in range(n)],
            "score": score,
            "poor": poor,
            "probability_poor": probability,
            "prediction": np.where(probability > 0.6, "poor", np.where(probability < 0.4, "good", "abstain")),
            "predicted_score": score + rng.normal(0, 3, n),
            "p_fa": rng.random(n),
            "baseline_clinical": rng.random(n),
        }
    )


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


def test_pages_are_the_same_bytes_again_and_load_nothing_from_outside(tmp_path: Path) -> None:
    table = cohort()
    first, second = (write_group_report(tmp_path, evaluate(table, QUICK), table).read_bytes() for _ in range(2))
    assert first == second
    page = Page(tmp_path / "group.html")
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert len(page.sources) == 3
    assert b"http" not in re.sub(rb"base64,[\w+/=]+", b"", first)


def test_group_page_gives_every_model_with_intervals(tmp_path: Path) -> None:
    table = cohort()
    evaluation = evaluate(table, QUICK)
    page = Page(write_group_report(tmp_path, evaluation, table, GroupDetails(how="Five folds by participant.")))
    rows = evaluation.metrics.set_index(["model", "metric"])
    for model in ("fusion", "fa", "clinical"):
        auc = rows.loc[(model, "auc")]
        assert f"{auc['value']:.2f} {auc['low']:.2f} to {auc['high']:.2f}" in page.text
    assert f"Evaluated: {evaluation.n} people" in page.text
    assert "Five folds by participant." in page.text
    assert "permutation p = 0.005" in page.text
    assert "Brier score and Calibration slope of fa: its probabilities are not calibrated." in page.text
    assert page.links[:2] == ["sub-000.html", "sub-001.html"]


def test_group_page_without_outcomes_lists_predictions_and_says_so(tmp_path: Path) -> None:
    table = cohort(5).assign(poor=np.nan).drop(columns="score")
    for evaluation in (None, evaluate(table, QUICK)):
        page = Page(write_group_report(tmp_path, evaluation, table))
        assert "No outcome is known" in page.text
        assert "sub-004" in page.text and "AUC" not in page.text and "Known outcome" not in page.text


def test_group_page_with_too_few_outcomes_gives_no_numbers(tmp_path: Path) -> None:
    table = cohort(6)
    page = Page(write_group_report(tmp_path, evaluate(table, QUICK), table))
    assert "No metrics are given." in page.text and "AUC" not in page.text
    assert "too few participants (6 of at least 10)" in page.text or "only one kind of outcome" in page.text


def test_group_page_names_who_was_left_out_or_failed(tmp_path: Path) -> None:
    table = cohort().assign(demonstration=True, excluded=None)
    table.loc[0, "excluded"] = "in-training-set"
    failed = UnitStatus("077", "01", "failed", "no-usable-modality", "nothing there")
    page = Page(write_group_report(tmp_path, evaluate(table, QUICK), table, GroupDetails([failed])))
    assert "sub-000 – the person was in the model's training data" in page.text
    assert "sub-077, session 01 no usable modality nothing there" in page.text
    assert "Demonstration model" in page.text


def test_group_page_tells_who_the_model_had_seen(tmp_path: Path) -> None:
    table = cohort().assign(in_training_set=[True] * 20 + [False] * 40, excluded=None)
    table = table.assign(out_of_fold=[True] * 15 + [False] * 45)
    table.loc[15:19, ["excluded", "prediction"]] = "in-training-set", "left-out"
    page = Page(write_group_report(tmp_path, evaluate(table, QUICK), table))
    assert "People who were not in the model's training data: 40." in page.text
    assert "predicted (out of fold): 15." in page.text
    assert "are not evaluated: 5." in page.text
    assert "was in the training data: out-of-fold prediction" in page.text
    poor, good, unsure = ((table["prediction"] == word).sum() for word in ("poor", "good", "abstain"))
    assert poor + good + unsure == 55 and poor and good
    counts = f"likely in {poor}, good outcome more likely in {good}, no decision in {unsure}, not shown in 5 because"
    assert counts in page.text
    row = table.iloc[0]
    assert f"sub-000 {row['prediction'].replace('abstain', 'no decision')} " in page.text


def test_group_page_of_two_sessions_without_outcome_as_the_group_level_gives_them(tmp_path: Path) -> None:
    rows = [
        {"participant_id": "sub-01", "session_id": f"ses-0{i}", "score": None, "poor": None, "probability_poor": 0.4,
         "probability_poor_low": 0.1, "probability_poor_high": 0.8, "prediction": "abstain", "predicted_score": 12.0,
         "in_training_set": False, "excluded": None, "demonstration": True, "p_fa": 0.4}
        for i in (1, 2)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    page = Page(write_group_report(tmp_path, evaluate(table, QUICK), table))
    assert "1 person, 2 examinations" in page.text and "No outcome is known" in page.text
    assert "sub-01 02 no decision 40 % 10 % to 80 % 12.0" in page.text


def test_quality_overview_points_at_the_unit_that_differs() -> None:
    values = dict(zip("abcdefghij", [0.40, 0.41, 0.42, 0.43, 0.44, 0.41, 0.42, 0.43, 0.42, 0.9], strict=True))
    steps = {name: {"dwi": StepReport(qc={"fa_wm_median": value})} for name, value in values.items()}
    (row,) = overview(steps)
    assert (row["n"], row["unusual"], row["name"]) == (10, "j", "FA in white matter")
    assert (row["median"], row["low"], row["high"]) == ("0.42", "0.4", "0.9")
    assert overview(dict(list(steps.items())[-3:]))[0]["unusual"] == ""  # too few to say
    assert overview({}) == []


BAD = {
    "anat": StepReport(qc={"brain_volume_ml": 300.0, "brain_dice_template": 0.95}),
    "dwi": StepReport(qc={"fa_wm_median": 0.2, "md_wm_median_mm2_s": 7.5e-4, "standard_coverage_fraction": 0.5}),
}


def test_what_is_flagged_is_said_in_words_the_worst_first() -> None:
    said = [(item.step, item.label, item.value, item.usual, item.judgement) for item in flagged(BAD)]
    assert said == [
        ("T1-weighted image", "brain volume", "300 ml", "900 to 2000 ml", "cannot be right"),
        ("Diffusion (DWI)", "FA in white matter", "0.2", "0.3 to 0.65", "look at this"),
        ("Diffusion (DWI)", "share of the standard brain covered", "50 %", "at least 90 %", "look at this"),
    ]
    (row,) = flagged_units({"sub-01": BAD, "sub-02": {"anat": StepReport(qc={"brain_volume_ml": 1400.0})}})
    assert (row["unit"], row["judgement"]) == ("sub-01", "cannot be right")
    assert row["what"][0] == "T1-weighted image: brain volume 300 ml (usual: 900 to 2000 ml)"


def test_participant_page_shows_flags_first_and_all_numbers_below(tmp_path: Path) -> None:
    table = tmp_path / "sub-01" / "sub-01_quality.tsv"
    page = participant_page(tmp_path, UnitReport("01", None, PREDICTION, BAD, quality_file=table))
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


def test_group_page_lists_the_flagged_units(tmp_path: Path) -> None:
    table = cohort()
    page = Page(write_group_report(tmp_path, evaluate(table, QUICK), table, GroupDetails(steps={"sub-000": BAD})))
    assert "1 examination to look at" in page.text
    assert "sub-000 cannot be right T1-weighted image: brain volume 300 ml (usual: 900 to 2000 ml)" in page.text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.723, "72 %"),
        (0.004, "< 1 %"),
        (0.996, "> 99 %"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_percent(given: float | None, expected: str) -> None:
    assert words.percent(given) == expected


def test_words() -> None:
    assert words.outcome_in_words("nihss>=5") == "nihss of 5 or more"
    assert words.outcome_in_words("fma_le<17") == "lower-limb Fugl-Meyer score (FMA-LE) below 17"
    assert words.reason_in_words("an-unknown-code") == "an unknown code"
    assert words.quantity_in_words("n_windows") == "number of windows"
    assert words.quantity_in_words("mean_framewise_displacement_mm") == "mean framewise displacement (mm)"
    assert words.p_value(0.0004) == "< 0.001" and words.p_value(0.041) == "0.041" and words.p_value(None) == "–"
    assert words.number(-0.5) == "−0.50"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(20000.0, 3, "20000"), (1234.56, 4, "1235"), (0.00071234, 3, "0.000712"), (-13.33, 3, "−13.3"),
     (float("nan"), 3, "–"), (None, 3, "–")],
)  # fmt: skip
def test_numbers_are_written_without_powers_where_they_are_large(value: float, digits: int, text: str) -> None:
    assert words.significant(value, digits) == text
