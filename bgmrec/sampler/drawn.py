"""Reading drawn blocks back: their sums, and the table itself where it may be broadcast, in one small job."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

from pyspark.sql import DataFrame

from bgmrec.factorize.blocks.factors import collect_cells, table_of
from bgmrec.factorize.source_tables import Source
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from bgmrec.storage.arrays import FLOAT
from bgmrec.storage.tables import Tables


def read_drawn(store: Tables, name: str) -> DataFrame:
    """Drawn blocks by their schema, which saves Spark a job."""
    return store.spark.read.schema(schemas.DRAWN_BLOCKS).parquet(store.path(name))


def broadcast_or_shuffle_drawn(
    drawn: DataFrame, n: int, num_blocks: int, width: int, broadcast_bytes: int
) -> tuple[Source, list[bytes]]:
    """The drawn side as a source, and its tasks' sums. An action.

    Args:
        drawn: `schemas.DRAWN_BLOCKS`, written.
        n: rows of the side.
        num_blocks: its blocks.
        width: floats per row as stored.
        broadcast_bytes: a larger table stays where it is and is routed.
    """
    total_bytes = n * width * FLOAT.itemsize
    if total_bytes > broadcast_bytes:
        return Source(drawn, num_blocks, width, None), collect_sums(drawn)
    sums: list[bytes] = []

    def cells() -> Iterator[dict[Hashable, Any]]:
        for row in collect_cells(drawn.select(c.BLOCK, c.N_ROWS, c.FACTORS, "sums"), c.BLOCK, num_blocks, total_bytes):
            if row["sums"]:
                sums.append(row["sums"])
            yield row

    table = table_of(cells(), n, num_blocks, width)
    return Source(drawn, num_blocks, width, drawn.sparkSession.sparkContext.broadcast(table)), sums


def collect_sums(drawn: DataFrame) -> list[bytes]:
    """The tasks' sums alone. An action."""
    return [bytes(row["sums"]) for row in drawn.select("sums").where("length(sums) > 0").collect()]
