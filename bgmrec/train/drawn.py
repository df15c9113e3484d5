"""Reading drawn blocks back: their sums, and the table itself where it may be broadcast, in one small job."""

from __future__ import annotations

from pyspark.sql import DataFrame

from bgmrec import columns as c
from bgmrec import schemas
from bgmrec.arrays import FLOAT
from bgmrec.factorize.delivery import Source
from bgmrec.factorize.factors import collect_cells, table_of
from bgmrec.tables import Tables


def read_drawn(place: Tables, name: str) -> DataFrame:
    """Drawn blocks by their schema, which saves Spark a job."""
    return place.spark.read.schema(schemas.DRAWN_BLOCKS).parquet(place.path(name))


def deliver_drawn(
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
    if n * width * FLOAT.itemsize > broadcast_bytes:
        added = collect_cells(drawn.select("sums").where("length(sums) > 0"))
        return Source(drawn, num_blocks, width, None), [row["sums"] for row in added]
    rows = collect_cells(drawn.select(c.BLOCK, c.N_ROWS, c.FACTORS, "sums"))
    table = table_of(rows, num_blocks, width)
    source = Source(drawn, num_blocks, width, drawn.sparkSession.sparkContext.broadcast(table))
    return source, [row["sums"] for row in rows if row["sums"]]
