"""Visits of a simulated cohort: modalities that are missing, layouts and sessions; the example."""

from __future__ import annotations

import pytest

from bids_stroke.simulate.cohort import EXAMPLE, plan_visits
from bids_stroke.simulate.options import MODALITIES, CohortOptions
from bids_stroke.simulate.table import draw_people


@pytest.mark.parametrize("modality", MODALITIES)
def test_missing_rate_is_honoured_exactly(modality):
    visits = plan_visits(CohortOptions(n_subjects=40, missing_rate={modality: 0.3}))
    lacking = [subject for subject, (visit,) in visits.items() if modality not in visit.modalities]
    assert len(lacking) == 12
    others = frozenset(MODALITIES) - {modality}
    assert all(others <= visit.modalities for (visit,) in visits.values())


def test_modalities_are_not_missing_in_the_same_people():
    visits = plan_visits(CohortOptions(n_subjects=40, missing_rate={"dwi": 0.5, "bold": 0.5}))
    both = [v for (v,) in visits.values() if ("dwi" in v.modalities) == ("bold" in v.modalities)]
    assert 5 < len(both) < 35


def test_layouts_and_sessions_follow_the_options():
    visits = plan_visits(CohortOptions(n_subjects=10, emg_layout="mixed", two_sessions=0.4))
    assert sum(len(v) == 2 for v in visits.values()) == 4
    assert [v[0].emg_apart for v in visits.values()] == [False, True] * 5
    assert {v[0].session for v in visits.values() if len(v) == 1} == {None}
    assert {tuple(x.session for x in v) for v in visits.values() if len(v) == 2} == {("01", "02")}


def test_example_has_both_classes_sides_and_sexes():
    people = draw_people(EXAMPLE)
    assert sum(p.fma_le <= 17 for p in people[:6]) == 3
    assert 8 <= sum(p.fma_le <= 17 for p in people) <= 22
    assert {p.lesion.side for p in people} == {"L", "R"}
    assert {p.sex for p in people} == {"F", "M"}
