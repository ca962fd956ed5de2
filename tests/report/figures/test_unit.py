from __future__ import annotations

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from edfio import Edf, EdfSignal
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.recordings import draw_recording, find_recordings
from bids_stroke.report.figures.slices import Outline, Panel, draw_slices, slice_heights
from bids_stroke.report.figures.unit import CAPTIONS, caption, draw_unit_figures, rank

AFFINE = np.array([[-4.0, 0, 0, 90], [0, 4, 0, -126], [0, 0, 4, -72], [0, 0, 0, 1]])
SHAPE = (46, 55, 46)


def world_x() -> np.ndarray:
    return np.broadcast_to((AFFINE[0, 0] * np.arange(SHAPE[0]) + AFFINE[0, 3])[:, None, None], SHAPE)


def brain(values: np.ndarray | float = 1.0) -> nib.Nifti1Image:
    """A box that stands for a brain, filled with values."""
    box = np.zeros(SHAPE)
    box[8:-8, 8:-8, 8:-8] = 1
    return nib.Nifti1Image((box * values).astype(np.float32), AFFINE)


@pytest.fixture
def unit(tmp_path: Path) -> tuple[Outputs, dict[str, StepReport]]:
    """A unit with every kind of output, small, on a coarse grid."""
    outputs = Outputs(tmp_path, "01", "02")
    noise = np.random.default_rng(0).random(SHAPE)

    def save(path: Path, image: nib.Nifti1Image, **sidecar: str) -> Path:
        return outputs.save_image(path, image, sidecar)

    save(outputs.standard("anat", "T1w.nii.gz", desc="preproc"), brain(noise + 1))
    native = {
        role: save(outputs.path("anat", f"{role}.nii.gz"), brain(noise + (role == "t1w")))
        for role in ("t1w", "gm", "wm", "brain_mask")
    }
    for tissue in ("GM", "WM", "CSF"):
        save(outputs.standard("anat", "probseg.nii.gz", label=tissue), brain(noise))
    colour = np.zeros((*SHAPE, 3), np.uint8)
    colour[8:-8, 8:-8, 8:-8] = (255, 120, 0)
    directions = {
        "fa_color": save(outputs.path("dwi", "fa_color.nii.gz"), nib.Nifti1Image(colour, AFFINE)),
        "dwi_mask": save(outputs.path("dwi", "dwi_mask.nii.gz"), brain()),
    }
    lesion = save(
        outputs.standard("anat", "mask.nii.gz", label="L", desc="lesion"), brain((noise > 0.9) & (world_x() < 0))
    )
    maps = {
        name: (save(outputs.standard("dwi", "dwimap.nii.gz", model="tensor", param=name), brain(noise * scale)),)
        for name, scale in (("fa", 1.0), ("md", 1e-3))
    }
    bold = tuple(
        save(
            outputs.standard("func", "boldmap.nii.gz", task="rest", res="3", stat=stat),
            brain(noise + 0.1),
            Units="a.u.",
        )
        for stat in ("mean", "alff", "falff", "reho")
    )
    reports = {
        "anat": StepReport(files=native),
        "lesion": StepReport(outputs={"lesion": (lesion,)}),
        "dwi": StepReport(outputs=maps, files=directions),
        "bold": StepReport(outputs={"bold": bold}),
        "eegemg": StepReport(outputs={"eegemg": recording(outputs)}),
    }
    return outputs, reports


def recording(outputs: Outputs, kept: str = "good") -> tuple[Path, ...]:
    rng = np.random.default_rng(1)
    paths = []
    for kind, labels in (("eeg", ("C3", "C4")), ("emg", ("VM",))):
        path = outputs.path(kind, f"{kind}.edf", task="move", desc="preproc")
        signals = [EdfSignal(rng.normal(0, 20, 2000), 100, label=label, physical_dimension="uV") for label in labels]
        paths.append(outputs.save(path, Edf(signals).write))
    table = pd.DataFrame({"onset": [0.0, 10.0], "duration": 10.0, "trial_type": "window", "status": ["bad", kept]})
    windows = outputs.path("eeg", "events.tsv", task="move", desc="windows")
    return (outputs.save_table(windows, table, {}), *paths)


def test_everything_that_exists_is_drawn_under_figures(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    outputs, reports = unit
    paths = draw_unit_figures(outputs, reports)
    assert [path.name for path in paths] == [
        "sub-01_ses-02_desc-tissues_figure.png",
        "sub-01_ses-02_desc-standard_figure.png",
        "sub-01_ses-02_desc-probabilities_figure.png",
        "sub-01_ses-02_desc-lesion_figure.png",
        "sub-01_ses-02_desc-diffusion_figure.png",
        "sub-01_ses-02_desc-color_figure.png",
        "sub-01_ses-02_task-rest_desc-bold_figure.png",
        "sub-01_ses-02_task-move_desc-signals_figure.png",
    ]
    assert all(path.parent == outputs.folder / "figures" for path in paths)
    assert set(paths) <= set(outputs.written)
    for path in paths:
        with Image.open(path) as picture:
            assert picture.width > 800
            assert np.asarray(picture.convert("L")).std() > 10  # not an empty page


def test_same_files_give_the_same_bytes(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    outputs, reports = unit
    digests = [
        [hashlib.sha256(path.read_bytes()).hexdigest() for path in draw_unit_figures(outputs, reports)]
        for _ in range(2)
    ]
    assert digests[0] == digests[1]


def test_only_steps_that_ran_and_files_that_exist_are_drawn(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    outputs, reports = unit
    assert draw_unit_figures(outputs, {}) == ()
    reports["dwi"].outputs["fa"][0].unlink()
    reports["dwi"].outputs["md"][0].unlink()
    reports["dwi"].files["fa_color"].unlink()
    names = [path.name for path in draw_unit_figures(outputs, {"dwi": reports["dwi"], "bold": reports["bold"]})]
    assert names == ["sub-01_ses-02_task-rest_desc-bold_figure.png"]


def test_lesion_without_a_t1w_is_drawn_on_the_standard_brain(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    outputs, reports = unit
    outputs.standard("anat", "T1w.nii.gz", desc="preproc").unlink()
    assert [rank(path)[0] for path in draw_unit_figures(outputs, {"lesion": reports["lesion"]})] == [3]


def test_a_lesion_below_half_of_its_voxels_has_an_outline(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    outputs, reports = unit
    (mask,) = reports["lesion"].outputs["lesion"]
    image = nib.load(mask)
    path = outputs.standard("anat", "probseg.nii.gz", label="L")
    outputs.save_image(path, nib.Nifti1Image(0.4 * image.get_fdata(dtype=np.float32), image.affine), {"Units": "1"})
    report = StepReport(outputs={"lesion": (path,)}, files={"lesion_standard": mask})
    (figure,) = draw_unit_figures(outputs, {"lesion": report})
    with Image.open(figure) as picture:
        red, green, blue = np.moveaxis(np.asarray(picture.convert("RGB")).astype(int), -1, 0)
    assert ((red > 200) & (green < 60) & (blue < 60)).sum() > 300  # 52 of the legend alone


def test_mirrored_maps_are_drawn_as_the_person_lies(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    """Mirrored for the model, mirrored back for the reader: the same picture, byte for byte."""
    outputs, everything = unit
    reports = {name: everything[name] for name in ("anat", "lesion")}
    shown = [path.read_bytes() for path in draw_unit_figures(outputs, reports)]
    for path in outputs.folder.rglob("*_space-*.nii.gz"):
        image = nib.load(path)
        data = np.asanyarray(image.dataobj)[::-1].copy()
        outputs.save_image(path, nib.Nifti1Image(data, image.affine, image.header), {"Units": "a.u.", "Mirrored": True})
    assert [path.read_bytes() for path in draw_unit_figures(outputs, reports)] == shown
    path = outputs.standard("anat", "T1w.nii.gz", desc="preproc")
    outputs.save_sidecar(path, {})  # the test sees a difference where there is one
    assert [path.read_bytes() for path in draw_unit_figures(outputs, reports)] != shown


def test_colours_are_shown_as_they_are() -> None:
    """Red is drawn red, on the side where it is."""
    data = np.zeros((*SHAPE, 3), np.uint8)
    data[world_x() < 0] = (255, 0, 0)
    data[world_x() > 0] = (0, 0, 255)
    figure = draw_slices("", [Panel(nib.Nifti1Image(data, AFFINE), "colour FA", bar=False)], [20.0], brain())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.axes[0].get_window_extent()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    row = pixels[round(pixels.shape[0] - (box.y0 + box.y1) / 2), round(box.x0) : round(box.x1)]
    assert tuple(row[len(row) // 5]) == (0, 0, 255)  # the person's right
    assert tuple(row[-len(row) // 5]) == (255, 0, 0)


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "PSL"])
def test_left_of_the_patient_is_on_the_right_of_the_picture(orientation: str) -> None:
    """The left half of the head (x < 0) is bright; however it is stored, it comes out on the right."""
    image = brain(np.where(world_x() < 0, 1.0, 0.2))
    change = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(image.affine), nib.orientations.axcodes2ornt(orientation)
    )
    stored = image.as_reoriented(change)
    assert nib.aff2axcodes(stored.affine) == tuple(orientation)
    figure = draw_slices("", [Panel(stored, "", limits=(0, 1), bar=False)], [20.0], stored)
    axes = figure.axes[0]
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    assert {text.get_text(): text.get_position()[0] > 0.5 for text in axes.texts if text.get_text() in "RL"} == {
        "R": False,
        "L": True,
    }
    pixels = np.asarray(canvas.buffer_rgba())[..., 0].astype(float)
    box = axes.get_window_extent()
    inside = pixels[round(pixels.shape[0] - box.y1) : round(pixels.shape[0] - box.y0), round(box.x0) : round(box.x1)]
    middle = inside[inside.shape[0] // 2]
    third = len(middle) // 3
    assert np.median(middle[-third:]) > np.median(middle[:third]) + 100


def test_values_are_scaled_and_shown_with_units_and_outlines() -> None:
    image = brain(8e-4)
    panel = Panel(
        image, "MD", "10⁻³ mm²/s", (0, 3), factor=1000, outlines=(Outline(brain(), "gold", "standard brain"),)
    )
    figure = draw_slices("Title", [panel], slice_heights(image, 3), image)
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(shown) == 3
    assert all(np.max(values) == pytest.approx(0.8, rel=1e-5) for values in shown)
    assert [axes.get_ylabel() for axes in figure.axes if "mm²" in axes.get_ylabel()] == ["10⁻³ mm²/s"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["standard brain"]


def test_slices_lie_inside_what_is_filled() -> None:
    heights = slice_heights(brain(), 5)
    assert len(heights) == 5 and heights == sorted(heights)
    assert heights[0] >= -40 and heights[-1] <= 76
    assert slice_heights(brain(0.0), 5) == []


def test_spectrum_has_its_peak_where_the_rhythm_is(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path, "01")
    paths = list(recording(outputs))
    times = np.arange(2000) / 100
    rhythm = 30 * np.sin(2 * np.pi * 10 * times) + np.random.default_rng(0).normal(size=2000)
    Edf([EdfSignal(rhythm, 100, label="Cz", physical_dimension="uV")]).write(paths[1])
    figure = draw_recording(find_recordings(paths)[0])
    line = figure.axes[0].lines[0]
    assert line.get_xdata()[np.argmax(line.get_ydata())] == pytest.approx(10)  # type: ignore[index, arg-type]
    start, end = figure.axes[1].get_xlim()
    assert start == 10 and end == pytest.approx(20, abs=0.02)  # the second window is the one that was kept
    assert "1 of 2 windows kept" in figure.get_suptitle()


def test_recording_without_a_kept_window_says_so(tmp_path: Path) -> None:
    figure = draw_recording(find_recordings(recording(Outputs(tmp_path, "01"), kept="bad"))[0])
    assert "0 of 2 windows kept; rejected ones are shown" in figure.get_suptitle()


def test_captions() -> None:
    heading, text = caption(Path("sub-01_task-move_desc-signals_figure.png"))
    assert heading == "EEG and EMG after cleaning: task move" and text == CAPTIONS["signals"][1]
    names = ["a_desc-signals_figure.png", "a_other.png", "a_desc-bold_figure.png", "a_desc-tissues_figure.png"]
    assert sorted(names, key=lambda name: rank(Path(name))) == [names[3], names[2], names[0], names[1]]
