"""Quality numbers in words, and what is flagged."""

from __future__ import annotations

from bids_stroke.core.records import StepReport
from bids_stroke.report.quality import flagged, flagged_units, overview
from tests.helpers.pages import FLAGGED_STEPS


def test_quality_overview_points_at_the_unit_that_differs() -> None:
    values = dict(zip("abcdefghij", [0.40, 0.41, 0.42, 0.43, 0.44, 0.41, 0.42, 0.43, 0.42, 0.9], strict=True))
    steps = {name: {"dwi": StepReport(qc={"fa_wm_median": value})} for name, value in values.items()}
    (row,) = overview(steps)
    assert (row["n"], row["unusual"], row["name"]) == (10, ["j"], "FA in white matter")
    assert (row["median"], row["low"], row["high"]) == ("0.42", "0.4", "0.9")
    assert overview(dict(list(steps.items())[-3:]))[0]["unusual"] == []  # too few to say
    assert overview({}) == []
    plot = row["strip"]
    assert (plot.n, plot.n_marked, plot.unit) == (10, 1, "")
    assert plot.values.split(",")[-1] == "0.9"


def test_marks_are_what_the_rule_or_the_cohort_finds_in_the_units_that_people_read() -> None:
    shares = {f"sub-{i}": {"dwi": StepReport(qc={"standard_coverage_fraction": share})}
              for i, share in enumerate([0.99, 0.98, 0.5])}  # fmt: skip
    (row,) = overview(shares | {"sub-none": {"anat": StepReport()}})
    plot = row["strip"]
    assert (plot.values, plot.unit, plot.n, plot.n_marked) == ("99,98,50,", "%", 3, 1)  # usual: 90 % and more
    assert row["usual"] == "at least 90 %"
    mirrored = {name: {"anat": StepReport(qc={"mirrored": 1.0})} for name in "ab"}
    assert overview(mirrored)[0]["strip"] is None


def test_what_is_flagged_is_said_in_words_the_worst_first() -> None:
    said = [(item.step, item.label, item.value, item.usual, item.judgement) for item in flagged(FLAGGED_STEPS)]
    assert said == [
        ("T1-weighted image", "brain volume", "300 ml", "900 to 2000 ml", "cannot be right"),
        ("Diffusion (DWI)", "FA in white matter", "0.2", "0.3 to 0.65", "look at this"),
        ("Diffusion (DWI)", "share of the standard brain covered", "50 %", "at least 90 %", "look at this"),
    ]
    (row,) = flagged_units({"sub-01": FLAGGED_STEPS, "sub-02": {"anat": StepReport(qc={"brain_volume_ml": 1400.0})}})
    assert (row["unit"], row["judgement"]) == ("sub-01", "cannot be right")
    assert row["what"][0] == "T1-weighted image: brain volume 300 ml (usual: 900 to 2000 ml)"
