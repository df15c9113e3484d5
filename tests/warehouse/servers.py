"""Real servers on loopback, each with a temporary data directory, stopped after the test."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSWORD = "s3cret-of-the-test"
VARIABLE = "BGMREC_TEST_PASSWORD"  # the environment variable that holds it


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str, package: str, folders: Sequence[str] = ()) -> str:
    """The path of a server's program; if it is missing, the test fails and names its package."""
    path = shutil.which(name, path=os.pathsep.join([*folders, os.environ["PATH"], "/usr/sbin", "/usr/local/bin"]))
    if path is None:
        pytest.fail(f"no {name} on this machine: apt-get install {package}")
    return path


@contextmanager
def running(
    command: Sequence[str], log: Path, answers: Callable[[], object], seconds: float, stop: int = signal.SIGTERM
) -> Iterator[None]:
    """Runs a server until a signal stops it; the block starts with its first answer."""
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        _wait(server, log, answers, seconds)
        yield
    finally:
        server.send_signal(stop)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen[bytes], log: Path, answers: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            answers()
            return
        except Exception:
            output = log.read_text(errors="replace")[-4000:]
            assert server.poll() is None, f"the server ended\n{output}"
            assert time.monotonic() < end, f"the server does not answer\n{output}"
            time.sleep(0.2)


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server; yields its address with `${VARIABLE}` for the password."""
    import psycopg

    folders = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    with tempfile.TemporaryDirectory(prefix="bgmrec-postgres-") as name:
        folder, port, secret = Path(name), free_port(), Path(name) / "password"
        secret.write_text(PASSWORD)
        as_user = _not_as_root(folder)
        make = [program("initdb", "postgresql", folders), "-D", f"{folder}/data", "-U", "bgmrec", "--no-sync"]
        make += ["-A", "scram-sha-256", f"--pwfile={secret}"]
        subprocess.run([*as_user, *make], check=True, capture_output=True, cwd="/")
        serve = [program("postgres", "postgresql", folders), "-D", f"{folder}/data", "-h", "127.0.0.1", "-p", str(port)]
        serve += ["-k", "", "-c", "fsync=off"]
        address = f"host=127.0.0.1 port={port} dbname=postgres user=bgmrec password=${{{VARIABLE}}}"
        url = address.replace(f"${{{VARIABLE}}}", PASSWORD)
        # at SIGTERM it would wait for clients that still hold a connection
        with running([*as_user, *serve], folder / "log", lambda: psycopg.connect(url).close(), 60, signal.SIGINT):
            yield address


def _not_as_root(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root; Debian's package creates a user for it."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    for path in (folder, *folder.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis server; yields its address with `${VARIABLE}` for the password."""
    import redis

    port = free_port()
    server = [program("redis-server", "redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    server += ["--dir", str(folder), "--requirepass", PASSWORD]
    address = f"redis://:${{{VARIABLE}}}@127.0.0.1:{port}/0"
    client = redis.Redis.from_url(address.replace(f"${{{VARIABLE}}}", PASSWORD))
    with running(server, folder / "log", client.ping, 30):
        yield address
