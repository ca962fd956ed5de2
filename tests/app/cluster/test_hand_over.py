"""What sbatch is given; a program in its place keeps the words."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bids_stroke.app.cluster.hand_over import Work, hand_over
from bids_stroke.app.cluster.waiting import how_to_go_on
from bids_stroke.app.request import Request
from bids_stroke.bids.sessions import Selection
from bids_stroke.cluster.record import read_jobs
from bids_stroke.cluster.resources import Grant
from bids_stroke.core.settings import ClusterSettings, Execution, Settings

REFUSES = "echo 'sbatch: error: AssocMaxSubmitJobLimit' >&2; exit 1"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """Three tasks, of which two make the largest array, on a cluster with GPUs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (
        ("scontrol", "echo 'MaxArraySize = 2'"),
        ("sbatch", f'printf "%s\\n" "$@" >> {tmp_path}/words\nn=$(cat {tmp_path}/n)\n'
                   f'[ "$n" -gt 0 ] || {{ {REFUSES}; }}\necho $((n - 1)) > {tmp_path}/n\necho "10$n"'),
    ):  # fmt: skip
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    (tmp_path / "n").write_text("9")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    request = Request(
        level="participant",
        output_dir=tmp_path / "out",
        selection=Selection(bids_dir=tmp_path),
        settings=Settings(cluster=ClusterSettings(gres="gpu:1", at_a_time=5)),
        execution=Execution(omp_nthreads=2),
        command=("data", "out", "participant", "--cluster", "slurm", "--no-wait"),
        cluster=True,
    )
    tasks = [[(label, None)] for label in ("1", "2", "3")]
    return Work(request, tasks, Grant(3000, 40), dict(os.environ), after=("7", "8"))


def words(work: Work) -> list[str]:
    return (work.request.output_dir.parent / "words").read_text().splitlines()


def test_arrays_are_split_and_kept(work: Work) -> None:
    jobs, left = hand_over(work)
    assert left == ()
    assert [job.tasks for job in jobs] == [(("sub-1",), ("sub-2",)), (("sub-3",),)]
    assert {job.number for job in read_jobs(work.request.output_dir)} == {job.number for job in jobs}
    given = words(work)
    assert {"--array=0-1%5", "--array=0-0%5"} <= set(given)
    assert {"--mem=3000M", "--time=40", "--requeue", "--cpus-per-task=2", "--dependency=afterany:7:8"} <= set(given)


def test_a_gpu_is_asked_for_where_networks_run(work: Work) -> None:
    def asks(level: str, device: str) -> bool:
        (work.request.output_dir.parent / "words").unlink(missing_ok=True)
        execution = work.request.execution.model_copy(update={"device": device})
        hand_over(replace(work, request=replace(work.request, level=level, execution=execution)))
        return "--gres=gpu:1" in words(work)

    assert asks("participant", "cuda") and asks("train", "auto")
    assert not asks("group", "cuda") and not asks("participant", "cpu")


def test_what_the_queue_has_no_room_for_is_left(work: Work) -> None:
    (work.request.output_dir.parent / "n").write_text("1")
    jobs, left = hand_over(work)
    assert [job.tasks for job in jobs] == [(("sub-1",), ("sub-2",))]
    assert list(left) == [[("3", None)]]


def test_whoever_does_not_wait_is_told_how_to_go_on(work: Work) -> None:
    said = how_to_go_on(work.request, ["12_0", "9_3", "12_1"])
    assert "The jobs run on: 9 12." in said
    assert "bids_stroke data out participant --cluster slurm\n" in said
