"""Diffusion -> FA, MD, RD and AD: corrections, brain mask, tensor, to the standard space."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bids_stroke.core.records import StepReport
from bids_stroke.imaging.images import array, like, voxel_ml
from bids_stroke.imaging.standard_space import standard_grid
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.dwi.correct import Corrected, correct, distorted_alike, without_bias
from bids_stroke.preprocess.dwi.gradients import n_directions, tensor_volumes
from bids_stroke.preprocess.dwi.precomputed import ready_dwi, with_ready_mask
from bids_stroke.preprocess.dwi.quality import map_quality, quality_warnings
from bids_stroke.preprocess.dwi.registration import Place, place_alone, place_by_t1w, t1w_like, white_matter
from bids_stroke.preprocess.dwi.series import Series, read_series, require_order
from bids_stroke.preprocess.dwi.susceptibility.from_t1w import Anatomy
from bids_stroke.preprocess.dwi.tensor.fit import tensors, unweighted
from bids_stroke.preprocess.dwi.write import Writer

if TYPE_CHECKING:
    from bids_stroke.preprocess.registry import StepContext


def run(context: StepContext) -> StepReport:
    """Process the session's diffusion runs and write maps, transforms and the corrected series.

    Raises
    ------
    DataError
        A broken file.
    MissingModalityError
        No tensor can be had from these data.
    """
    settings = context.settings.dwi
    ready = ready_dwi(context.session, settings.b0_threshold)
    corrected = ready or measured(context)
    if ready or settings.motion:
        require_order(corrected.series, settings.b0_threshold)
    place = with_ready_mask(find_place(corrected, context), corrected, context.session)
    if ready is None:
        corrected = without_bias(corrected, place.mask, settings)
    series = corrected.series
    grid = like(series.image, unweighted(series))
    found = tensors(series, place.mask, settings)
    standard = {
        kind: array(resample(like(grid, data), standard_grid(), place.to_standard)) for kind, data in found.maps.items()
    }
    used = tensor_volumes(series.gradients, settings.b0_threshold, settings.max_b)
    shown = standard if place.to_t1w is None else found.maps
    qc = {
        "n_directions": float(n_directions(series.gradients.bvecs[used & ~series.b0])),
        **corrected.qc,
        **found.qc,
        "brain_volume_ml": float(place.mask.sum()) * voxel_ml(grid),
        **place.qc,
        **map_quality(shown, standard, white_matter(grid, place, context.files_of("anat"))),
    }
    writer = Writer(context, context.outputs.sources(series.sources))
    files = writer.native(series, place, found, corrected.done)
    warnings = (
        *series.warnings,
        *series.gradients.notes,
        *corrected.warnings,
        *place.warnings,
        *found.warnings,
        *quality_warnings(qc),
    )
    return StepReport(outputs=writer.standard(standard, found.facts), files=files, qc=qc, warnings=warnings)


def measured(context: StepContext) -> Corrected:
    """The session's raw runs, corrected."""
    session, threshold = context.session, context.settings.dwi.b0_threshold
    return correct(
        read_series(session.files("dwi"), threshold, session.files("epi")),  # in no name: it need not stay in memory
        partial(anatomy_of, context=context),
        context.settings,
        context.work,
    )


def anatomy_of(series: Series, context: StepContext) -> Anatomy | None:
    """The session's T1w where the settings want the field by it, or where there is no pair."""
    wanted, paired = context.settings.dwi.susceptibility, bool(series.opposite) or len(distorted_alike(series)) > 1
    by_t1w = wanted == "t1w" or (wanted == "auto" and not paired)
    return Anatomy.read(context.files_of("anat"), context.work, context.settings.seed) if by_t1w else None


def find_place(corrected: Corrected, context: StepContext) -> Place:
    """Brain mask and transforms: by the session's T1w where it was processed, else by the diffusion images alone."""
    series, anat, seed = corrected.series, context.files_of("anat"), context.settings.seed
    grid = like(series.image, unweighted(series))
    if "t1w_brain" in anat:
        return place_by_t1w(grid, corrected.mask, anat, context.work, seed)
    # least squares are enough to show tissues
    rough = tensors(series, corrected.mask, context.settings.dwi.model_copy(update={"fit": "wls"})).maps
    return place_alone(like(grid, t1w_like(rough["fa"], rough["md"])), context.work, seed)
