"""Folders of a crawl, the lock of a host, and the reset of an unfinished crawl after a change of its settings."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import bgmrec
from bgmrec.config import Settings
from bgmrec.crawl.plan import Plan
from bgmrec.errors import InputError
from bgmrec.runtime.logs import logger

_LAYOUT = 2  # of the state; a crawl with another one starts over


@dataclass(frozen=True)
class Folders:
    """Folders of one source and date, on a local file system.

    Args:
        result: what jobs/ingest_side_info.py reads.
        state: of a crawl that is unfinished or has gaps.
        cache: file of the HTTP cache.
        locks: of hosts.
    """

    result: Path
    state: Path
    cache: Path
    locks: Path


def crawl_folders(settings: Settings, plan: Plan) -> Folders:
    """The folders of a source and date, below `crawl.out`.

    Args:
        settings: paths.
        plan: the source and date.
    """
    out = Path(expander(settings, plan.ds)(plan.settings.out))
    return Folders(
        result=out / plan.name / f"date={plan.ds}",
        state=out / "_state" / plan.name / str(plan.ds),
        cache=out / "_cache" / f"{plan.name}.sqlite",
        locks=out / "_state" / "locks",
    )


def expander(settings: Settings, ds: date, *, in_pattern: bool = False) -> Callable[[str], str]:
    """A function that fills `{data}`, `{root}` and `{ds}` into a path.

    Args:
        settings: paths.
        ds: the logical date.
        in_pattern: whether the path is a glob pattern, in which the folders are taken literally.
    """
    folders = {"{data}": settings.paths.data.rstrip("/"), "{root}": settings.paths.root.rstrip("/")}
    fill = {name: glob.escape(path) if in_pattern else path for name, path in folders.items()} | {"{ds}": str(ds)}

    def expand(path: str) -> str:
        for name, value in fill.items():
            path = path.replace(name, value)
        return path

    return expand


@contextmanager
def host_lock(lock: Path, what: str) -> Iterator[None]:
    """Holds the lock of a host, which ends with the process: two crawls would halve the delay between requests.

    Args:
        lock: path of the file.
        what: the crawl, for the error.

    Raises:
        InputError: another process has the lock.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another crawl is running {what}",
                where=str(lock),
                expected="one crawl at a time per host",
                found="a process that holds the lock",
                hint="wait for the other crawl, or stop it; the lock of a killed process is free",
            ) from None
        yield


def reset_if_settings_changed(settings: Settings, plan: Plan, where: Folders) -> None:
    """Deletes the state of an unfinished crawl with other settings, whose records would not fit.

    Args:
        settings: of the source.
        plan: the source and date.
        where: the folders.
    """
    text = json.dumps(
        {"version": bgmrec.__version__, "layout": _LAYOUT, **settings.crawl.model_dump(mode="json")}, sort_keys=True
    )
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    marker = where.state / "settings.sha256"
    if marker.exists() and marker.read_text() != fingerprint:
        logger.info("crawl %s: starts over, because its settings have changed", plan.name)
        # renamed in one step first, so that a killed process does not leave a partial state to resume from
        stale = where.state.with_name(f".{where.state.name}.stale")
        shutil.rmtree(stale, ignore_errors=True)
        where.state.rename(stale)
        shutil.rmtree(stale)
    if not marker.exists():
        where.state.mkdir(parents=True, exist_ok=True)
        marker.write_text(fingerprint)
