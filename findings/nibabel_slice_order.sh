#!/usr/bin/env bash
# Guess:       nibabel's as_closest_canonical and .slicer keep a NIfTI header's slice order (slice_code, slice_start, slice_end)
#              true to the data, as they keep affine and dim_info: each slice has the time after the change that it had before.
# Seen:        neither touches it. Where the slices are flipped (z downwards -> RAS+), `get_slice_times` gives the first slice
#              the time of the last. After `.slicer[:, :, 2:]` the first slice left is said to be measured first, and there are
#              six times for four slices.
# Versions:    nibabel 5.4.2.
# Matters for: slice-timing correction by the header's slice order, after turning or cropping: errors of almost a whole TR, and
#              delays between regions turned round.
# bids_stroke: takes slice times from the sidecar's SliceTiming, turned with the image, and writes no slice_code.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nibabel==5.4.2 numpy==2.4.6
cd "$folder"

venv/bin/python - <<'EOF'
import sys

import nibabel as nib
import numpy as np

# Six slices, stored from the top down and measured in that order; the value of each is when it was measured.
times = np.arange(6) * 0.25
data = np.broadcast_to(times.astype(np.float32)[:, None], (4, 4, 6, 3)).copy()
image = nib.Nifti1Image(data, np.diag([2.0, 2.0, -2.0, 1.0]))
image.header.set_xyzt_units("mm", "sec")
image.header.set_dim_info(freq=0, phase=1, slice=2)
image.header.set_slice_duration(0.25)
image.header["slice_code"] = 1  # sequential increasing, by place in the file
image.header["slice_start"], image.header["slice_end"] = 0, 5
image.to_filename("bold.nii.gz")
image = nib.load("bold.nii.gz")


def seen(name, changed):
    measured = [float(value) for value in changed.get_fdata()[0, 0, :, 0]]
    said = [float(value) for value in changed.header.get_slice_times()]
    return f"{name}: measured {measured}, header {said}"


lines = [
    seen("as stored", image),
    seen("as_closest_canonical", nib.as_closest_canonical(image)),
    seen("slicer[:, :, 2:]", image.slicer[:, :, 2:]),
]
print(*lines, sep="\n")
recorded = """\
as stored: measured [0.0, 0.25, 0.5, 0.75, 1.0, 1.25], header [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
as_closest_canonical: measured [1.25, 1.0, 0.75, 0.5, 0.25, 0.0], header [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
slicer[:, :, 2:]: measured [0.5, 0.75, 1.0, 1.25], header [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]""".splitlines()
if lines != recorded:
    sys.exit("This is not what was recorded:\n" + "\n".join(recorded))
EOF
