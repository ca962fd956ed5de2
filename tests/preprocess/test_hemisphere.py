"""The affected side: who decides, exact mirrors where asked for, and nothing ever flipped unasked."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.app.unit.step import run_and_mirror
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.records import SPACE, BidsFile, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.names import beside, is_named, sidecar_of
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import save_rigid
from bids_stroke.preprocess.eegemg.sides import other_sites
from bids_stroke.preprocess.hemisphere import find_side, mirror
from bids_stroke.preprocess.registry import STEPS, Step, StepContext

NORMALISE = Settings(lesion_side="normalise")
AS_IS = Settings()


def mask_file(folder: Path, right: int, left: int) -> BidsFile:
    """A lesion mask in standard space with so many voxels on each side of the midline, off the corners of symmetry."""
    data = np.zeros((91, 109, 91), np.uint8)
    data[20 : 20 + right, 50:60, 40:44] = 1  # x from +50 mm down: right
    data[70 : 70 - left : -1, 50:60, 40:44] = 1
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"sub-1_space-{SPACE}_label-L_mask.nii.gz"
    nib.Nifti1Image(data, standard_grid().affine).to_filename(path)
    return BidsFile(path, {"space": SPACE}, {}, f"bids:raw:{path.name}")


def fa_file(folder: Path) -> BidsFile:
    """An FA map that is not symmetric."""
    white = array(template("WM"))
    ramp = np.linspace(0.3, 0.7, 91, dtype=np.float32)[:, None, None]
    path = folder / f"sub-1_space-{SPACE}_param-fa_dwimap.nii.gz"
    like(standard_grid(), white * ramp).to_filename(path)
    return BidsFile(path, {"space": SPACE, "modality": "fa"}, {}, f"bids:raw:{path.name}")


def run(step: str, session: Session, folder: Path, settings: Settings) -> tuple[StepReport, Outputs]:
    outputs = Outputs(folder, "1")
    context = StepContext(session, outputs, settings, {}, folder / "work")
    return run_and_mirror(STEPS[step], context), outputs


def digests(outputs: Outputs) -> dict[str, str]:
    files = sorted(path for path in outputs.folder.rglob("*") if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("step", ["lesion", "maps"])
@pytest.mark.parametrize("side", ["R", "L"])
def test_a_right_lesion_is_mirrored_exactly_and_a_left_one_left_alone(tmp_path: Path, step: str, side: str) -> None:
    mask = mask_file(tmp_path, *((9, 2) if side == "R" else (2, 9)))
    session = Session("1", None, lesion=(mask,), maps={"fa": fa_file(tmp_path)})
    plain, before = run(step, session, tmp_path / "as_is", AS_IS)
    done, after = run(step, session, tmp_path / "normalise", NORMALISE)
    assert {p.name for p in after.written} == {p.name for p in before.written}
    assert done.qc == {**plain.qc, "mirrored": float(side == "R")}  # the lesion's own numbers are of the person
    if side == "L":
        assert digests(after) == digests(before)
        return
    modality = {"lesion": "lesion", "maps": "fa"}[step]
    one, other = plain.outputs[modality][0], done.outputs[modality][0]
    first, second = nib.load(one), nib.load(other)
    np.testing.assert_array_equal(np.asanyarray(second.dataobj), np.asanyarray(first.dataobj)[::-1])
    assert not np.array_equal(np.asanyarray(second.dataobj), np.asanyarray(first.dataobj))
    np.testing.assert_array_equal(first.affine, second.affine)
    assert first.get_data_dtype() == second.get_data_dtype()
    sidecars = [json.loads(p.with_name(p.name.replace(".nii.gz", ".json")).read_text()) for p in (one, other)]
    assert sidecars[1] == {**sidecars[0], "Mirrored": True}


@pytest.mark.parametrize("settings", [AS_IS, NORMALISE], ids=["as-is", "normalise"])
def test_what_an_earlier_run_mirrored_is_not_mirrored_twice(tmp_path: Path, settings: Settings) -> None:
    """Its lesion and map, given as derivatives, give what the raw ones give."""
    raw = Session("1", None, lesion=(mask_file(tmp_path, 9, 2),), maps={"fa": fa_file(tmp_path)})
    given = {}
    for step, modality in (("lesion", "lesion"), ("maps", "fa")):
        path = run(step, raw, tmp_path / "earlier", NORMALISE)[0].outputs[modality][0]
        sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        assert sidecar["Mirrored"] is True
        given[modality] = BidsFile(path, {"space": SPACE, "modality": "fa"}, sidecar, f"bids:earlier:{path.name}")
    again = Session("1", None, lesion=(given["lesion"],), maps={"fa": given["fa"]})
    for step, modality in (("lesion", "lesion"), ("maps", "fa")):
        first, second = (run(step, session, tmp_path / name, settings)[0].outputs[modality][0]
                         for session, name in ((raw, "from_raw"), (again, "from_earlier")))  # fmt: skip
        np.testing.assert_allclose(nib.load(second).get_fdata(), nib.load(first).get_fdata(), atol=1e-6)


@pytest.mark.parametrize(
    ("lesion", "column", "affected", "words"),
    [
        ((9, 2), None, "R", ""),
        ((2, 9), None, "L", ""),
        ((9, 2), "R", "R", ""),
        ((9, 2), "left", "R", "the mask is believed"),
        ((5, 4), None, "", "both sides"),
        ((5, 4), "R", "", "both sides"),
        (None, "Right", "R", ""),
        (None, "l", "L", ""),
        (None, "both", "", "not known"),
        (None, None, "", "not known"),
    ],
)
def test_who_decides(
    tmp_path: Path, lesion: tuple[int, int] | None, column: str | None, affected: str, words: str
) -> None:
    files = (mask_file(tmp_path, *lesion),) if lesion else ()
    session = Session("1", None, lesion=files, covariates={"lesion_side": column} if column else {})
    side = find_side(session, {})
    assert side.affected == affected
    assert side.mirrored is (affected == "R")
    assert words in side.warning
    assert bool(side.warning) is bool(words)


def test_a_lesion_that_only_the_map_of_shares_shows_has_a_side(tmp_path: Path) -> None:
    """Below half of every voxel: the mask is empty."""
    empty, shares = mask_file(tmp_path, 0, 0), np.zeros((91, 109, 91), np.float32)
    shares[25, 55, 42] = 0.4
    path = tmp_path / f"sub-1_space-{SPACE}_label-L_probseg.nii.gz"
    nib.Nifti1Image(shares, standard_grid().affine).to_filename(path)
    assert find_side(Session("1", None, lesion=(replace(empty, beside={"share": path}),)), {}).affected == "R"


def test_a_native_mask_is_judged_where_the_registration_puts_it(tmp_path: Path) -> None:
    """The native image lies mirrored to the side that its transform puts it on: only standard space counts."""
    grid = standard_grid(4.0)
    data = np.zeros(grid.shape, np.float32)
    data[8:14, 25:30, 20:24] = 1.0  # right of the native world
    mask = BidsFile(tmp_path / "sub-1_label-L_mask.nii.gz", {}, {}, "bids:raw:x")
    like(grid, data.astype(np.uint8)).to_filename(mask.path)
    t1w = tmp_path / "sub-1_T1w.nii.gz"
    like(grid, np.ones(grid.shape, np.float32)).to_filename(t1w)
    for shift, affected in ((0.0, "R"), (100.0, "L")):
        matrix = np.eye(4)
        matrix[0, 3] = shift
        save_rigid(tmp_path / "xfm.txt", matrix=matrix)
        anat = {"t1w": t1w, "to_standard": tmp_path / "xfm.txt", "lesion_native": mask.path}
        assert find_side(Session("1", None, lesion=(mask,)), anat).affected == affected
    assert find_side(Session("1", None, lesion=(mask,)), {}).affected == ""  # nothing carries it


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> Step:
    """A step that writes a bit of everything."""
    module = ModuleType("bids_stroke.preprocess.several.step")

    def write(context: StepContext) -> StepReport:
        outputs, rng = context.outputs, np.random.default_rng(0)
        sidecar = {"Sources": ["bids:raw:x"]}
        native = nib.Nifti1Image(rng.random((5, 6, 4, 2), dtype=np.float32), np.diag([3.0, 3, 3, 1]))
        outputs.save_image(outputs.path("dwi"), native, sidecar)
        outputs.save(outputs.path("bvec"), lambda path: path.write_text("1 0\n0 1\n0 0\n"))
        matrix = np.eye(4)
        matrix[:3, 3] = (1.0, 2.0, 3.0)
        xfm = outputs.path("dwi_to_standard_affine")
        outputs.save(xfm, lambda path: save_rigid(path, matrix=matrix), {**sidecar, "Units": "mm"})
        grid = standard_grid(3.0)
        paths = []
        seeds = [outputs.standard("seed_map", task="rest", res="3", label=label) for label in ("handL", "legR")]
        for path in (outputs.standard("bold_map", task="rest", res="3", stat="mean"), *seeds):
            seed = {"SeedCentre": [-38.0, -24.0, 56.0], "Side": "contralesional"} if path in seeds else {}
            data = rng.random(grid.shape, dtype=np.float32)
            paths.append(outputs.save_image(path, like(grid, data), {**sidecar, **seed}))
        return StepReport(outputs={"bold": tuple(paths)}, files={"xfm": xfm})

    module.run = write  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Step("several", ("bold",), ("bold",))


def test_native_files_gradients_and_transforms_stay_and_seeds_change_places(tmp_path: Path, several: Step) -> None:
    session = Session("1", None, covariates={"lesion_side": "R"})
    found = {}
    for name, settings in (("as_is", AS_IS), ("normalise", NORMALISE)):
        outputs = Outputs(tmp_path / name, "1")
        found[name] = run_and_mirror(several, StepContext(session, outputs, settings, {}, tmp_path)), outputs
    (plain, before), (done, after) = found["as_is"], found["normalise"]
    same, new = digests(before), digests(after)
    native = [name for name in same if "space-" not in name and name != sidecar_of(done.files["xfm"]).name]
    assert {before.path(role).name for role in ("dwi", "bvec")} < set(native)
    assert {name: same[name] for name in native} == {name: new[name] for name in native}
    xfm = done.files["xfm"].with_suffix(".json")
    assert json.loads(xfm.read_text())["Mirrored"] is False
    mean, *seeds = done.outputs["bold"]
    assert mean.name == plain.outputs["bold"][0].name
    assert is_named(seeds[0], "seed_map", label="handR")
    assert is_named(seeds[1], "seed_map", label="legL")
    for one, other in zip(plain.outputs["bold"], done.outputs["bold"], strict=True):
        np.testing.assert_array_equal(nib.load(other).get_fdata(), nib.load(one).get_fdata()[::-1])
    sidecar = json.loads(sidecar_of(done.outputs["bold"][1]).read_text())
    assert sidecar["SeedCentre"] == [38.0, -24.0, 56.0]
    assert (sidecar["Side"], sidecar["Mirrored"]) == ("contralesional", True)
    assert set(after.written) == {path for path in after.folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("shift", "mirrored"), [(0.0, True), (100.0, False)])
def test_the_anat_step_is_judged_by_the_registration_that_it_has_just_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift: float, mirrored: bool
) -> None:
    """A native mask on the right of the world, and a registration that leaves it there or carries it to the left."""
    grid = standard_grid(4.0)
    data = np.zeros(grid.shape, np.uint8)
    data[8:14, 25:30, 20:24] = 1
    mask = BidsFile(tmp_path / "sub-1_label-L_mask.nii.gz", {}, {}, "bids:raw:x")
    like(grid, data).to_filename(mask.path)
    ramp = np.broadcast_to(np.arange(grid.shape[0], dtype=np.float32)[:, None, None], grid.shape)
    module = ModuleType("bids_stroke.preprocess.registers.step")

    def write(context: StepContext) -> StepReport:
        name, matrix = context.outputs, np.eye(4)
        matrix[0, 3] = shift
        xfm = name.path("dwi_to_standard_affine")
        name.save(xfm, lambda path: save_rigid(path, matrix=matrix), {"Units": "mm"})
        t1w = name.save_image(name.path("t1w"), like(grid, ramp), {})
        standard = name.save_image(name.standard("t1w"), like(grid, ramp), {})
        return StepReport(
            outputs={"gm": (standard,)}, files={"t1w": t1w, "to_standard": xfm, "lesion_native": mask.path}
        )

    module.run = write  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    context = StepContext(Session("1", None, lesion=(mask,)), Outputs(tmp_path, "1"), NORMALISE, {}, tmp_path)
    report = run_and_mirror(Step("registers", ("gm",), ("t1w",)), context)
    assert report.qc["mirrored"] == float(mirrored)
    found = nib.load(report.outputs["gm"][0]).get_fdata()
    np.testing.assert_array_equal(found, ramp[::-1] if mirrored else ramp)
    np.testing.assert_array_equal(nib.load(report.files["t1w"]).get_fdata(), ramp)


def test_by_default_nothing_is_flipped(tmp_path: Path, several: Step) -> None:
    assert Settings().lesion_side == "as-is"
    results = []
    for column in ("R", "L"):
        outputs = Outputs(tmp_path / column, "1")
        session = Session("1", None, covariates={"lesion_side": column})
        report = run_and_mirror(several, StepContext(session, outputs, AS_IS, {}, tmp_path))
        assert "mirrored" not in report.qc
        results.append(digests(outputs))
    assert results[0] == results[1]


@pytest.mark.parametrize("size", [1.0, 2.0, 2.5, 3.0, 4.0, 5.7])
def test_every_standard_grid_is_symmetric(size: float) -> None:
    grid = standard_grid(size)
    edges = [grid.affine[0, 3] - size * index for index in (0, grid.shape[0] - 1)]
    assert edges[0] == pytest.approx(-edges[1])
    mirror(grid)


def test_a_grid_that_is_not_symmetric_is_refused() -> None:
    with pytest.raises(ValueError, match="not symmetric"):
        mirror(nib.Nifti1Image(np.zeros((5, 5, 5), np.float32), np.diag([2.0, 2, 2, 1])))


@pytest.mark.slow
def test_a_recording_is_swapped_in_all_that_is_written(example: Path, tmp_path: Path) -> None:
    (found,) = find_sessions(Selection(example, participant_labels=("04",)))
    session = Session(
        "04", None, raw={"eeg": found.files("eeg"), "emg": found.files("emg")}, covariates={"lesion_side": "R"}
    )
    names = {}
    for settings in (AS_IS, NORMALISE):
        outputs = Outputs(tmp_path / settings.lesion_side, "04")
        report = run_and_mirror(STEPS["eegemg"], StepContext(session, outputs, settings, {}, tmp_path))
        table = beside(report.outputs["eegemg"][1], "channels")
        names[settings.lesion_side] = [line.split("\t")[0] for line in table.read_text().splitlines()[1:]]
        sidecar = sidecar_of(report.outputs["eegemg"][1])
        assert json.loads(sidecar.read_text()).get("ChannelSidesSwapped", False) is (settings is NORMALISE)
    assert names["normalise"] == list(other_sites(names["as-is"]).values()) != names["as-is"]
    assert report.qc["mirrored"] == 1.0
