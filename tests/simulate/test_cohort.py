from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from bids_stroke.core.errors import UsageError
from bids_stroke.imaging.corticospinal_tract import N_POINTS, centre_line, cross_sections, radius
from bids_stroke.simulate.cohort import EXAMPLE, plan_visits
from bids_stroke.simulate.lesion import Lesion, draw_lesion, tract_load
from bids_stroke.simulate.options import MODALITIES, CohortOptions, Weights
from bids_stroke.simulate.table import draw_people, outcome

NULL = Weights(0, 0, 0)


@pytest.fixture(scope="module")
def lesions():
    return [draw_lesion(np.random.default_rng(i)) for i in range(60)]


@cache
def columns(weights):
    people = draw_people(CohortOptions(n_subjects=600, seed=5, weights=weights))
    return {
        "load": np.array([p.load for p in people]),
        "age": np.array([p.age for p in people]),
        "coupling": np.array([p.coupling for p in people]),
        "fma_le": np.array([p.fma_le for p in people]),
        "baseline": np.array([p.fma_le_baseline for p in people]),
    }


@pytest.fixture(scope="module")
def planted():
    return columns(Weights())


def correlation(table, cause):
    return np.corrcoef(table[cause], table["fma_le"])[0, 1]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"n_subjects": 0}, "n_subjects"),
        ({"seed": -1}, "seed"),
        ({"resolution": "fine"}, "fine"),
        ({"emg_layout": "nowhere"}, "nowhere"),
        ({"missing_rate": {"pet": 0.1}}, "pet"),
        ({"missing_rate": {"dwi": 1.5}}, "dwi"),
        ({"two_sessions": -0.5}, "two_sessions"),
    ],
)
def test_options_out_of_range_are_refused_by_name(wrong, named):
    with pytest.raises(UsageError, match=named):
        CohortOptions(**wrong)


def test_planted_causes_show_in_the_outcome(planted):
    assert correlation(planted, "load") < -0.6
    assert correlation(planted, "age") < -0.1
    assert correlation(planted, "coupling") > 0.3


@pytest.mark.parametrize("cause", ["load", "age", "coupling"])
def test_null_cohort_has_no_cause(cause):
    # 600 people: the SD of a correlation of independent columns is .041.
    assert abs(correlation(columns(NULL), cause)) < 0.14


@pytest.mark.parametrize("weights", [NULL, Weights(), Weights(2, 0, 0)])
def test_both_classes_are_populated_whatever_the_weights(weights):
    table = columns(weights)
    assert 0.35 < (table["fma_le"] <= 17).mean() < 0.65
    assert table["fma_le"].min() >= 0
    assert table["fma_le"].max() <= 34


def test_one_weight_moves_only_its_own_cause():
    table = columns(Weights(0, 0, 1))
    assert correlation(table, "coupling") > 0.7
    assert abs(correlation(table, "load")) < 0.14


def test_causes_do_not_depend_on_the_weights(planted):
    null = columns(NULL)
    for cause in ("load", "age", "coupling"):
        np.testing.assert_array_equal(null[cause], planted[cause])


def test_null_outcome_ignores_its_causes():
    assert outcome((0.0, 40.0, 1.0), NULL, 0.3) == outcome((1.0, 85.0, 0.0), NULL, 0.3)


def test_baseline_score_goes_with_the_outcome(planted):
    assert np.corrcoef(planted["baseline"], planted["fma_le"])[0, 1] > 0.6


def test_a_person_stays_when_the_cohort_grows():
    few = draw_people(CohortOptions(n_subjects=3, seed=4))
    many = draw_people(CohortOptions(n_subjects=12, seed=4, missing_rate={"dwi": 0.5}))
    for one, same in zip(few, many, strict=False):
        assert (one.age, one.load, one.fma_le) == (same.age, same.load, same.fma_le)


def test_seeds_give_different_people():
    one, other = (draw_people(CohortOptions(n_subjects=8, seed=seed)) for seed in (1, 2))
    assert [p.load for p in one] != [p.load for p in other]


def test_labels_sort_as_numbers():
    labels = [p.subject for p in draw_people(CohortOptions(n_subjects=101))]
    assert labels[0] == "001"
    assert labels == sorted(labels)


def test_lesions_are_in_their_own_hemisphere(lesions):
    points = np.random.default_rng(0).uniform([-80, -110, -70], [80, 80, 90], (4000, 3))
    for lesion in lesions:
        inside = points[lesion.occupancy(points) > 0.5]
        assert np.all(inside[:, 0] > 0) if lesion.side == "R" else np.all(inside[:, 0] < 0)


def test_lesion_sizes_are_those_of_strokes(lesions):
    volumes = [lesion.volume_ml for lesion in lesions]
    assert min(volumes) > 0.4
    assert max(volumes) < 120
    assert 1 < np.median(volumes) < 20
    assert {lesion.side for lesion in lesions} == {"L", "R"}


def test_a_ball_has_the_volume_of_a_ball():
    ball = Lesion("R", np.array([40.0, 0, 20]), np.full(3, 15.0), np.eye(3), np.zeros((6, 3)), np.zeros(6), "")
    assert ball.volume_ml == pytest.approx(4 / 3 * np.pi * 3.375, rel=0.1)


def test_lesions_are_irregular(lesions):
    lesion = lesions[0]
    directions = np.random.default_rng(1).standard_normal((400, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    on_ellipsoid = lesion.centre + (directions * lesion.radii) @ lesion.axes
    inside = lesion.occupancy(on_ellipsoid) > 0.5
    assert 0.1 < inside.mean() < 0.9


def test_tract_load_of_a_lesion_on_and_off_the_tract():
    points, _ = centre_line()
    on_tract, off_tract = draw_lesion(np.random.default_rng(1)), draw_lesion(np.random.default_rng(1))
    mirror = np.array([1.0 if on_tract.side == "R" else -1.0, 1, 1])
    on_tract.radii[:] = 12
    on_tract.centre[:] = points[N_POINTS // 2] * mirror
    off_tract.radii[:] = 6
    off_tract.centre[:] = np.array([45.0, 45.0, 10.0]) * mirror
    load, arc = tract_load(on_tract)
    assert load > 0.9
    assert 0.35 < arc < 0.5
    assert tract_load(off_tract) == (0.0, 1.0)


def test_tract_runs_from_medulla_to_cortex():
    points, tangents = centre_line()
    assert points.shape == tangents.shape == (N_POINTS, 3)
    assert points[0, 2] < -50
    assert points[-1, 2] > 60
    assert np.all(points[:, 0] > 0)
    np.testing.assert_allclose(np.linalg.norm(tangents, axis=1), 1)
    steps = np.diff(points, axis=0)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), np.linalg.norm(steps[0]), rtol=0.01)
    assert np.all(np.einsum("ij,ij->i", steps, tangents[:-1]) > 0.95 * np.linalg.norm(steps, axis=1))


def test_cross_sections_fill_the_tract():
    points, tangents = centre_line()
    offsets = cross_sections() - points[:, None, :]
    reach = np.linalg.norm(offsets, axis=2).max(axis=1)
    np.testing.assert_allclose(reach, 0.9 * radius(np.linspace(0, 1, N_POINTS)))
    np.testing.assert_allclose(np.einsum("ijk,ik->ij", offsets, tangents), 0, atol=1e-9)


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
    assert sum(p.fma_le <= 17 for p in people) == 3
    assert {p.lesion.side for p in people} == {"L", "R"}
    assert {p.sex for p in people} == {"F", "M"}
