"""What the run cost: time and memory by stage, Spark's work, and sizes of tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bgmrec.report.numbers import count, seconds, significant
from bgmrec.report.page import draw
from bgmrec.report.page.parts import Figure, PageSection, Table, Tile, Titled, figure

_MB = 2**20


def cost_section(facts: dict[str, Any]) -> PageSection:
    """The section on time, memory and disk space.

    Args:
        facts: facts of the report.
    """
    spent = facts["summary"].get("seconds") or {}
    memory = facts["summary"].get("peak_memory_mb") or {}
    total, most = sum(spent.values()), max(memory.values(), default=0)
    lead = f"All stages together took {seconds(total)}; the largest used {significant(most / 1024, 2)} GB of memory."
    blocks: list[Figure | Titled] = [*_timeline(facts, spent, memory), *_work(facts), *_tables(facts)]
    return PageSection("cost", "Cost", lead, list(_tiles(facts, spent)), blocks, list(_missing(facts, spent)))


def _tiles(facts: dict[str, Any], spent: dict[str, float]) -> Iterator[Tile]:
    if "train" in spent:
        rounds = len(facts["quality"]["history"])
        yield Tile("training", seconds(spent["train"]), f"{rounds} round{'s' if rounds != 1 else ''}")
    rows = (facts["summary"].get("ingest_ratings") or {}).get("rows_in")
    if rows and spent.get("ingest_ratings"):
        yield Tile("raw rows per second", count(rows / spent["ingest_ratings"]), "reading the rating log")
    listed = facts["run"]["published"].get("recommendations")
    if listed and spent.get("recommend"):
        yield Tile("recommendations per second", count(listed / spent["recommend"]), "making and publishing lists")


def _timeline(facts: dict[str, Any], spent: dict[str, float], memory: dict[str, float]) -> Iterator[Figure]:
    if not spent:
        return
    # sections of the summary are in alphabetical order
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
        note="Memory of the driver's Python and Java processes, in local mode also of the workers. Time between the "
        "stages is not included.",
    )


def _work(facts: dict[str, Any]) -> Iterator[Titled]:
    work = facts["summary"].get("spark_work") or {}
    rows = [
        [
            name,
            count(stage["tasks"]),
            count(stage["failed_tasks"]),
            significant(stage["task_seconds"]),
            *(significant(stage[kind] / _MB, 2) for kind in ("input_bytes", "shuffle_bytes", "spilled_bytes")),
        ]
        for name, stage in ((name, work[name]) for name in facts["stages"] if name in work)
    ]
    if rows:
        spilled = sum(stage["spilled_bytes"] for stage in work.values())
        yield Titled(
            "How much work did Spark do?",
            Table(["stage", "tasks", "failed", "task s", "read MB", "shuffled MB", "spilled MB"], rows),
            note="Failed: failed attempts of tasks. Task s: seconds of all tasks added up. Shuffled: sent between "
            "tasks. Spilled: written to disk because a task had too little memory. "
            + ("More memory or more partitions avoid that." if spilled else "Nothing was spilled."),
        )


def _tables(facts: dict[str, Any]) -> Iterator[Titled]:
    tables = facts["cost"]["tables"]
    if tables:
        rows = [
            [name, significant(t["bytes"] / _MB, 2), count(t["files"]), significant(t["largest"] / _MB, 2)]
            for name, t in tables.items()
        ]
        yield Titled(
            "How large are the tables of the run?",
            Table(["table", "MB", "files", "largest file, MB"], rows),
            note="A largest file far above the mean size means that one task had much more work than the others.",
        )


def _missing(facts: dict[str, Any], spent: dict[str, float]) -> Iterator[str]:
    absent = [name for name in facts["stages"] if name not in spent]
    if absent:
        yield f"Without time and memory: {', '.join(absent)}. An earlier process ran them before the run was resumed."
