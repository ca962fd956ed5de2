"""Small units of which every figure can be drawn: boxes that stand for brains, and a recording of noise."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from edfio import Edf, EdfSignal

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs

AFFINE = np.array([[-4.0, 0, 0, 90], [0, 4, 0, -126], [0, 0, 4, -72], [0, 0, 0, 1]])
SHAPE = (46, 55, 46)


def world_x() -> np.ndarray:
    return np.broadcast_to((AFFINE[0, 0] * np.arange(SHAPE[0]) + AFFINE[0, 3])[:, None, None], SHAPE)


def brain(values: np.ndarray | float = 1.0) -> nib.Nifti1Image:
    """A box that stands for a brain, filled with values."""
    box = np.zeros(SHAPE)
    box[8:-8, 8:-8, 8:-8] = 1
    return nib.Nifti1Image((box * values).astype(np.float32), AFFINE)


def make_unit(root: Path) -> tuple[Outputs, dict[str, StepReport]]:
    """A unit with every kind of output, small, on a coarse grid."""
    outputs = Outputs(root, "01", "02")
    noise = np.random.default_rng(0).random(SHAPE)

    def save(path: Path, image: nib.Nifti1Image, **sidecar: str) -> Path:
        return outputs.save_image(path, image, sidecar)

    save(outputs.standard("t1w"), brain(noise + 1))
    native = {
        "t1w": save(outputs.path("t1w"), brain(noise + 1)),
        "brain_mask": save(outputs.path("brain_mask"), brain(noise)),
        "gm": save(outputs.path("tissue_probability", label="GM"), brain(noise)),
        "wm": save(outputs.path("tissue_probability", label="WM"), brain(noise)),
    }
    for tissue in ("GM", "WM", "CSF"):
        save(outputs.standard("tissue_probability", label=tissue), brain(noise))
    colour = np.zeros((*SHAPE, 3), np.uint8)
    colour[8:-8, 8:-8, 8:-8] = (255, 120, 0)
    directions = {
        "fa_color": save(outputs.path("fa_color"), nib.Nifti1Image(colour, AFFINE)),
        "dwi_mask": save(outputs.path("dwi_mask"), brain()),
    }
    lesion = save(outputs.standard("lesion_mask"), brain((noise > 0.9) & (world_x() < 0)))
    maps = {
        name: (save(outputs.standard("tensor_map", param=name), brain(noise * scale)),)
        for name, scale in (("fa", 1.0), ("md", 1e-3))
    }
    bold = tuple(
        save(
            outputs.standard("bold_map", task="rest", res="3", stat=stat),
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
        path = outputs.path(kind, task="move")
        signals = [EdfSignal(rng.normal(0, 20, 2000), 100, label=label, physical_dimension="uV") for label in labels]
        paths.append(outputs.save(path, Edf(signals).write))
    table = pd.DataFrame({"onset": [0.0, 10.0], "duration": 10.0, "trial_type": "window", "status": ["bad", kept]})
    windows = outputs.path("windows", "eeg", task="move")
    return (outputs.save_table(windows, table, {}), *paths)
