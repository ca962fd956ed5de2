"""Files of images as the reader opens them: headers only, and one error for whatever is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import nibabel as nib

from bids_stroke.core.errors import BidsStrokeError, DataError
from bids_stroke.core.text_files import NOT_FETCHED, not_fetched
from bids_stroke.imaging.nifti import check_promise

_READ_AGAIN = "Copy or convert the file again, or leave this subject out."


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Whatever a file that is not what it should be makes the readers raise, as one error that names it."""
    try:
        yield
    except (BidsStrokeError, MemoryError):
        raise
    except Exception as error:  # a header at random makes the readers fail anywhere
        if why := not_fetched(path):
            raise DataError(f"{path}: {why}.", "Fetch it, or leave out what needs it.", NOT_FETCHED) from None
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read: {text}.", _READ_AGAIN, reason="unreadable-image") from error


def opened(path: Path) -> nib.Nifti1Image:
    """An image whose header is read and whose voxels are not.

    Raises
    ------
    DataError
        It cannot be read, holds no numbers, or is too small for the voxels that its header promises.
    MemoryError
        From `nifti.check_promise`.
    """
    with readable(path):
        source = cast(nib.Nifti1Image, nib.load(path))
        kind = source.header.get_data_dtype()
        if kind.kind not in "biuf":
            raise DataError(f"{path}: datatype {kind} is not a number.", _READ_AGAIN)
        check_promise(path, source)
    return source
