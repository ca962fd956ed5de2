"""Reports of the steps of a unit with a few quality numbers."""

from __future__ import annotations

from bids_stroke.core.records import StepReport


def quality_steps(brain: float = 1500.0, fa: float = 0.5) -> dict[str, StepReport]:
    return {
        "anat": StepReport(qc={"brain_volume_ml": brain}),
        "dwi": StepReport(qc={"fa_wm_median": fa, "fibre_coherence_ratio": 1.0}),
    }
