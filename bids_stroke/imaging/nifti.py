"""Voxels of a NIfTI file, decompressed fast."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
import psutil
from isal import igzip, isal_zlib
from nibabel.arrayproxy import ArrayProxy
from nibabel.volumeutils import apply_read_scaling

DamagedError = cast(type[Exception], isal_zlib.error)
"""What ISA-L raises where zlib raises ``zlib.error`` (its type hints declare an object, not a class)."""
_MOST_PACKED = 1032
"""Bytes that one byte of a ``.gz`` file can stand for, by its format (zlib's documentation: "Maximum Compression")."""
_PIECE = 1 << 18
"""Bytes asked of the decompressor at a time: more makes it copy what has left the processor's cache."""


def read_volumes(path: Path, source: nib.Nifti1Image) -> Iterator[npt.NDArray[np.float32]]:
    """Volumes of an opened image one by one, scaled as its header says: the same numbers as ``source.dataobj`` gives.

    Reading compressed images is most of the time of a tensor fit; ISA-L decompresses in half the time of zlib, and a
    volume stays in the processor's cache where a series would have to be fetched from memory again.

    Parameters
    ----------
    path : Path
        File; those that are not ``.nii.gz`` are left to nibabel.
    source : nib.Nifti1Image
        As nibabel opened it, voxels not read yet.

    Yields
    ------
    (x, y, z) float32 array
        In the file's voxel order, Fortran order; to be used before the next one is asked for, which overwrites it.

    Raises
    ------
    EOFError
        The file ends too early.
    OSError, DamagedError
        It is damaged (the checksum at its end is compared, after the last volume).
    """
    proxy = source.dataobj
    slope, inter = np.asarray(proxy.slope), np.asarray(proxy.inter)
    for stored in _compressed(path, proxy) if path.name.endswith(".nii.gz") else _plain(proxy):
        yield np.asarray(apply_read_scaling(stored, slope, inter), dtype=np.float32)


def _plain(proxy: ArrayProxy) -> Iterator[npt.NDArray[np.generic]]:
    stored = np.asarray(proxy.get_unscaled())
    yield from np.moveaxis(stored.reshape((*stored.shape[:3], -1), order="F"), -1, 0)


def _compressed(path: Path, proxy: ArrayProxy) -> Iterator[npt.NDArray[np.generic]]:
    volume = np.empty(proxy.shape[:3], dtype=proxy.dtype, order="F")
    target = volume.reshape(-1, order="F").view(np.uint8).data
    whole = len(target) * math.prod(proxy.shape[3:])
    with igzip.open(path, "rb") as stream:
        stream.seek(proxy.offset)
        for before in range(0, whole, len(target)):
            done = 0
            while done < len(target):
                count = stream.readinto(target[done : done + _PIECE])
                if not count:
                    raise EOFError(f"it ends after {before + done} of {whole} bytes of voxels")
                done += count
            yield volume
        stream.read(1)


def check_promise(path: Path, source: nib.Nifti1Image) -> None:
    """See that a file can hold the voxels that its header promises, and memory too, before any is made room for.

    Parameters
    ----------
    path, source
        As in `read_volumes`.

    Raises
    ------
    EOFError
        The file is too small for them, whatever is in it.
    MemoryError
        They are more than the memory that is free.
    """
    proxy, size = source.dataobj, path.stat().st_size
    number = math.prod(map(int, proxy.shape))
    promised = int(proxy.offset) + number * proxy.dtype.itemsize
    most = size * _MOST_PACKED if path.name.endswith(".gz") else size
    if promised > most:
        shape = " x ".join(map(str, proxy.shape))
        raise EOFError(f"its header promises {shape} voxels in {promised} bytes, which a file of {size} cannot hold")
    needed, free = number * np.dtype(np.float32).itemsize, psutil.virtual_memory().available
    if needed > free:
        raise MemoryError(f"{path} needs {needed / 1e9:.1f} GB of memory for its voxels, {free / 1e9:.1f} GB are free")


def read_voxels(path: Path, source: nib.Nifti1Image) -> npt.NDArray[np.float32]:
    """All voxels of an opened image, scaled as its header says.

    Parameters
    ----------
    path, source
        As in `read_volumes`.

    Returns
    -------
    float32 array
        In the header's shape, Fortran order.

    Raises
    ------
    EOFError, OSError, DamagedError
        As in `read_volumes`.
    """
    shape = source.dataobj.shape
    voxels = np.empty(shape, dtype=np.float32, order="F")
    for index, volume in zip(np.ndindex(*shape[:2:-1]), read_volumes(path, source), strict=True):
        voxels[..., *index[::-1]] = volume
    return voxels
