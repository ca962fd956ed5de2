"""EEG and EMG at full size (22 channels, 1000 Hz, 9 min): seconds and peak memory of our step.

python benchmarks/eegemg.py
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from mne_bids import BIDSPath

from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.preprocess.eegemg import step
from bids_stroke.preprocess.registry import StepContext
from bids_stroke.simulate.eegemg import TASK, simulate_recording, write_recording
from bids_stroke.simulate.options import RESOLUTIONS


def main() -> None:
    """Simulate, process, print."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "raw"
        recording = simulate_recording(RESOLUTIONS["full"], 0.5, "L", np.random.default_rng(0))
        write_recording(recording, BIDSPath(subject="1", task=TASK, root=root), emg_apart=False)
        session = find_sessions(Selection(root))[0]
        begin = time.perf_counter()
        work = Path(temporary)
        report = step.run(StepContext(session, Outputs(work / "out", "1"), Settings(), {}, work))
        seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print("| EEG/EMG, 22 channels, 1000 Hz, 9 min | seconds | peak memory, GB | windows kept |\n|---|---|---|---|")
    print(f"| ours | {seconds:.1f} | {peak:.1f} | {report.qc['n_windows_kept']:.0f} of {report.qc['n_windows']:.0f} |")


if __name__ == "__main__":
    main()
