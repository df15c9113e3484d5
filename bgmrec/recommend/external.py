"""Tables with dense indices → the published tables with external ids."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.run.state import Run
from bgmrec.storage import columns as c
from bgmrec.storage.models import StoredModel
from bgmrec.storage.schemas import TABLES, conform


def recommendations(lists: DataFrame, user_index: DataFrame, item_index: DataFrame, ds: str, run_id: str) -> DataFrame:
    """`schemas.RECOMMENDATIONS`, sorted by user so that a reader of one user skips row groups.

    Args:
        lists: `schemas.TOP_N`.
        user_index: `schemas.USER_INDEX`.
        item_index: `schemas.ITEM_INDEX`.
        ds: logical date.
        run_id: the run.
    """
    named = lists.join(item_index, c.ITEM_IDX, "inner").join(user_index, c.USER_IDX, "inner")
    return _stamped(named, ds, run_id).sortWithinPartitions(c.USER_ID, c.POSITION)


def external_similar_items(lists: DataFrame, item_index: DataFrame, ds: str, run_id: str) -> DataFrame:
    """`schemas.SIMILAR_ITEMS`, sorted by item.

    Args:
        lists: `schemas.SIMILAR`.
        item_index: `schemas.ITEM_INDEX`.
        ds: logical date.
        run_id: the run.
    """
    other = item_index.select(f.col(c.ITEM_ID).alias(c.SIMILAR_ITEM_ID), f.col(c.ITEM_IDX).alias(c.SIMILAR_ITEM_IDX))
    named = lists.join(item_index, c.ITEM_IDX, "inner").join(other, c.SIMILAR_ITEM_IDX, "inner")
    return _stamped(named, ds, run_id).sortWithinPartitions(c.ITEM_ID, c.POSITION)


def recommendation_reasons(
    reasons: DataFrame, user_index: DataFrame, item_index: DataFrame, ds: str, run_id: str
) -> DataFrame:
    """`schemas.RECOMMENDATION_REASONS`, sorted by user.

    Args:
        reasons: `schemas.REASONS`.
        user_index: `schemas.USER_INDEX`.
        item_index: `schemas.ITEM_INDEX`.
        ds: logical date.
        run_id: the run.
    """
    rated = item_index.select(f.col(c.ITEM_ID).alias(c.REASON_ITEM_ID), f.col(c.ITEM_IDX).alias(c.REASON_ITEM_IDX))
    named = reasons.join(item_index, c.ITEM_IDX, "inner").join(user_index, c.USER_IDX, "inner")
    named = named.join(rated, c.REASON_ITEM_IDX, "left")
    return _stamped(named, ds, run_id).sortWithinPartitions(c.USER_ID, c.POSITION, c.PART_NUMBER)


def _stamped(df: DataFrame, ds: str, run_id: str) -> DataFrame:
    return df.withColumn(c.DS, f.lit(ds)).withColumn(c.RUN_ID, f.lit(run_id))


def external_table(run: Run, model: StoredModel, table: str) -> DataFrame:
    """A table with external ids, made from the run's working tables, whether it is published or not.

    Args:
        run: the run.
        model: its model, which has the indexes.
        table: `recommendations`, `similar_items` or `recommendation_reasons`.
    """
    user_index, item_index = model.table("user_index"), model.table("item_index")
    indexes, stamp = (user_index, item_index), (str(run.ds), run.run_id)
    makers = {
        "recommendations": lambda: recommendations(run.work.read("top_n"), *indexes, *stamp),
        "similar_items": lambda: external_similar_items(run.work.read("similar"), item_index, *stamp),
        "recommendation_reasons": lambda: recommendation_reasons(run.work.read("reasons"), *indexes, *stamp),
    }
    return conform(makers[table](), TABLES[table], table)
