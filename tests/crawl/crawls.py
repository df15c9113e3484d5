"""Runs jobs/crawl_side_info.py as a process of its own, the way a scheduler does, and reads what it left."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
DS = "2025-01-06"
CONTACT = "crawl.contact=tests@bgmrec.example"

SMALL = """
[crawl]
name = "site"
hosts = ["127.0.0.1"]
private_hosts = ["127.0.0.1"]
[crawl.politeness]
delay = 0.0
retry_wait = 0.05
cache_days = 0
[[crawl.records]]
entity_type = "MusicRecording"
pages = "/music/"
types = ["MusicRecording"]
schema_fields = { id = "identifier", title = "name" }
css = { id = "h1.title::attr(data-id)", title = "h1.title::text" }
"""


@dataclass
class Ended:
    """A crawl that ended.

    memory: the most it ever held, in MB.
    """

    status: int
    out: str
    log: str
    memory: float


class Crawl:
    """A source and its folders.

    Args:
        folder: everything goes below it.
        source: TOML of the source; ADDRESS stands for the server's.
        address: of the server.
    """

    def __init__(self, folder: Path, source: str, address: str, *sets: str, contact: str | None = CONTACT):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.address = folder, address
        (folder / "source.toml").write_text(source.replace("ADDRESS", address))
        given = [f"paths.data={folder}", f"paths.root={folder}", *([contact] if contact else []), *sets]
        self.arguments = [
            *("--config", "conf/base.toml", "--config", str(folder / "source.toml")),
            *(part for one in given for part in ("--set", one)),
            *("--ds", DS),
        ]
        self.environment: dict[str, str] = {}

    def start(self) -> subprocess.Popen[bytes]:
        log = (self.folder / "log").open("wb")
        out = (self.folder / "out").open("wb")
        return subprocess.Popen(
            [sys.executable, "jobs/crawl_side_info.py", *self.arguments],
            cwd=PROJECT,
            stdout=out,
            stderr=log,
            env={**os.environ, **self.environment},
        )

    def wait(self, process: subprocess.Popen[bytes], seconds: int = 600) -> Ended:
        end = time.monotonic() + seconds  # a crawl that hangs must not hang the tests
        memory = 0.0
        while process.poll() is None:
            if time.monotonic() > end:
                process.kill()
            memory = max(memory, _peak_memory(process.pid))
            time.sleep(0.02)
        log = (self.folder / "log").read_text(errors="replace")
        return Ended(process.returncode, (self.folder / "out").read_text(), log, memory)

    def run(self, *, check: bool = True) -> Ended:
        ended = self.wait(self.start())
        if check:
            assert ended.status == 0, ended.log
        return ended

    @property
    def result(self) -> Path:
        return self.folder / "crawled" / "site" / f"date={DS}"

    @property
    def state(self) -> Path:
        return self.folder / "crawled" / "_state" / "site" / DS / "frontier.sqlite"

    def records(self) -> list[dict[str, Any]]:
        lines = []
        for part in sorted(self.result.glob("part-*.jsonl.gz")):
            lines += gzip.decompress(part.read_bytes()).decode().splitlines()
        return [json.loads(line, parse_constant=_refuse) for line in lines]

    def manifest(self) -> dict[str, Any]:
        return json.loads((self.result / "_manifest.json").read_text())


def _peak_memory(pid: int) -> float:
    """The most that a process ever held, in MB; 0 once it has ended.

    Its own account, since ru_maxrss of a child begins with what the tests' process held when it started the child.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")
