"""A reader that polls the published tables all the while, as a warehouse does, and judges everything that it sees."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

TABLES = ("recommendations", "similar_items")
KEYS = {"recommendations": "user_id", "similar_items": "item_id"}


@dataclass
class Reader:
    """What was seen: the runs, in the order in which they appeared, and everything that was not whole."""

    root: Path
    ds: str
    runs: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    polls: int = 0

    def poll(self) -> None:
        manifest_at = self.root / "published" / "_manifests" / f"{self.ds}.json"
        try:
            manifest = json.loads(manifest_at.read_text())
        except FileNotFoundError:
            if self.runs:
                self.wrong.append("the manifest was gone")
            return
        except ValueError:
            self.wrong.append("half a manifest")
            return
        if manifest["run_id"] not in self.runs:
            self.runs.append(manifest["run_id"])
        for table in TABLES:
            self._judge(table, manifest)
        self.polls += 1

    def _judge(self, table: str, manifest: dict) -> None:
        facts, run_id = manifest["tables"][table], manifest["run_id"]
        try:
            rows = pd.read_parquet(facts["location"])
            runs, places = set(rows["run_id"]), rows.groupby(KEYS[table])["position"].agg(["max", "count", "nunique"])
        except Exception as error:  # whatever a reader stumbles over is what this test is for
            self.wrong.append(f"{table} of {run_id}: {type(error).__name__} {error}")
            return
        if len(rows) != facts["rows"]:
            self.wrong.append(f"{table} of {run_id}: {len(rows)} rows of {facts['rows']}")
        if runs != {run_id}:
            self.wrong.append(f"{table} of {run_id} holds rows of {runs}")
        if not (places["max"].eq(places["count"]) & places["count"].eq(places["nunique"])).all():
            self.wrong.append(f"{table} of {run_id}: half a list")


@contextmanager
def polling(root: Path, ds: str, interval: float = 0.2) -> Iterator[Reader]:
    """Polls until the end of the block; what it saw is whole.

    Raises:
        AssertionError: it was not.
    """
    reader, over = Reader(root, ds), threading.Event()

    def poll() -> None:
        while not over.wait(interval):
            reader.poll()

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield reader
    finally:
        over.set()
        thread.join()
    assert not reader.wrong, "\n".join(dict.fromkeys(reader.wrong))
