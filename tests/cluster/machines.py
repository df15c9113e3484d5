"""A Spark standalone cluster on loopback: one master and workers of one core, each a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyspark

from bgmrec.runtime.java import java_home

SPARK_HOME = Path(pyspark.__file__).parent
_STARTED = re.compile(r"Starting Spark master at (spark://[\d.]+:\d+)")


@dataclass
class Cluster:
    """The running processes; `worker` may be killed and started again."""

    location: Path
    master: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_worker(self, number: int, memory: str = "3g") -> None:
        """Starts a worker and waits until the master knows it."""
        name = f"worker-{number}"
        folder = self.location / name
        folder.mkdir(exist_ok=True)
        options = ["--cores", "1", "--memory", memory, "--work-dir", str(folder), self.master]
        log = self._start(name, "org.apache.spark.deploy.worker.Worker", options, folder)
        _wait_for("Successfully registered with master", log)

    def start_master(self) -> None:
        log = self._start("master", "org.apache.spark.deploy.master.Master", [], self.location)
        self.master = _wait_for(_STARTED.pattern, log).group(1)

    def _start(self, name: str, kind: str, options: list[str], folder: Path) -> Path:
        """Starts one process in an empty environment: no PYTHONPATH, no virtual environment, none of the sources."""
        log = self.location / f"{name}.log"
        env = {
            "JAVA_HOME": java_home(),
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "SPARK_HOME": str(SPARK_HOME),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(folder / "local"),
            "SPARK_DAEMON_MEMORY": "256m",
        }
        where = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        self.processes[name] = subprocess.Popen(
            [str(SPARK_HOME / "bin" / "spark-class"), kind, *where, *options],
            cwd=folder,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=log.open("wb"),
            start_new_session=True,  # executors belong to their worker's group
        )
        return log

    def executors(self) -> list[psutil.Process]:
        """The Java processes that work for applications, in the workers' order."""
        found = []
        for name in sorted(self.processes):
            if name != "master" and self.processes[name].poll() is None:
                children = psutil.Process(self.processes[name].pid).children(recursive=True)
                found += [child for child in children if "CoarseGrainedExecutorBackend" in _command(child)]
        return found

    def kill_worker(self, number: int) -> None:
        """What a machine does that loses its power: the worker, its executors and their Python, at once."""
        process = self.processes.pop(f"worker-{number}")
        _kill_tree(process)

    def stop(self) -> None:
        for process in self.processes.values():
            _kill_tree(process)
        self.processes.clear()


@contextmanager
def cluster(location: Path, workers: int = 2) -> Iterator[Cluster]:
    """A master and its workers, stopped however the block ends."""
    machines = Cluster(location)
    try:
        machines.start_master()
        for number in range(workers):
            machines.start_worker(number)
        yield machines
    finally:
        machines.stop()


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Python's workers have sessions of their own, so that killing the group alone would leave them."""
    tree = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for child in tree:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()


def _wait_for(pattern: str, log: Path, timeout: float = 60.0) -> re.Match[str]:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        match = re.search(pattern, log.read_text(errors="replace"))
        if match:
            return match
        time.sleep(0.1)
    raise AssertionError(f"never logged {pattern!r}\n{log.read_text(errors='replace')[-3000:]}")
