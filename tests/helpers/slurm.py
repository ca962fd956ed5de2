"""A real Slurm of two nodes on this machine: its daemons run in a folder of the test's own, and end with it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.waiting import wait_for

DAEMONS = ("munged", "slurmctld", "slurmd")
NODES = ("n1", "n2")
SECONDS = 40.0
"""For what must come soon on a busy machine."""
CONF = """\
ClusterName=test
SlurmctldHost={host}
SlurmUser=root
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait=2
MailProg=/bin/true
{more}
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={n1} CPUs=1 RealMemory=4000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={n2} CPUs=1 RealMemory=4000
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=500
"""


@dataclass(frozen=True)
class Slurm:
    """A cluster that runs."""

    folder: Path
    environment: Mapping[str, str]

    def ask(self, *words: str) -> str:
        """What a program of Slurm answers."""
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=self.environment, timeout=60)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout


def why_no_slurm() -> str:
    """Why no Slurm can be started here; empty where it can."""
    lacking = [name for name in (*DAEMONS, "sbatch") if shutil.which(name, path=_path()) is None]
    if lacking:
        return f"no Slurm here: {' '.join(lacking)} not installed (Debian: slurm-wlm munge)"
    return "" if os.geteuid() == 0 else "Slurm's daemons are started by root only"


@contextmanager
def two_nodes(folder: Path, more: str = "") -> Iterator[Slurm]:
    """Start the daemons, wait until both nodes take jobs, and end them.

    Parameters
    ----------
    folder : Path
        A new one, whose path is short: sockets have at most 107 characters.
    more : str
        Further lines of slurm.conf.
    """
    if why := why_no_slurm():
        pytest.skip(why)
    (folder / "state").mkdir(parents=True)
    for node in NODES:
        (folder / f"spool-{node}").mkdir()
    host, ports = socket.gethostname().partition(".")[0], _free_ports(3)
    values = {"folder": folder, "host": host, "port": ports[0], "n1": ports[1], "n2": ports[2], "more": more}
    (folder / "slurm.conf").write_text(CONF.format(**values))
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": _path()}
    commands = [
        ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket",
         f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed"],
        ["slurmctld", "-D"],
        *(["slurmd", "-D", "-N", node] for node in NODES),
    ]  # fmt: skip
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            with (folder / f"{command[0]}.terminal").open("a") as log:
                daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            if command[0] == "munged":
                wait_for((folder / "munge.socket").exists, SECONDS)
        slurm = Slurm(folder, environment)
        wait_for(lambda: _idle(slurm) == len(NODES), SECONDS)
        yield slurm
    finally:
        _end(daemons, environment)


def _end(daemons: Sequence[subprocess.Popen[bytes]], environment: Mapping[str, str]) -> None:
    try:
        if len(daemons) > len(NODES):  # jobs end before those who would have to end them
            subprocess.run(["scancel", "--me"], env=environment, capture_output=True, check=False, timeout=30)
            with suppress(AssertionError):
                wait_for(lambda: _n_queued(environment) == 0, 15.0)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]
    finally:
        for item in sockets:
            item.close()


def _n_queued(environment: Mapping[str, str]) -> int:
    done = subprocess.run(["squeue", "-h"], env=environment, capture_output=True, text=True, check=False)
    return len(done.stdout.splitlines())


def _idle(slurm: Slurm) -> int:
    done = subprocess.run(
        ["sinfo", "-h", "-N", "-o", "%t"], capture_output=True, text=True, env=slurm.environment, check=False
    )
    return done.stdout.split().count("idle")
