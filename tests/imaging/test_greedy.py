"""Greedy called as a library: silent, and its failure named."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.imaging import greedy
from bids_stroke.imaging.registration import register_rigid


def test_greedy_is_silent(target: nib.Nifti1Image, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with greedy._silent():
        os.write(1, b"IFLAG= -1")
    register_rigid(target, target, tmp_path)
    os.write(1, b"heard")
    assert capfd.readouterr().out == "heard"


def test_greedy_names_its_failure() -> None:
    with pytest.raises(DataError, match="greedy failed") as caught:
        greedy.execute(greedy.Greedy3D(), "-a -i nothing nothing -o x", {})
    assert caught.value.reason == "registration-failed"
