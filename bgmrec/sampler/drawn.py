"""Reads drawn blocks back: their sums and, where it may be broadcast, the table itself, in one small job."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import DataFrame

from bgmrec.factorize.blocks.factors import collect_cells, table_of
from bgmrec.factorize.source_tables import SourceFactors
from bgmrec.runtime.broadcasts import broadcast_value
from bgmrec.storage import columns as c
from bgmrec.storage import files, schemas
from bgmrec.storage.arrays import FLOAT
from bgmrec.storage.tables import Tables


def read_drawn(store: Tables, name: str) -> DataFrame:
    """`schemas.DRAWN_BLOCKS` of a table, read by the schema, which saves Spark a job.

    Args:
        store: folder of the draw.
        name: name of the table.
    """
    return store.spark.read.schema(schemas.DRAWN_BLOCKS).parquet(files.literal(store.path(name)))


@contextmanager
def broadcast_or_shuffle_drawn(
    drawn: DataFrame, n: int, num_blocks: int, width: int, broadcast_bytes: int
) -> Iterator[tuple[SourceFactors, list[bytes]]]:
    """(the drawn side as a source, the sums of its tasks); leaving destroys the broadcast. An action.

    Args:
        drawn: `schemas.DRAWN_BLOCKS`, written.
        n: rows of the side.
        num_blocks: blocks of the side.
        width: floats per row as stored.
        broadcast_bytes: a larger table is shuffled, not broadcast.
    """
    total_bytes = n * width * FLOAT.itemsize
    if total_bytes > broadcast_bytes:
        yield SourceFactors(drawn, num_blocks, width, None), collect_sums(drawn)
        return
    sums: list[bytes] = []

    def cells() -> Iterator[dict[Hashable, Any]]:
        for row in collect_cells(drawn.select(c.BLOCK, c.N_ROWS, c.FACTORS, "sums"), c.BLOCK, num_blocks, total_bytes):
            if row["sums"]:
                sums.append(row["sums"])
            yield row

    table = table_of(cells(), n, num_blocks, width)
    with broadcast_value(drawn.sparkSession, table) as sent:
        yield SourceFactors(drawn, num_blocks, width, sent), sums


def collect_sums(drawn: DataFrame) -> list[bytes]:
    """The sums of the tasks that wrote the table. An action.

    Args:
        drawn: `schemas.DRAWN_BLOCKS`.
    """
    return [bytes(row["sums"]) for row in drawn.select("sums").where("length(sums) > 0").collect()]
