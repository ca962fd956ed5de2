"""Voxels of a NIfTI file, decompressed fast."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
from isal import igzip, isal_zlib
from nibabel.volumeutils import apply_read_scaling

DamagedError = cast(type[Exception], isal_zlib.error)
"""What ISA-L raises where zlib raises ``zlib.error`` (its type hints declare an object, not a class)."""
_PIECE = 1 << 18
"""Bytes decompressed at a time: they are copied while they are in the processor's cache."""


def read_voxels(path: Path, source: nib.Nifti1Image) -> npt.NDArray[np.float32]:
    """Voxels of an opened image, scaled as its header says: the same numbers as ``source.dataobj`` gives.

    Reading compressed images is most of the time of a tensor fit; ISA-L decompresses in half the time of zlib.

    Parameters
    ----------
    path : Path
        File; those that are not ``.nii.gz`` are left to nibabel.
    source : nib.Nifti1Image
        As nibabel opened it, voxels not read yet.

    Returns
    -------
    float32 array
        In the header's shape, Fortran order.

    Raises
    ------
    EOFError
        The file ends too early.
    OSError, DamagedError
        It is damaged (the checksum at its end is compared).
    """
    proxy = source.dataobj
    if not path.name.endswith(".nii.gz"):
        return np.asarray(proxy, dtype=np.float32)
    stored = np.empty(proxy.shape, dtype=proxy.dtype, order="F")
    target = stored.reshape(-1, order="F").view(np.uint8).data
    with igzip.open(path, "rb") as stream:
        stream.seek(proxy.offset)
        done = 0
        while done < len(target):
            count = stream.readinto(target[done : done + _PIECE])
            if not count:
                raise EOFError(f"it ends after {done} of {len(target)} bytes of voxels")
            done += count
        stream.read(1)
    return np.asarray(apply_read_scaling(stored, np.asarray(proxy.slope), np.asarray(proxy.inter)), dtype=np.float32)
