#!/usr/bin/env bash
# Guess:       a double quote in a cell of participants.tsv is a character like any other, since BIDS' tables know no quoting;
#              the validator finds the rows of all four people, and so does pybids.
# Seen:        pybids finds two. A note that begins with a quote and does not end with one runs on to the next such note: the
#              people between are gone, the first gets the age of the last (sub-01: 70, in the file 50), while the layout
#              still lists four subjects. Nothing is said. The validator reads four rows: it objects when one is taken away.
# Versions:    pybids 0.22.0 (pandas 3.1.1), bids-validator-deno 3.0.2.
# Matters for: notes of a ward exported at a limited length, which cuts the closing quote off, beside ages and scores.
# bids_stroke: reads tables without quoting.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pybids==0.22.0 pandas==3.1.1 bids-validator-deno==3.0.2 nibabel==5.4.2 numpy==2.4.6
cd "$folder"
export HOME="$folder"

venv/bin/python - <<'EOF'
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from bids import BIDSLayout

HEAD = "participant_id\tnote\tage\n"
ROWS = ['sub-01\t"tired, he says\t50\n', "sub-02\tn/a\t60\n", 'sub-03\t"as ever\t70\n', "sub-04\tn/a\t80\n"]

root = Path("dataset")
root.mkdir()
about = {"Name": "quotes", "BIDSVersion": "1.10.0", "License": "CC0", "Authors": ["A. One", "B. Two"]}
(root / "dataset_description.json").write_text(json.dumps(about))
(root / "README").write_text("Four made-up people, to see how tables with quotes are read. " * 5)
columns = {"note": {"Description": "What the ward wrote"}, "age": {"Description": "Age", "Units": "year"}}
(root / "participants.json").write_text(json.dumps(columns))
for label in ("01", "02", "03", "04"):
    anat = root / f"sub-{label}" / "anat"
    anat.mkdir(parents=True)
    image = nib.Nifti1Image(np.ones((4, 4, 4), np.int16), np.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(anat / f"sub-{label}_T1w.nii.gz")


def errors(rows):
    (root / "participants.tsv").write_text(HEAD + "".join(rows))
    command = ["venv/bin/bids-validator-deno", str(root), "--format", "json"]
    said = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    return sorted({issue["code"] for issue in said["issues"]["issues"] if issue["severity"] == "error"})


lines = [f"validator, without sub-02: {errors(ROWS[:1] + ROWS[2:])}", f"validator, all four: {errors(ROWS)}"]
layout = BIDSLayout(root)
table = layout.get(suffix="participants", extension=".tsv")[0].get_df()
lines.append(f"pybids, subjects: {layout.get_subjects()}")
lines.append(f"pybids, rows: {[(str(who), int(age)) for who, age in zip(table.participant_id, table.age)]}")

print(*lines, sep="\n")
recorded = """\
validator, without sub-02: ['PARTICIPANT_ID_MISMATCH']
validator, all four: []
pybids, subjects: ['01', '02', '03', '04']
pybids, rows: [('sub-01', 70), ('sub-04', 80)]""".splitlines()
if lines != recorded:
    sys.exit("This is not what was recorded:\n" + "\n".join(recorded))
EOF
