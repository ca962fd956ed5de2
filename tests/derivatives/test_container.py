"""What is told of a container, and which folders are lost with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.derivatives.container import container, is_lost_with_container

DOCKER = {"BIDS_STROKE_IMAGE": "bids_stroke:0.1.0"}
APPTAINER = {**DOCKER, "APPTAINER_CONTAINER": "/images/bids_stroke.sif"}
MOUNTED = r"""
612 521 0:57 / / rw,relatime master:190 - overlay overlay rw,lowerdir=a
613 612 0:60 / /proc rw,nosuid - proc proc rw
614 612 0:61 / /tmp rw,nosuid - tmpfs tmpfs rw
615 612 8:1 /home/me/out /out rw,relatime - ext4 /dev/sda1 rw
616 612 8:1 /home/me/in /data\040of\040mine ro,relatime - ext4 /dev/sda1 rw
617 614 0:70 / /tmp/mounted rw - nfs4 server:/x rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTED.lstrip())
    return path


@pytest.mark.parametrize(
    ("folder", "lost"),
    [
        ("/out", False), ("/out/deep/er", False), ("/outside", True), ("/results", True), ("/tmp/out", True),
        ("/tmp/mounted/out", False), ("/data of mine/derivatives", False),
    ],
)  # fmt: skip
def test_only_what_is_mounted_from_the_host_outlives_a_container(mounts: Path, folder: str, lost: bool) -> None:
    assert is_lost_with_container(Path(folder), DOCKER, mounts) is lost
    assert not is_lost_with_container(Path(folder), {}, mounts), "on a host everything stays"
    assert not is_lost_with_container(Path(folder), APPTAINER, mounts), "its own disk is read-only"


def test_provenance_names_the_image() -> None:
    assert container({}) is None
    assert container(DOCKER) == {"Type": "docker", "Tag": "bids_stroke:0.1.0"}
    assert container(APPTAINER) == {"Type": "apptainer", "Tag": "bids_stroke:0.1.0"}
