#!/usr/bin/env bash
# Guess:       an EMG recording that mne-bids wrote into `emg/` (BIDS 1.11) and that the validator takes is found by pybids'
#              `get(datatype="emg")`, as the EEG beside it is by `get(datatype="eeg")`.
# Seen:        the query is empty, `get_datatypes()` lists `eeg` alone, and the files in `emg/` are indexed with no datatype, so
#              that no query finds the channels.tsv of the EMG without that of the EEG. Nothing is said; `suffix="emg"` finds
#              the recording.
# Versions:    pybids 0.22.0, mne-bids 0.20.0, mne 1.13.2, bids-validator-deno 3.0.2.
# Matters for: apps that list what there is by datatype: an EMG dataset is an empty one to them.
# bids_stroke: finds files by a walk of its own that knows `emg/`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pybids==0.22.0 pandas==3.1.1 mne==1.13.2 mne-bids==0.20.0 edfio==0.4.18 bids-validator-deno==3.0.2 numpy==2.4.6
cd "$folder"
export HOME="$folder" MNE_DONTWRITE_HOME=true

venv/bin/python - <<'EOF'
import json
import subprocess
import sys
import warnings

import mne
import mne_bids
import numpy as np
from bids import BIDSLayout

warnings.simplefilter("ignore")
for kind, names in (("eeg", ["C3", "C4"]), ("emg", ["TA left", "TA right"])):
    raw = mne.io.RawArray(np.random.default_rng(0).normal(0, 2e-5, (2, 10_000)),
                          mne.create_info(names, 1000.0, kind), verbose="error")
    raw.info["line_freq"] = 50
    path = mne_bids.BIDSPath(subject="01", task="gait", datatype=kind, root="dataset")
    more = {"emg_placement": "Measured"} if kind == "emg" else {}
    mne_bids.write_raw_bids(raw, path, allow_preload=True, format="BDF", verbose="error", **more)

command = ["venv/bin/bids-validator-deno", "dataset", "--format", "json"]
said = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
errors = sorted({issue["code"] for issue in said["issues"]["issues"] if issue["severity"] == "error"})
layout = BIDSLayout("dataset")
lines = [f"validator: errors {errors}, datatypes {sorted(said['summary']['dataTypes'])}"]
lines.append(f"pybids: datatypes {layout.get_datatypes()}")
for query in ({"datatype": "eeg"}, {"datatype": "emg"}, {"suffix": "eeg"}, {"suffix": "emg"}):
    lines.append(f"pybids, {query}: {sorted(file.filename for file in layout.get(extension='.bdf', **query))}")
for file in sorted(layout.get(suffix="channels"), key=lambda one: one.relpath):
    lines.append(f"pybids, {file.relpath}: datatype {file.get_entities().get('datatype')}")

print(*lines, sep="\n")
recorded = """\
validator: errors [], datatypes ['eeg', 'emg']
pybids: datatypes ['eeg']
pybids, {'datatype': 'eeg'}: ['sub-01_task-gait_eeg.bdf']
pybids, {'datatype': 'emg'}: []
pybids, {'suffix': 'eeg'}: ['sub-01_task-gait_eeg.bdf']
pybids, {'suffix': 'emg'}: ['sub-01_task-gait_emg.bdf']
pybids, sub-01/eeg/sub-01_task-gait_channels.tsv: datatype eeg
pybids, sub-01/emg/sub-01_task-gait_channels.tsv: datatype None""".splitlines()
if lines != recorded:
    sys.exit("This is not what was recorded:\n" + "\n".join(recorded))
EOF
