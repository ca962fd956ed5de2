#!/usr/bin/env bash
# Guess:       mne_bids.read_raw_bids keeps the joints that a recording itself marks (EEGLAB's `boundary`, MNE's `EDGE boundary`)
#              beside the events of events.tsv, as reading the file alone does: MNE's filters stop at an `EDGE boundary`.
# Seen:        where there is an events.tsv, everything the file marks is dropped but BAD_ACQ_SKIP. The same `filter` call,
#              which stops at the joint of the EDF with mne alone, then rings 58 uV across it; nothing is said. The .set loses
#              its `boundary` as well: MNE's warning of it is printed, but where it lies can no longer be asked.
# Versions:    mne-bids 0.20.0, mne 1.13.2, edfio 0.4.18.
# Matters for: datasets whose events.tsv was made by hand or by the stimulus program, and lists only the stimuli.
# bids_stroke: takes joints from the file itself and events from events.tsv.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    mne==1.13.2 mne-bids==0.20.0 edfio==0.4.18 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1
cd "$folder"
export HOME="$folder" MNE_DONTWRITE_HOME=true

venv/bin/python - <<'EOF'
import json
import sys
import warnings
from pathlib import Path

import mne
import mne_bids
import numpy as np
from scipy.io import savemat

warnings.simplefilter("ignore")
eeg = Path("dataset/sub-01/eeg")
eeg.mkdir(parents=True)
Path("dataset/dataset_description.json").write_text(json.dumps({"Name": "joints", "BIDSVersion": "1.10.0"}))

rate, joint = 200.0, 2000  # the recording paused before sample 2000: the level after it is another one
rows = np.random.default_rng(0).normal(0, 1e-9, (2, 4000))
rows[:, joint:] += 1e-4

recording = mne.io.RawArray(rows, mne.create_info(["Cz", "Pz"], rate, "eeg"), verbose="error")
recording.set_annotations(mne.Annotations([joint / rate], [0.0], ["EDGE boundary"]))
mne.export.export_raw(eeg / "sub-01_task-edf_eeg.edf", recording, verbose="error")

events = np.array([("boundary", joint + 0.5, 800.0)], dtype=[("type", "O"), ("latency", "O"), ("duration", "O")])
places = np.array([("Cz", "EEG"), ("Pz", "EEG")], dtype=[("labels", "O"), ("type", "O")])
savemat(eeg / "sub-01_task-set_eeg.set", appendmat=False, mdict={"EEG": {
    "setname": "a", "nbchan": 2, "trials": 1, "pnts": 4000, "srate": rate, "xmin": 0.0, "xmax": 19.995, "ref": "Cz",
    "data": (rows * 1e6).astype(np.float32), "event": events, "chanlocs": places, "chaninfo": {"plotrad": 0.5}}})


def seen(raw):
    filtered = raw.load_data(verbose="error").copy().filter(0.5, 40, verbose="error").get_data("Cz")[0]
    around = np.abs(filtered[joint - 200 : joint + 200]).max() * 1e6
    return f"{[str(label) for label in raw.annotations.description]}, {around:.0f} uV at the joint"


lines = []
for task, extension, reader in (("edf", ".edf", mne.io.read_raw_edf), ("set", ".set", mne.io.read_raw_eeglab)):
    name = f"sub-01_task-{task}"
    (eeg / f"{name}_events.tsv").write_text("onset\tduration\ttrial_type\n5.0\t0\tgo\n")
    (eeg / f"{name}_channels.tsv").write_text("name\ttype\tunits\nCz\tEEG\tuV\nPz\tEEG\tuV\n")
    about = {"TaskName": task, "EEGReference": "Cz", "SamplingFrequency": rate, "PowerLineFrequency": 50, "SoftwareFilters": "n/a"}
    (eeg / f"{name}_eeg.json").write_text(json.dumps(about))
    path = mne_bids.BIDSPath(subject="01", task=task, datatype="eeg", suffix="eeg", extension=extension, root="dataset")
    lines.append(f"{task}, mne alone: {seen(reader(path.fpath, verbose='error'))}")
    lines.append(f"{task}, mne-bids: {seen(mne_bids.read_raw_bids(path, verbose='error'))}")

print(*lines, sep="\n")
recorded = """\
edf, mne alone: ['EDGE boundary'], 0 uV at the joint
edf, mne-bids: ['go'], 58 uV at the joint
set, mne alone: ['boundary'], 58 uV at the joint
set, mne-bids: ['go'], 58 uV at the joint""".splitlines()
if lines != recorded:
    sys.exit("This is not what was recorded:\n" + "\n".join(recorded))
EOF
