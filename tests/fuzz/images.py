"""Broken images: NIfTI headers, their voxels, and the files around them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from random import Random

from tests.fuzz.text import broken_bytes, broken_text
from tests.fuzz.trial import Trial, copy, participant, stem_of

_SHORTS = (0, 1, -1, 2, 3, 5, 7, 8, 100, 255, 1000, 32767, -32768)
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, 3e38, -3e38, float("nan"), float("inf"), -float("inf"), 1e-5, 1e5)
_FIELDS: tuple[tuple[str, int, str, int], ...] = (
    # name, place, format, how many
    ("sizeof_hdr", 0, "<i", 1),
    ("dim_info", 39, "<b", 1),
    ("dim", 40, "<h", 8),
    ("intent_code", 68, "<h", 1),
    ("datatype", 70, "<h", 1),
    ("bitpix", 72, "<h", 1),
    ("slice_start", 74, "<h", 1),
    ("pixdim", 76, "<f", 8),
    ("vox_offset", 108, "<f", 1),
    ("scl_slope", 112, "<f", 1),
    ("scl_inter", 116, "<f", 1),
    ("slice_code", 122, "<b", 1),
    ("xyzt_units", 123, "<b", 1),
    ("qform_code", 252, "<h", 1),
    ("sform_code", 254, "<h", 1),
    ("quatern", 256, "<f", 6),
    ("srow", 280, "<f", 12),
    ("magic", 344, "<b", 4),
    ("extension", 348, "<b", 4),
)
_DATATYPES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 511, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304, -1, 3)
_TARGETS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    # dataset, file, options
    ("raw", "sub-01/anat/sub-01_T1w.nii.gz", ("--modalities", "gm")),
    ("raw", "sub-01/dwi/sub-01_dwi.nii.gz", ("--modalities", "fa")),
    ("raw", "sub-01/func/sub-01_task-rest_bold.nii.gz", ("--modalities", "bold")),
    ("raw", "sub-01/anat/sub-01_label-L_desc-lesion_mask.nii.gz", ("--modalities", "lesion")),
    ("ready", "sub-01/dwi/*param-fa_dwimap.nii.gz", ("--modalities", "fa")),
    ("ready", "sub-01/dwi/*param-md_dwimap.nii.gz", ("--modalities", "md")),
    ("ready", "sub-01/anat/*lesion_mask.nii.gz", ("--modalities", "lesion")),
    ("ready", "sub-01/func/*desc-preproc_bold.nii.gz", ("--modalities", "bold")),
    ("ready", "sub-01/func/*desc-brain_mask.nii.gz", ("--modalities", "bold")),
)
READY = ("--derivatives", "ready={place}/ready")


def header(base: Path, place: Path, rng: Random) -> Trial:
    """A field of a NIfTI header holds what it must not."""
    dataset, path, options = _image(base, place, rng)
    data = bytearray(gzip.decompress(path.read_bytes()))
    said = []
    for _ in range(rng.choice((1, 1, 2))):
        name, at, kind, count = rng.choice(_FIELDS)
        index = rng.randrange(count)
        size = struct.calcsize(kind)
        value: float = rng.choice(_FLOATS) if kind == "<f" else rng.choice(_SHORTS)
        if name == "datatype":
            value = rng.choice(_DATATYPES)
        elif kind == "<b":
            value = rng.randrange(-128, 128)
        struct.pack_into(kind, data, at + index * size, value)
        said.append(f"{name}[{index}] = {value}")
    path.write_bytes(gzip.compress(bytes(data), 1))
    return _trial(dataset, path, options, ", ".join(said))


def voxels(base: Path, place: Path, rng: Random) -> Trial:
    """The file of an image is cut, damaged, not compressed, or holds odd numbers."""
    dataset, path, options = _image(base, place, rng)
    packed, plain = path.read_bytes(), bytearray(gzip.decompress(path.read_bytes()))
    choice = rng.randrange(6)
    if choice == 0:
        content, what = broken_bytes(packed, rng)
    elif choice == 1:
        content, what = bytes(plain), "not compressed"
    elif choice == 2:
        cut = rng.randrange(len(plain))
        content, what = gzip.compress(bytes(plain[:cut]), 1), f"{cut} bytes compressed"
    elif choice == 3:
        content, what = packed + packed, "twice"
    else:
        value = rng.choice(_FLOATS)
        struct.pack_into("<f", plain, 352 + 4 * rng.randrange((len(plain) - 352) // 4), value)
        content, what = gzip.compress(bytes(plain), 1), f"a voxel = {value}"
    path.write_bytes(content)
    return _trial(dataset, path, options, what)


def gradients(base: Path, place: Path, rng: Random) -> Trial:
    """b-values or b-vectors are broken."""
    copy(base, place, "raw")
    path = place / "raw" / "sub-01" / "dwi" / f"sub-01_dwi.{rng.choice(('bval', 'bvec'))}"
    content, what = broken_text(path.read_bytes(), rng)
    path.write_bytes(content)
    return _trial("raw", path, ("--modalities", "fa"), what)


def _image(base: Path, place: Path, rng: Random) -> tuple[str, Path, tuple[str, ...]]:
    copy(base, place, "raw", "ready")
    dataset, pattern, options = rng.choice(_TARGETS)
    path = next((place / dataset).glob(pattern))
    if dataset == "ready" and "lesion" in path.name:
        without_anatomy(place)
    return dataset, path, options


def without_anatomy(place: Path) -> None:
    """Take the raw T1w and mask away, which would be used instead of a mask in standard space."""
    for path in (place / "raw" / "sub-01" / "anat").iterdir():
        path.unlink()


def _trial(dataset: str, path: Path, options: tuple[str, ...], what: str) -> Trial:
    more = READY if dataset == "ready" else ()
    arguments = participant("--participant-label", "01", *options, *more)
    return Trial(arguments, (path.name, stem_of(path)), f"{path.name}: {what}")
