"""Paths, sidecars and atomic writes: the only way in which files reach OUTPUT_DIR. What they are called: names.py."""

from __future__ import annotations

import errno
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bids_stroke
from bids_stroke.core.errors import OutputError
from bids_stroke.core.processes import process_mark, remove_abandoned
from bids_stroke.core.records import SPACE, BidsFile
from bids_stroke.derivatives.container import container
from bids_stroke.derivatives.names import UNIT_FILES, bidsignore, parse, sidecar_of

if TYPE_CHECKING:
    import nibabel as nib
    import pandas as pd

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No space: on the disk, of the user's quota, under the limit of a file's size."""
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, *NO_SPACE)
"""No permission, or no space."""

REFERENCE = f"{SPACE}: the symmetric ICBM 152 template of 2009 (nonlinear, version a) that nilearn carries"
"""``SpatialReference`` of images in standard space."""
TEMPORARY = ".tmp-"
"""How names of what is being written begin."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says of a full or closed disk into an error that names the file or folder.

    Raises
    ------
    OutputError
        Instead of an OSError of `NOT_WRITABLE`.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NOT_WRITABLE and not lacks_space(error):
            raise
        why = error.strerror or f"no space left ({error})"
        remedy = "Check the folder's permissions and the space left."
        raise OutputError(f"{path} cannot be written: {why}.", remedy) from error


def lacks_space(error: OSError) -> bool:
    """Whether a disk, a quota or a limit has no room left.

    numpy writes arrays (of EDF files, for example) past Python's files and says so in words only:
    ``4096 requested and 0 written``.
    """
    said = str(error)
    return error.errno in NO_SPACE or (error.errno is None and "requested and" in said and "written" in said)


def write_atomic(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` make a temporary file beside ``path``, then rename it: readers never see half a file.

    The temporary name keeps the extension, because writers choose the format by it.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(path)
        try:
            write(temporary)
            os.replace(temporary, path)  # noqa: PTH105 (Path.replace, but explicit about the rename)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def temporary_beside(path: Path) -> Path:
    """A new name beside a file or folder, by which a later run knows that this process left it behind."""
    return path.with_name(f"{TEMPORARY}{process_mark()}-{uuid.uuid4().hex[:8]}-{path.name}")


def remove_temporary(folders: Iterable[Path]) -> None:
    """Remove what processes that are gone left half-written in these folders; of those within them nothing."""
    remove_abandoned(folders, TEMPORARY)


def write_text(path: Path, text: str) -> Path:
    """Write a text file atomically."""
    return write_atomic(path, lambda temporary: temporary.write_text(text))


def write_json(path: Path, content: Mapping[str, Any]) -> Path:
    """Write JSON atomically, keys in the given order, NaN refused (it is not JSON)."""
    return write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_table(path: Path, table: pd.DataFrame) -> Path:
    """Write a TSV atomically, missing values as ``n/a`` (BIDS, tabular files)."""
    return write_text(path, tsv_text(table))


def tsv_text(table: pd.DataFrame) -> str:
    """A table as BIDS wants it: tab-separated, missing values as ``n/a``."""
    return table.to_csv(sep="\t", index=False, na_rep="n/a", lineterminator="\n", float_format="%.10g")


@dataclass(frozen=True)
class Outputs:
    """Where one unit writes: ``OUTPUT_DIR/sub-<l>[/ses-<l>]``."""

    root: Path
    subject: str
    session: str | None = None
    written: list[Path] = field(default_factory=list, compare=False)
    """Log of all files saved through this object, for the manifest of the step."""

    @property
    def folder(self) -> Path:
        """The unit's own folder."""
        folder = self.root / f"sub-{self.subject}"
        return folder / f"ses-{self.session}" if self.session else folder

    def path(self, role: str, datatype: str | None = None, **labels: str | None) -> Path:
        """Path of an output of this unit.

        Parameters
        ----------
        role : str
            Key of `names.UNIT_FILES`.
        datatype : str, optional
            Where such files may lie in one of several folders: which.
        labels : str or None
            By entity, those that the role does not fix: ``path("tissue_probability", label="GM")``. Those that are
            None are left out.

        Raises
        ------
        KeyError
            There is no such role, or its names have no such entity, label or datatype.
        """
        name = UNIT_FILES[role]
        own = {"sub": self.subject, "ses": self.session}
        return self.folder / name.folder(datatype) / name.file_name({**own, **labels})

    def standard(self, role: str, **labels: str | None) -> Path:
        """Path of an output in standard space on the ``res-2`` grid (or another ``res``)."""
        return self.path(role, **{"space": SPACE, "res": "2", **labels})

    def uri(self, path: Path) -> str:
        """BIDS URI of an output of this dataset (BIDS specification, "BIDS URI")."""
        return f"bids::{path.relative_to(self.root).as_posix()}"

    def sources(self, inputs: Iterable[BidsFile | Path]) -> list[str]:
        """``Sources`` for a sidecar."""
        return [self.uri(item) if isinstance(item, Path) else item.uri for item in inputs]

    def save(self, path: Path, write: Callable[[Path], object], sidecar: Mapping[str, Any] | None = None) -> Path:
        """Write any file atomically, with its sidecar if there is one: ``write`` gets the temporary path."""
        self.written.append(write_atomic(path, write))
        if sidecar is not None:
            self.save_sidecar(path, sidecar)
        return path

    def save_sidecar(self, path: Path, sidecar: Mapping[str, Any]) -> None:
        """Write the JSON file beside a data file."""
        self.written.append(write_json(sidecar_of(path), sidecar))

    def save_image(self, path: Path, image: nib.Nifti1Image, sidecar: Mapping[str, Any]) -> Path:
        """Write an image (float32, or integer for masks) and its sidecar; same input gives the same bytes."""
        if parse(path.name).entities.get("space") == SPACE:
            sidecar = {**sidecar, "SpatialReference": REFERENCE}
        return self.save(path, lambda temporary: _write_nifti(image, temporary), sidecar)

    def save_table(self, path: Path, table: pd.DataFrame, sidecar: Mapping[str, Any]) -> Path:
        """Write a TSV and its sidecar."""
        return self.save(path, lambda temporary: temporary.write_text(tsv_text(table)), sidecar)


def _write_nifti(image: nib.Nifti1Image, path: Path) -> None:
    """Write float32 or integers, compressed twice as fast as by zlib, to the same size.

    Not by ISA-L, which is three times faster still: its streams of one and the same image were once seen to differ.
    """
    import nibabel as nib
    import numpy as np
    from zlib_ng import gzip_ng

    data = np.asanyarray(image.dataobj)
    dtype = np.float32 if data.dtype.kind == "f" else data.dtype
    if data.dtype.kind == "b":
        dtype = np.uint8
    header = image.header.copy()
    header.set_data_dtype(dtype)
    header.set_slope_inter(1, 0)
    stored = nib.Nifti1Image(data.astype(dtype, copy=False), image.affine, header)
    if not path.name.endswith(".gz"):
        stored.to_filename(path)
        return
    with path.open("wb") as file, gzip_ng.GzipNGFile("", "wb", 2, file, 0) as stream:  # neither name nor time inside
        stored.to_stream(stream)


def write_dataset_files(root: Path, source_uri: str, derivatives: Mapping[str, Path]) -> None:
    """Write dataset_description.json and .bidsignore atomically (several jobs may do so at once).

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    source_uri : str
        Where the raw dataset is: a path relative to ``root`` when possible.
    derivatives : mapping of str to Path
        ``--derivatives`` by name.
    """
    image = {"Container": found} if (found := container()) else {}
    links = {"raw": source_uri} | {name: str(path) for name, path in derivatives.items()}
    description = {
        "Name": "bids_stroke outputs",
        "BIDSVersion": "1.11.1",
        "DatasetType": "derivative",
        "License": "n/a",
        "Authors": ["bids_stroke users", "bids_stroke developers"],
        "HowToAcknowledge": "Cite bids_stroke and the studies named in its README. Research use only.",
        "GeneratedBy": [{"Name": "bids_stroke", "Version": bids_stroke.__version__} | image],
        "SourceDatasets": [{"URL": source_uri}],
        "DatasetLinks": links,
    }
    write_json(root / "dataset_description.json", description)
    write_text(root / ".bidsignore", "\n".join(bidsignore()) + "\n")
