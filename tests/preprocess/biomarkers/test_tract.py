"""Numbers of the tract: lesions and tensor maps whose truth is known."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.core.biomarkers import BIOMARKERS, of_group
from bids_stroke.imaging.corticospinal_tract import centre_line, radius
from bids_stroke.imaging.standard_space import STANDARD_SHAPE, standard_grid
from bids_stroke.networks.regions import atlas
from bids_stroke.preprocess.biomarkers.tract import (
    CAPSULE_MM,
    VOXEL_ML,
    capsule,
    diffusion_numbers,
    lesion_numbers,
    sides,
    slice_weights,
    tract,
)
from bids_stroke.simulate.template import grid_points, sample

POINTS = grid_points(STANDARD_SHAPE, standard_grid().affine)
X, Y, Z = np.moveaxis(POINTS, -1, 0)
IN_TRACT = np.concatenate([tract()[:0:-1], tract()]) > 0


def at_height(z):
    """Point of the right centre line at a height in mm, and its arc (0-1)."""
    line, _ = centre_line()
    where = np.interp(z, line[:, 2], np.arange(len(line)))
    return np.array([np.interp(where, np.arange(len(line)), axis) for axis in line.T]), where / (len(line) - 1)


def ball(centre, radius_mm):
    """Share of each voxel in a ball, by 4 x 4 x 4 points in it."""
    shares = np.zeros(STANDARD_SHAPE)
    near = np.argwhere(np.linalg.norm(POINTS - centre, axis=-1) < radius_mm + 2)
    offsets = np.stack(np.meshgrid(*[[-0.75, -0.25, 0.25, 0.75]] * 3), axis=-1).reshape(-1, 3)
    for place in near:
        shares[tuple(place)] = (np.linalg.norm(POINTS[tuple(place)] + offsets - centre, axis=1) <= radius_mm).mean()
    return shares


def swapped(numbers):
    """Numbers as those of the mirror image must be."""
    other = {name: name.replace("left", "?").replace("right", "left").replace("?", "right") for name in numbers}
    return {other[name]: -value if "laterality" in name else value for name, value in numbers.items()}


def test_the_drawn_tract_has_the_volume_of_its_tube():
    """With an edge of exp(-log 2 (d / r)^6) its cross-section is pi r^2 Gamma(4/3) / log(2)^(1/3) = 1.009 pi r^2."""
    line, _ = centre_line()
    length = np.linalg.norm(np.diff(line, axis=0), axis=1)
    squared = np.interp(np.arange(len(length)) + 0.5, np.arange(len(line)), radius(np.linspace(0, 1, len(line))) ** 2)
    inside = (line[1:, 2] > CAPSULE_MM[0] - 1) & (line[1:, 2] <= CAPSULE_MM[1] + 1)
    assert capsule().sum() * VOXEL_ML * 1000 == pytest.approx(1.009 * np.pi * squared @ (length * inside), rel=0.03)
    whole = 1.009 * np.pi * squared @ length  # and its two round ends, half a ball each
    ends = 2 / 3 * np.pi * (5.0**3 + 7.5**3)
    assert tract().sum() * VOXEL_ML * 1000 == pytest.approx(whole + ends, rel=0.03)


def test_the_tract_is_that_of_the_networks_on_regions():
    theirs = atlas(1, 1)[1]
    for half in sides(theirs):
        half[0] *= 0.5
        np.testing.assert_allclose(tract(), half, atol=1.1e-3)
        assert tract().sum() == pytest.approx(half.sum(), rel=1e-3)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_lesion_of_one_sides_tract_covers_all_of_it_and_nothing_of_the_other(side):
    here = X < 0 if side == "left" else X > 0
    numbers = lesion_numbers((IN_TRACT & here).astype(np.float32))
    midline = tract()[0].sum() / tract().sum()
    other = "right" if side == "left" else "left"
    assert 0 < midline < 0.01  # of the medulla: what lies in the plane x = 0 is no side's own
    assert numbers[f"cst_load_{side}"] == pytest.approx(1 - midline, rel=1e-12)
    assert numbers[f"cst_load_{other}"] == 0
    assert numbers["cst_load"] == numbers[f"cst_load_{side}"]
    assert numbers["plic_load"] == 1
    assert numbers["lesion_laterality"] == (1 if side == "left" else -1)
    numbers = lesion_numbers((IN_TRACT & (here | (X == 0))).astype(np.float32))
    assert numbers[f"cst_load_{side}"] == 1
    assert numbers[f"cst_load_{other}"] == pytest.approx(midline)


def test_a_ball_in_the_capsule_covers_its_share_of_it():
    centre, _ = at_height(8)
    lesion = ball(centre * [-1, 1, 1], 3.0)
    numbers = lesion_numbers(lesion)
    volume = lesion.sum() * VOXEL_ML
    assert numbers["lesion_volume_ml"] == pytest.approx(volume)
    assert volume == pytest.approx(4 / 3 * np.pi * 0.3**3, rel=0.02)
    assert numbers["plic_load"] == pytest.approx(volume / (capsule().sum() * VOXEL_ML), rel=0.03)
    assert numbers["cst_load_left"] == pytest.approx(volume / (tract().sum() * VOXEL_ML), rel=0.03)
    assert numbers["cst_load_right"] == 0


@pytest.mark.parametrize(("z", "in_capsule"), [(-20, False), (-4, False), (-2, True), (18, True), (20, False)])
def test_the_capsule_ends_where_it_is_said_to_end(z, in_capsule):
    lesion = ((z == Z) & (X < 0)).astype(np.float32)
    assert (lesion_numbers(lesion)["plic_load"] > 0.05) is in_capsule
    assert lesion_numbers(lesion)["cst_load"] > 0.005


@pytest.mark.parametrize("z", [-54, -30, -6, 10, 30, 62])
def test_a_slab_counts_as_much_wherever_it_cuts_the_tract(z):
    """Cut through in one slice of 2 mm: the largest cross-section times 2 mm, as it cuts all fibres."""
    lesion = ((z == Z) & (X <= 0)).astype(np.float32)
    largest = tract().sum(axis=(0, 1)).max() * VOXEL_ML
    assert lesion_numbers(lesion)["cst_weighted_load_ml"] == pytest.approx(largest)
    assert lesion_numbers(lesion * 0.25)["cst_weighted_load_ml"] == pytest.approx(largest / 4)


def test_slices_weigh_by_their_cross_section():
    """Of a round tube cut at an angle: pi r^2 over the cosine; nothing explodes where the tract fades out."""
    _, tangents = centre_line()
    heights = np.array([-30, -6, 10, 30])
    arcs = np.array([at_height(z)[1] for z in heights])
    slope = tangents[np.rint(arcs * (len(tangents) - 1)).astype(int), 2]
    expected = radius(arcs) ** 2 / slope
    found = 1 / slice_weights()[(heights + 72) // 2]
    np.testing.assert_allclose(found / found[-1], expected / expected[-1], rtol=0.06)
    assert slice_weights().min() == 1
    assert slice_weights().max() < 4
    assert np.all(slice_weights()[Z[0, 0] < -57] == 1)
    assert np.all(slice_weights()[Z[0, 0] > 65] == 1)


def test_laterality_and_volume_are_those_of_the_shares():
    lesion = 0.5 * ball([-40.0, 0, 20], 8.0) + 0.25 * ball([40.0, 0, 20], 8.0) + ball([0.0, 40, 20], 6.0)
    numbers = lesion_numbers(lesion)
    one = ball([40.0, 0, 20], 8.0).sum() * VOXEL_ML
    middle = ball([0.0, 40, 20], 6.0).sum() * VOXEL_ML
    assert numbers["lesion_volume_ml"] == pytest.approx(0.75 * one + middle)
    assert numbers["lesion_laterality"] == pytest.approx(0.25 * one / (0.75 * one + middle))


def test_an_empty_lesion_has_no_side():
    numbers = lesion_numbers(np.zeros(STANDARD_SHAPE, np.float32))
    assert "lesion_laterality" not in numbers
    assert set(numbers) == set(of_group("lesion")) - {"lesion_laterality"}
    assert set(numbers.values()) == {0.0}


@pytest.mark.parametrize("order", ["C", "F"])
def test_mirror_images_give_mirrored_numbers_to_the_last_bit(order):
    rng = np.random.default_rng(3)
    shares = np.asarray(rng.random(STANDARD_SHAPE) * (rng.random(STANDARD_SHAPE) < 0.2), order=order)
    assert lesion_numbers(shares[::-1]) == swapped(lesion_numbers(shares))
    maps = {"fa": np.asarray(rng.uniform(-0.1, 1.1, STANDARD_SHAPE), order=order), "md": rng.random(STANDARD_SHAPE)}
    numbers = diffusion_numbers(maps)
    assert len(numbers) == 8
    assert diffusion_numbers({name: one[::-1] for name, one in maps.items()}) == swapped(numbers)


def test_a_planted_asymmetry_comes_back():
    fa = np.where(X < 0, 0.4, 0.6)
    fa[X == 0] = 0.5
    md, rd = np.where(X < 0, 9e-4, 7e-4), np.where(X < 0, 5e-4, 7e-4)
    numbers = diffusion_numbers({"fa": fa, "md": md, "rd": rd})
    assert tuple(numbers) == of_group("dwi")
    assert numbers["plic_fa_left"] == pytest.approx(0.4)
    assert numbers["plic_fa_right"] == pytest.approx(0.6)
    assert numbers["plic_fa_asymmetry"] == pytest.approx(0.2)
    assert numbers["plic_md_asymmetry"] == pytest.approx(2 / 16)
    assert numbers["plic_rd_asymmetry"] == pytest.approx(2 / 12)
    mixed = (tract()[0] * 2).sum() / 2 / tract().sum()  # share of the midline's plane
    left, right = 0.4 + 0.1 * mixed, 0.6 - 0.1 * mixed
    assert numbers["cst_fa_left"] == pytest.approx(left)
    assert numbers["cst_fa_asymmetry"] == pytest.approx((right - left) / (right + left))


def test_a_mean_is_weighted_by_the_membership():
    """FA as the membership itself: its mean is the sum of squares over the sum."""
    capsular = np.concatenate([capsule()[:0:-1], capsule()])
    expected = (capsule() ** 2).sum() / capsule().sum()
    assert diffusion_numbers({"fa": capsular})["plic_fa_left"] == pytest.approx(expected)


def test_only_maps_that_are_given_are_told():
    md = np.full(STANDARD_SHAPE, 8e-4)
    assert diffusion_numbers({"md": md}) == {"cst_md_asymmetry": 0, "plic_md_asymmetry": 0}
    assert diffusion_numbers({}) == {}


@pytest.mark.parametrize("nothing", [0.0, np.nan, np.inf, -0.2, 1.1])
def test_what_no_map_covers_gives_no_number(nothing):
    """A field of view that ends above the capsule, and one that misses the lowest part of one side."""
    fa = np.clip(0.5 + 0.004 * Z, 0.1, 0.9)
    numbers = diffusion_numbers({"fa": np.where(Z < 30, nothing, fa)})
    assert numbers == {}
    whole = diffusion_numbers({"fa": fa})
    numbers = diffusion_numbers({"fa": np.where((Z < -10) & (X < 0), nothing, fa)})
    assert set(numbers) == {name for name in of_group("dwi") if "fa" in name}
    assert numbers["cst_fa_right"] == whole["cst_fa_right"]
    assert numbers["cst_fa_left"] > whole["cst_fa_left"] + 0.02
    assert numbers["cst_fa_asymmetry"] == pytest.approx(0, abs=1e-12)  # not that of the missing part
    left_only = diffusion_numbers({"fa": np.where((Z < 30) & (X < 0), nothing, fa)})
    assert set(left_only) == {"cst_fa_right", "plic_fa_right"}


def test_a_healthy_simulated_head_is_symmetric_and_a_degenerated_one_is_not():
    """FA as the simulation mixes it: fibres of the tract against other tissue; the template is symmetric by itself."""
    share = sample("tract", POINTS, 4, 4.0)
    healthy = 0.2 + 0.5 * share
    numbers = diffusion_numbers({"fa": healthy})
    assert numbers["cst_fa_asymmetry"] < 0.005
    assert numbers["plic_fa_asymmetry"] < 0.005
    assert 0.5 < numbers["plic_fa_left"] < 0.7
    harmed = np.where(X > 0, 0.2 + 0.3 * share, healthy)
    assert diffusion_numbers({"fa": harmed})["plic_fa_asymmetry"] > 0.1


def test_real_people(real_data):
    """A control and a person after a stroke of the right hemisphere, published maps with FA above 1 and negative MD."""
    numbers = {}
    for person in ("c4", "p4"):
        files = {name: real_data / "miccai_maps" / f"n1_{person}_dti2_{name.upper()}_reg.nii.gz"
                 for name in ("fa", "md", "rd")}  # fmt: skip
        numbers[person] = diffusion_numbers({name: nib.load(file).get_fdata() for name, file in files.items()})
        assert tuple(numbers[person]) == of_group("dwi")
        for name, value in numbers[person].items():
            low, high = BIOMARKERS[name].limits
            assert low <= value <= high
    for side in ("left", "right"):
        assert 0.35 < numbers["c4"][f"cst_fa_{side}"] < 0.55
        assert 0.45 < numbers["c4"][f"plic_fa_{side}"] < 0.7
    assert max(value for name, value in numbers["c4"].items() if "asymmetry" in name) < 0.05
    assert numbers["p4"]["plic_fa_asymmetry"] > 0.1
    assert numbers["p4"]["plic_fa_right"] < numbers["p4"]["plic_fa_left"]
