"""What the night cost: seconds and memory by stage, and the tables it left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bgmrec.report.numbers import count, seconds, significant
from bgmrec.report.page import draw
from bgmrec.report.page.parts import Figure, Section, Table, Tile, Titled, figure

_MB = 2**20


def cost_section(facts: dict[str, Any]) -> Section:
    spent = facts["summary"].get("seconds") or {}
    memory = facts["summary"].get("peak_memory_mb") or {}
    total, most = sum(spent.values()), max(memory.values(), default=0)
    lead = f"The stages took {seconds(total)} together and {significant(most / 1024, 2)} GB at most."
    blocks: list[Figure | Titled] = [*_timeline(facts, spent, memory), *_work(facts), *_tables(facts)]
    return Section("cost", "Cost", lead, list(_tiles(facts, spent)), blocks, list(_missing(facts, spent)))


def _tiles(facts: dict[str, Any], spent: dict[str, float]) -> Iterator[Tile]:
    if "train" in spent:
        rounds = len(facts["quality"]["history"])
        yield Tile("training", seconds(spent["train"]), f"{rounds} round{'s' if rounds != 1 else ''}")
    rows = (facts["summary"].get("ingest_ratings") or {}).get("rows_in")
    if rows and spent.get("ingest_ratings"):
        yield Tile("raw rows per second", count(rows / spent["ingest_ratings"]), "reading the rating log")
    listed = facts["run"]["published"].get("recommendations")
    if listed and spent.get("recommend"):
        yield Tile("list places per second", count(listed / spent["recommend"]), "making and publishing lists")


def _timeline(facts: dict[str, Any], spent: dict[str, float], memory: dict[str, float]) -> Iterator[Figure]:
    if not spent:
        return
    # the summary's sections stand in the order of the alphabet, stages in theirs
    order = [name for name in facts["stages"] if name in spent]
    yield figure(
        "timeline",
        "Where did the time and the memory go?",
        "; ".join(f"{name}: {seconds(spent[name])}" for name in order),
        Table(
            ["stage", "seconds", "peak memory, MB"],
            [[name, significant(spent[name]), count(memory.get(name))] for name in order],
        ),
        lambda drawing: draw.timeline(
            drawing,
            order,
            [spent[name] for name in order],
            [memory[name] / 1024 if name in memory else None for name in order],
        ),
        height=0.9 + 0.36 * len(order),
        note="Memory of driver, Java and, in local mode, workers together; seconds without what lies between stages.",
    )


def _work(facts: dict[str, Any]) -> Iterator[Titled]:
    work = facts["summary"].get("spark_work") or {}
    rows = [
        [
            name,
            count(own["tasks"]),
            count(own["failed_tasks"]),
            significant(own["task_seconds"]),
            *(significant(own[kind] / _MB, 2) for kind in ("input_bytes", "shuffle_bytes", "spilled_bytes")),
        ]
        for name, own in ((name, work[name]) for name in facts["stages"] if name in work)
    ]
    if rows:
        spilled = sum(own["spilled_bytes"] for own in work.values())
        yield Titled(
            "What did Spark do for it?",
            Table(["stage", "tasks", "failed tries", "task seconds", "read, MB", "shuffled, MB", "spilled, MB"], rows),
            note="Spilled: written to disk because a task's share of memory was full. "
            + ("More memory or more partitions spare it." if spilled else "Nothing was."),
        )


def _tables(facts: dict[str, Any]) -> Iterator[Titled]:
    found = facts["cost"]["tables"]
    if found:
        rows = [
            [name, significant(t["bytes"] / _MB, 2), count(t["files"]), significant(t["largest"] / _MB, 2)]
            for name, t in found.items()
        ]
        yield Titled(
            "How large are the night's tables?",
            Table(["table", "MB", "files", "largest file, MB"], rows),
            note="A largest file far above the mean is a partition that one task worked on alone.",
        )


def _missing(facts: dict[str, Any], spent: dict[str, float]) -> Iterator[str]:
    lacking = [name for name in facts["stages"] if name not in spent]
    if lacking:
        yield f"Not in the summary, as an earlier, interrupted process did them: {', '.join(lacking)}."
