"""Figure of an EEG and EMG recording after cleaning."""

from __future__ import annotations

from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.common import Drawn, Reports, feature_files
from bids_stroke.report.figures.recordings import draw_recording, find_recordings


def draw_signals(outputs: Outputs, reports: Reports) -> Drawn:
    """Draw for each recording its power spectrum before and after cleaning, and the first window that was kept."""
    for recording in find_recordings(feature_files(reports, "eegemg")):
        entities = [part for part in recording.name.split("_") if not part.startswith(("sub-", "ses-"))]
        yield "_".join(entities), draw_recording(recording)
