"""Where a crawl keeps what, who may work there, and when an unfinished crawl no longer counts."""

from __future__ import annotations

import fcntl
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


@dataclass(frozen=True)
class Folders:
    """Folders of one source and date; all on this machine's file system.

    result: what ingest reads. state: of an unfinished crawl. cache: of the source. locks: of hosts.
    """

    result: Path
    state: Path
    cache: Path
    locks: Path


def crawl_folders(settings: Settings, plan: Plan) -> Folders:
    """The folders of a source and date, by `crawl.out`."""
    out = Path(expander(settings, plan.ds)(plan.settings.out))
    return Folders(
        result=out / plan.name / f"date={plan.ds}",
        state=out / "_state" / plan.name / str(plan.ds),
        cache=out / "_cache" / f"{plan.name}.sqlite",
        locks=out / "_state" / "locks",
    )


def expander(settings: Settings, ds: date) -> Callable[[str], str]:
    """The function that fills `{data}`, `{root}` and `{ds}` into a path."""
    fill = {"{data}": settings.paths.data.rstrip("/"), "{root}": settings.paths.root.rstrip("/"), "{ds}": str(ds)}

    def expand(path: str) -> str:
        for name, value in fill.items():
            path = path.replace(name, value)
        return path

    return expand


@contextmanager
def alone(lock: Path, what: str) -> Iterator[None]:
    """Holds a lock that dies with the process: two crawls at one host would halve the delay between requests."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another crawl is under way {what}",
                where=str(lock),
                expected="one crawl at a time for every host",
                hint="wait for it, or stop it; a killed one holds nothing",
            ) from None
        yield


def drop_other_settings(settings: Settings, plan: Plan, where: Folders) -> None:
    """Begins anew where the unfinished crawl had other settings: its records would not fit the new ones."""
    text = json.dumps({"version": bgmrec.__version__, **settings.crawl.model_dump(mode="json")}, sort_keys=True)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    mark = where.state / "settings.sha256"
    if mark.exists() and mark.read_text() != fingerprint:
        logger.info("crawl %s: begins anew, its settings have changed", plan.name)
        # out of the way in one step: a process killed in between must not leave half a state to go on with
        stale = where.state.with_name(f".{where.state.name}.stale")
        shutil.rmtree(stale, ignore_errors=True)
        where.state.rename(stale)
        shutil.rmtree(stale)
    if not mark.exists():
        where.state.mkdir(parents=True, exist_ok=True)
        mark.write_text(fingerprint)
