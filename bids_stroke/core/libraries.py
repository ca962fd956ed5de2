"""The libraries that decide what a module computes, with their versions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from bids_stroke.core.digest import foreign_imports

DECIDING: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "SimpleITK": ("SimpleITK",),
        "deepbet": ("deepbet", "torch"),
        "dipy": ("dipy",),
        "edfio": ("edfio",),
        "matplotlib": ("matplotlib",),
        "mne": ("mne", "python-picard"),
        "mne_bids": ("mne-bids",),
        "monai": ("monai",),
        "nibabel": ("nibabel",),
        "nilearn": ("nilearn", "scikit-learn"),
        "numpy": ("numpy",),
        "pandas": ("pandas",),
        "picsl_greedy": ("picsl_greedy",),
        "scipy": ("scipy",),
        "sklearn": ("scikit-learn",),
        "timm": ("timm",),
        "torch": ("torch",),
        "torchvision": ("torchvision",),
    }
)
"""What is imported -> the packages whose versions decide the numbers that come of it (or the look of a figure).

Packages that compute behind another one stand with it: picard is the ICA of MNE, scikit-learn the masker of nilearn.
"""
NOT_DECIDING = frozenset(
    {"click", "h5py", "isal", "jinja2", "psutil", "pybv", "pydantic", "rich", "safetensors", "threadpoolctl",
     "yaml", "zlib_ng"}
)  # fmt: skip
"""Imported too, but what comes of it is the same in every version: files found, packed and unpacked, values checked,
words shown. (pybids' patterns decide which files and metadata there are; these are part of the key themselves.)"""
WHOLE = frozenset({"deepbet", "edfio", "mne-bids", "picsl_greedy", "python-picard", "timm"})
"""Packages of which any release may change numbers: those before 1.0, those that number all releases in the last place,
and those that carry weights or compiled code of somebody else. Of the others the first two numbers count: their third
stands for mended faults, and steps of thousands of people should not run again for the last digit of a sum."""


@cache
def deciding_versions(*modules: str, whole: bool = False) -> Mapping[str, str]:
    """Versions of the packages that decide what modules of this package compute, by name of the package.

    Parameters
    ----------
    *modules : str
        Names with dots; what they import counts, too.
    whole : bool
        All of each version (``2.4.6+cpu``), not what `WHOLE` says (``2.4``).

    Raises
    ------
    KeyError
        A library is imported that neither `DECIDING` nor `NOT_DECIDING` knows.
    """
    names = {name for imported in foreign_imports(*modules) - NOT_DECIDING for name in DECIDING[imported]}
    return MappingProxyType({name: _version(name, whole or name in WHOLE) for name in sorted(names)})


def _version(package: str, whole: bool) -> str:
    from importlib.metadata import version  # here: a command that is refused need not wait for it

    found = version(package)
    return found if whole else ".".join(found.split("+")[0].split(".")[:2])
