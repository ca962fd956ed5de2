#!/usr/bin/env bash
# Guess:       a `boundary` of an EEGLAB file, which lies between two samples, is read by MNE as a point; naming it `BAD boundary`
#              then rejects the epochs across the joint, and naming it `EDGE boundary` makes the filters stop there.
# Seen:        EEGLAB puts the length of what was cut out into the event's duration (`eeg_insertbound`), and MNE takes it for a
#              stretch of what is left. A `boundary` of 30 s of removed data covers the 30 s of good data after it: of 100 s
#              kept, `BAD boundary` rejects 62 epochs of 1 s instead of 2, and with `EDGE boundary` 60 s stay unfiltered.
#              MNE warns to be cautious around such events; it does not say that their durations are not those of the file.
# Versions:    mne 1.13.2.
# Matters for: EEG cleaned by hand in EEGLAB (each piece cut out leaves a boundary), as shared .set files often are.
# bids_stroke: takes the duration of a `boundary` for the pause that it is, and its place for a point.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mne==1.13.2 numpy==2.4.6 scipy==1.17.1
cd "$folder"
export HOME="$folder" MNE_DONTWRITE_HOME=true

venv/bin/python - <<'EOF'
import sys
import warnings

import mne
import numpy as np
from scipy.io import savemat

warnings.simplefilter("ignore")
rate, n = 100.0, 10_000  # 100 s are left; 30 s were cut out at second 20, and 60 s at second 70
rows = np.random.default_rng(0).normal(0, 20, (2, n)).astype(np.float32)
events = np.array([("boundary", 2000.5, 3000.0), ("boundary", 7000.5, 6000.0)],
                  dtype=[("type", "O"), ("latency", "O"), ("duration", "O")])
places = np.array([("Cz", "EEG"), ("Pz", "EEG")], dtype=[("labels", "O"), ("type", "O")])
savemat("cut.set", appendmat=False, mdict={"EEG": {
    "setname": "a", "nbchan": 2, "trials": 1, "pnts": n, "srate": rate, "xmin": 0.0, "xmax": (n - 1) / rate, "ref": "Cz",
    "data": rows, "event": events, "chanlocs": places, "chaninfo": {"plotrad": 0.5}}})

raw = mne.io.read_raw_eeglab("cut.set", preload=True, verbose="error")
lines = [f"boundary at {a['onset']:.3f} s, {a['duration']:.3f} s long" for a in raw.annotations]


def rejected(named):
    epochs = mne.make_fixed_length_epochs(named, 1.0, reject_by_annotation=True, preload=True, verbose="error")
    return sum(len(reasons) > 0 for reasons in epochs.drop_log)


def unfiltered(named):
    return (named.copy().filter(1.0, 40.0, verbose="error").get_data("Cz") == named.get_data("Cz")).sum() / rate


for length in ("as read", "none"):
    marks = raw.annotations.copy()
    if length == "none":
        marks.set_durations(0.0)
    bad = raw.copy().set_annotations(marks.copy().rename({"boundary": "BAD boundary"}))
    edge = raw.copy().set_annotations(marks.copy().rename({"boundary": "EDGE boundary"}))
    lines.append(f"duration {length}: {rejected(bad)} epochs of 100 rejected, {unfiltered(edge):.0f} s of 100 not filtered")

print(*lines, sep="\n")
recorded = """\
boundary at 19.995 s, 30.000 s long
boundary at 69.995 s, 30.005 s long
duration as read: 62 epochs of 100 rejected, 60 s of 100 not filtered
duration none: 2 epochs of 100 rejected, 0 s of 100 not filtered""".splitlines()
if lines != recorded:
    sys.exit("This is not what was recorded:\n" + "\n".join(recorded))
EOF
