"""Where the networks of a unit's prediction looked: maps, tables and pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_stroke.app.plan import UnitTask
from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.explanations import COLUMNS, FAILED, NOT_AUDITED, PASSED, NetworkExplanation
from bids_stroke.derivatives.names import is_named
from bids_stroke.derivatives.outputs import Outputs

if TYPE_CHECKING:
    import nibabel as nib

    from bids_stroke.ensemble.explanation.of_unit import Explained
    from bids_stroke.ensemble.explanation.regions import Grid

BILATERAL = (0.4, 0.6)
"""Shares of a lesion on the left within which no side is the affected one, as `preprocess.hemisphere` has it."""
COARSE_MM = 2.0
"""Least voxel of a map on the T1w: there is nothing finer in it."""
SCALE = "arbitrary; of one network only: it has no meaning across networks or people"
PICTURES = "explained"
"""Beginning of ``desc`` in the names of the pictures."""


@dataclass(frozen=True)
class _Unit:
    """What all explanations of a unit share."""

    outputs: Outputs
    reports: Mapping[str, StepReport]
    affected: str
    """``L``, ``R`` or empty."""

    @property
    def lesion(self) -> Path | None:
        """The lesion mask, or the shares of it, in standard space."""
        report = self.reports.get("lesion")
        return report.outputs["lesion"][0] if report is not None and "lesion" in report.outputs else None


def write_explanations(
    task: UnitTask, found: Sequence[Explained], reports: Mapping[str, StepReport], outputs: Outputs
) -> Path:
    """Write what the networks looked at, for each its map or table and picture; gives the table of them all."""
    from bids_stroke.derivatives.explanations import explanation_table

    unit = _Unit(outputs, reports, affected_side(reports, task.session.covariates))
    labels = labels_of([one.member.name for one in found])
    write = {"window": _write_bands, "volume": _write_evidence, "slice": _write_evidence}
    rows = [write[one.kind](unit, one, label) for one, label in zip(found, labels, strict=True)]
    columns = {name: {"Description": text} for name, text in COLUMNS.items()}
    read = dict.fromkeys(path for one in found for path in one.read)
    return outputs.save_table(
        outputs.path("explanation"), explanation_table(rows), {"Sources": outputs.sources(read), **columns}
    )


def forget_explanations(outputs: Outputs) -> None:
    """Remove those of an earlier prediction."""
    figures = outputs.path("figure", desc=PICTURES).parent.glob(f"*{PICTURES}*")
    pictures = [path for path in figures if is_named(path, "figure")]
    for path in (*outputs.folder.glob("*_explanation.*"), *pictures):
        path.unlink(missing_ok=True)


def labels_of(names: Sequence[str]) -> list[str]:
    """Labels for file names: letters and digits of the members' names, each another.

    >>> labels_of(["fa_1", "fa1", "?"])
    ['fa1', 'fa1x2', 'network']
    """
    found: list[str] = []
    for name in names:
        label = re.sub(r"[^A-Za-z0-9]", "", name) or "network"
        while label in found:
            label = f"{label}x{len(found) + 1}"
        found.append(label)
    return found


def affected_side(reports: Mapping[str, StepReport], known: Mapping[str, Any]) -> str:
    """``L`` or ``R`` by the lesion mask, else by the column ``lesion_side``; empty where it is not known, or both."""
    share = reports["lesion"].qc.get("lesion_side_left_fraction") if "lesion" in reports else None
    if share is None:
        side = str(known.get("lesion_side", "")).strip().upper()[:1]
        return side if side in ("L", "R") else ""
    return "" if BILATERAL[0] <= share <= BILATERAL[1] else "L" if share > BILATERAL[1] else "R"


def _write_evidence(unit: _Unit, one: Explained, label: str) -> NetworkExplanation:
    """Grad-CAM as maps in standard space and on the T1w, its shares by region, and its picture."""
    import numpy as np

    from bids_stroke.ensemble.explanation.regions import Grid, region_shares
    from bids_stroke.report.figures.common import load_unmirrored, sidecar_value
    from bids_stroke.report.figures.explained import draw_evidence
    from bids_stroke.report.figures.unit import save_figure

    assert one.evidence is not None  # as its kind says
    mirrored = bool(sidecar_value(one.read[0], "Mirrored"))
    sidecar = _sidecar(unit, one) | {
        "Units": "arbitrary", "Scale": SCALE, "LayerShape": list(one.layer), "Samples": one.samples,
        "Method": "Grad-CAM (Selvaraju 2017), interpolated linearly from LayerShape places per sample",
    } | ({"Mirrored": True} if mirrored else {})  # fmt: skip
    image = _standard_image(one.evidence)
    res = re.search(r"_res-([A-Za-z0-9]+)", one.read[0].name)
    path = unit.outputs.standard("evidence", model=label, desc="gradcam", res=res[1] if res else "2")
    unit.outputs.save_image(path, image, sidecar)
    upright = np.ascontiguousarray(one.evidence.data[::-1] if mirrored else one.evidence.data)
    grid = Grid(upright, one.evidence.affine)
    lesion = load_unmirrored(unit.lesion) if unit.lesion else None
    mask = None if lesion is None else Grid(np.asarray(lesion.dataobj), np.asarray(lesion.affine))
    shares = region_shares(grid, mask, unit.affected)
    if shares is None:
        return _row(one, "Grad-CAM")
    person = _standard_image(grid)
    native = _on_t1w(unit, person, label, sidecar) if one.kind == "volume" else None
    figure = draw_evidence(unit.outputs, unit.reports, native or person, one.member.name, own_space=native is not None)
    picture = save_figure(figure, unit.outputs, f"{PICTURES}{label}")
    return _row(one, "Grad-CAM", **shares, figure=picture.name)


def _standard_image(grid: Grid) -> nib.Nifti1Image:
    import nibabel as nib
    import numpy as np

    image = nib.Nifti1Image(np.asarray(grid.data, dtype=np.float32), grid.affine)
    image.header.set_xyzt_units("mm")
    for setter in (image.set_sform, image.set_qform):
        setter(grid.affine, code=4)
    return image


def _on_t1w(unit: _Unit, evidence: nib.Nifti1Image, label: str, sidecar: Mapping[str, Any]) -> nib.Nifti1Image | None:
    """Evidence brought back onto the person's T1w, written on every second voxel or so of it; None without a T1w."""
    import nibabel as nib
    import numpy as np

    from bids_stroke.imaging.transforms import resample

    files = unit.reports["anat"].files if "anat" in unit.reports else {}
    if not {"t1w", "from_standard"} <= files.keys():
        return None
    t1w: Any = nib.load(files["t1w"])
    every = [max(1, round(COARSE_MM / float(zoom))) for zoom in t1w.header.get_zooms()[:3]]
    shape = tuple(-(-n // step) for n, step in zip(t1w.shape, every, strict=False))
    grid = nib.Nifti1Image(np.zeros(shape, np.uint8), t1w.affine @ np.diag([*every, 1.0]))
    native = resample(evidence, grid, [files["from_standard"]])
    path = unit.outputs.path("evidence", model=label, desc="gradcam")
    told = {key: value for key, value in sidecar.items() if key != "Mirrored"}
    unit.outputs.save_image(path, native, told | {"SpatialReference": unit.outputs.uri(files["t1w"])})
    return native


def _write_bands(unit: _Unit, one: Explained, label: str) -> NetworkExplanation:
    """Integrated gradients as a table of channels and bands, and its picture."""
    import pandas as pd

    from bids_stroke.report.figures.explained import draw_bands
    from bids_stroke.report.figures.unit import save_figure

    assert one.attributions is not None  # as its kind says
    channels = [str(name) for name in one.member.inputs["channels"]]
    values = one.attributions
    cells = [
        (channel, band, float(values[i, j])) for i, channel in enumerate(channels) for j, band in enumerate(one.bands)
    ]
    table = pd.DataFrame(cells, columns=["channel", "band", "attribution"])
    sidecar = _sidecar(unit, one) | {
        "Method": "Integrated gradients (Sundararajan 2017) from a flat recording, mean over windows spread evenly",
        "Windows": one.samples,
        "LogitMoved": one.moved,
        "LargestError": one.error,
        "channel": {"Description": "Channel, as the network reads it"},
        "band": {"Description": "Frequencies; together the bands are the whole recording"},
        "attribution": {
            "Description": "What it adds to the logit of a poor outcome; all add up to LogitMoved",
            "Units": "arbitrary",
        },
    }  # fmt: skip
    unit.outputs.save_table(unit.outputs.path("attributions", model=label), table, sidecar)
    largest = sorted(cells, key=lambda cell: -abs(cell[2]))[:3]
    strongest = "; ".join(f"{channel} {band} ({value:+.2g})" for channel, band, value in largest if value)
    figure = draw_bands(one.member.name, channels, one.bands, values)
    picture = save_figure(figure, unit.outputs, f"{PICTURES}{label}")
    return _row(one, "integrated gradients", strongest=strongest, figure=picture.name)


def _sidecar(unit: _Unit, one: Explained) -> dict[str, Any]:
    row = _row(one, "")
    return {
        "Sources": unit.outputs.sources(one.read),
        "Description": "What speaks for a poor outcome to one network: no cause, and no other network's view",
        "Member": one.member.name,
        "Network": one.member.network,
        "Weight": one.said.weight,
        "Audit": row.audit,
        "AuditFaults": row.faults or None,
    }


def _row(one: Explained, method: str, **told: Any) -> NetworkExplanation:
    verdict = NOT_AUDITED if one.audit is None else PASSED if one.audit.passed else FAILED
    faults = " ".join(one.audit.faults) if one.audit else ""
    who = one.member
    return NetworkExplanation(
        who.name, who.modality, who.network, one.said.weight, method, audit=verdict, faults=faults, **told
    )
