"""What units are expected to take, and what those get that died for want of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bids_stroke.app.cluster.needs import base_grant, in_light_of, needs_of, raised
from bids_stroke.cluster.record import Job
from bids_stroke.cluster.resources import Grant, Need
from bids_stroke.cluster.slurm import Limits
from bids_stroke.core.records import BidsFile, Session, UnitStatus
from bids_stroke.core.settings import ClusterSettings
from tests.helpers.units import write_volume

JOB = Job("9", "participant", (("sub-1",),), 3000, 40, "2026-12-01T10:00:00+00:00")
BASE = Grant(2000, 30)


def test_headers_tell_what_is_large_and_a_broken_file_is_left_to_its_unit(tmp_path: Path) -> None:
    image = write_volume(tmp_path / "sub-1_T1w.nii.gz", np.zeros((100, 100, 100), np.uint8))
    broken = tmp_path / "sub-2_T1w.nii.gz"
    broken.write_bytes(b"no image")
    one, two = (Session(str(n), None, {"t1w": (BidsFile(path, {}),)}) for n, path in ((1, image), (2, broken)))
    needs = needs_of([one, two])
    assert needs["sub-1"].memory_mb > needs["sub-2"].memory_mb
    assert needs["sub-1"].seconds > needs["sub-2"].seconds
    done = {"sub-1": UnitStatus("1", None, "done", seconds=3600.0, peak_memory_mb=needs["sub-1"].memory_mb)}
    assert in_light_of(needs, done)["sub-2"].seconds > 2000


def test_the_settings_have_the_last_word() -> None:
    assert base_grant(ClusterSettings(memory_mb=700), [Need(2000, 300)], 1, Limits()).memory_mb == 700
    assert base_grant(ClusterSettings(minutes=7), [Need(2000, 300)], 1, Limits()).minutes == 7


def test_what_is_expected_is_kept_within_the_cluster_and_what_the_user_set_is_not_changed() -> None:
    small = Limits(memory_mb=1000, minutes=10)
    assert base_grant(ClusterSettings(), [Need(2000, 300)], 1, small) == Grant(1000, 10)
    assert base_grant(ClusterSettings(memory_mb=9000, minutes=90), [Need(2000, 300)], 1, small) == Grant(9000, 90)


def test_a_unit_that_died_for_want_of_it_gets_twice_what_its_job_had() -> None:
    def after(status: str, reason: str) -> Grant:
        return raised(BASE, UnitStatus("1", None, status, reason), JOB, Limits())

    assert after("failed", "out-of-memory") == Grant(6000, 40)
    assert after("failed", "process-killed") == Grant(6000, 40)
    assert after("failed", "time-limit") == Grant(3000, 80), "and keeps the memory that it had been given"
    assert after("failed", "cancelled") == after("failed", "bad-data") == after("done", "") == BASE
    assert raised(BASE, None, None, Limits()) == BASE
    short = raised(BASE, UnitStatus("1", None, "failed", "out-of-memory"), JOB, Limits(memory_mb=4000))
    assert short == Grant(4000, 40), "no more than a node has"
