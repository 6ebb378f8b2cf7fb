"""A Slurm of one node in a folder of its own."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# The node says that it has more than the machine may have, so that jobs can ask for as much as
# on a real cluster. Nothing outside the folder is touched, and no cgroup is needed.
SLURM_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/node
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
SwitchType=switch/none
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ReturnToService=2
KillWait=5
MinJobAge=3600
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 Gres=gpu:1 State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""

# A GPU that is none; Slurm wants a device file.
GRES_CONF = "NodeName={host} Name=gpu Count=1 File=/dev/null\n"

# Within a job, the executor plugin takes SLURM_CONF away from srun.
SRUN = """#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""


@dataclass(frozen=True)
class Job:
    """What the queue says of a job, also of one that has ended.

    ``run`` is the id of the Snakemake run, and ``rule`` the name of the rule or of the group.
    ``resources`` are those it was given, such as "cpu=8,mem=6000M,node=1,billing=8",
    and ``gpus`` those it asked for, such as "gres:gpu:1".
    """

    id: str
    run: str
    rule: str
    state: str
    time_limit: str
    resources: str
    gpus: str


class Cluster:
    """Munge, a controller and a node, as a context that stops them at its end."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}:/usr/sbin",
        }
        self._daemons = []
        self._clients = []

    def __enter__(self) -> "Cluster":
        self._configure()
        try:
            # "force", as munge wants its folder open to all users.
            files = ("key-file", "socket", "pid-file", "log-file", "seed-file")
            self._start(
                "munged",
                *("--foreground", "--force"),
                *(f"--{name}={self.folder / 'munge'}.{name.split('-')[0]}" for name in files),
            )
            wait_for((self.folder / "munge.socket").exists, "munge", seconds=60)
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D")
            wait_for(lambda: "idle" in self._state_of_node(), "the node", seconds=120)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.kill()
            client.wait()
        try:
            self._cancel_all()
        finally:
            self._stop()

    def _configure(self) -> None:
        for name in ("bin", "controller", "node"):
            (self.folder / name).mkdir()
        values = {
            "folder": self.folder,
            "host": socket.gethostname().split(".")[0],
            "user": getpass.getuser(),
            "controller_port": free_port(),
            "node_port": free_port(),
            "srun": shutil.which("srun"),
        }
        (self.folder / "slurm.conf").write_text(SLURM_CONF.format(**values))
        (self.folder / "gres.conf").write_text(GRES_CONF.format(**values))
        (self.folder / "bin/srun").write_text(SRUN.format(**values))
        (self.folder / "bin/srun").chmod(0o755)
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        (self.folder / "munge.key").chmod(0o400)

    def _start(self, *command: str) -> None:
        """Start a daemon."""
        self._daemons.append(self._open(command, self.folder / f"{command[0]}.out"))

    def _open(self, command: Sequence[object], output: Path) -> subprocess.Popen:
        # In a session of its own, so that Ctrl-C does not stop the daemons before the jobs.
        with open(output, "wb") as stream:
            return subprocess.Popen(
                [str(part) for part in command],
                env=self.environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _cancel_all(self) -> None:
        self.ask("scancel", f"--user={getpass.getuser()}")
        wait_for(self.is_empty, "an empty queue", seconds=120)

    def _stop(self) -> None:
        """Stop the daemons, the last first, as each needs those before it."""
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=30)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _state_of_node(self) -> str:
        """Return the state; empty while the controller does not answer."""
        command = ["sinfo", "--noheader", "--format=%T"]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=30, check=False
        ).stdout

    def start(self, *command: object, output: Path) -> subprocess.Popen:
        """Start a command that submits jobs; it is killed with the cluster if it still runs."""
        self._clients.append(self._open(command, output))
        return self._clients[-1]

    def ask(self, *command: str) -> str:
        """Run one of Slurm's commands and return what it prints."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=30, check=True
        ).stdout

    def is_empty(self) -> bool:
        """Whether no job waits or runs, nor is about to end."""
        return not self.ask("squeue", "--noheader")

    def jobs(self) -> list[Job]:
        """Return all jobs there ever were, the oldest first."""
        fields = ("JobID", "Name", "Comment", "State", "TimeLimit", "tres-alloc", "tres-per-job")
        columns = ",".join(f"{field}:200" for field in fields)
        rows = self.ask("squeue", "--noheader", "--states=all", "--sort=i", "--Format", columns)
        jobs = []
        for row in rows.splitlines():
            number, run, comment, *rest = (
                row[start : start + 200].strip() for start in range(0, 200 * len(fields), 200)
            )
            rule = comment.removeprefix("rule_").split("_wildcards_")[0]
            jobs.append(Job(number, run, rule, *rest))
        return jobs


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(condition: Callable[[], object], what: str, seconds: float) -> object:
    """Wait until something is true, and return it; TimeoutError after so many seconds."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.2)
    return value
