"""Small versions of the published tables, each row with its version, and a reader that polls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pyspark.sql import DataFrame, SparkSession

from bgmrec.publish.promotion import promote
from bgmrec.publish.versions import Versions
from bgmrec.storage import schemas
from bgmrec.storage.tables import Tables

DS = "2025-01-31"
HOSTILE = [
    'it\'s "quoted" and back\\slashed',
    "two\nlines\r\nand\ta tab",
    "\\N",  # a null in COPY's text
    "'; DROP TABLE recommendations; --",
    "../../etc/passwd",
    "\u202eright to left \u05d0\u05d1",
    "ünïcode ♫ 音楽",
    " blanks around ",
    "long " * 20_000,
]
T = TypeVar("T")


def run_id(number: int, ds: str = DS) -> str:
    return f"{ds}-{number:03d}"


def tables(spark: SparkSession, run: str, users: int, hostile: bool = False) -> dict[str, DataFrame]:
    """Lists of two items per user, a reason per position and a similar item per item; scores fall with the position."""
    ds, ids = run[:10], [f"u{n}" for n in range(users)] + (HOSTILE if hostile else [])
    lists = [(ds, user, p, f"m{p}", 1.0 / (p + 2), "warm", run) for user in ids for p in (1, 2)]
    similar = [(ds, item, 1, "m9", 0.93, run) for item in ids]
    reasons = [(ds, user, p, f"m{p}", 1, "rating", "m9", 1.0 / (p + 2), run) for user in ids for p in (1, 2)]
    by_table = {"recommendations": lists, "similar_items": similar, "recommendation_reasons": reasons}
    return {name: spark.createDataFrame(rows, schemas.TABLES[name]).repartition(3) for name, rows in by_table.items()}


def counts(users: int) -> dict[str, int]:
    return {"recommendations": 2 * users, "similar_items": users, "recommendation_reasons": 2 * users}


def publish(spark: SparkSession, root: Path, run: str, users: int, database: str | None = None) -> Versions:
    """Publishes a version below `root`."""
    versions = Versions(Tables(spark, f"file://{root}/published"), database)
    published = {}
    for name, df in tables(spark, run, users).items():
        published[name] = {"location": versions.stage(df, name, run[:10], run), "rows": counts(users)[name]}
    promote(versions, {"ds": run[:10], "run_id": run, "tables": published, "model": {"run_id": run}})
    return versions


@contextmanager
def polling(read: Callable[[], T]) -> Iterator[list[T]]:
    """All answers that a reader gets who polls inside the block; no query may fail."""
    seen: list[T] = []
    failures: list[Exception] = []
    over = threading.Event()

    def poll() -> None:
        try:
            while not over.is_set():
                seen.append(read())
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
    assert not failures, failures[0]
