"""Counts in the staged tables, for the gate."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.publish.contracts import Contract
from bgmrec.publish.gate import TableNumbers
from bgmrec.storage import columns as c


def table_numbers(df: DataFrame, contract: Contract, score_range: tuple[float, float] | None) -> TableNumbers:
    """Counts one staged table. Two actions; rows are shuffled once, by their first key.

    Args:
        df: the staged rows.
        contract: of the table.
        score_range: (lowest, highest) plausible predicted rating; None: not checked.
    """
    score_range = score_range if contract.is_rating else None
    counts = _counts(df, contract, score_range).collect()[0]
    keys = _keys(df, contract).collect()[0]
    return TableNumbers(
        rows=counts["rows"],
        rows_with_nulls=counts["nulls"] or 0,
        duplicate_keys=keys["duplicates"] or 0,
        entities=keys["entities"],
        invalid_scores=counts["invalid_scores"],
        scored=counts["scored"],
        out_of_range=counts["out_of_range"],
        lowest=counts["lowest"],
        highest=counts["highest"],
        score_range=score_range,
    )


def _counts(df: DataFrame, contract: Contract, score_range: tuple[float, float] | None) -> DataFrame:
    some_null = f.greatest(*(f.col(name).isNull().cast("int") for name in contract.required), f.lit(0))
    score = f.col(contract.score)
    finite = ~f.isnan(score) & (f.abs(score) < f.lit(float("inf")))
    valid = finite & score.between(*contract.score_range) if contract.score_range else finite
    from_model = f.col(c.SOURCE).isin(*contract.model_sources) if contract.model_sources else f.lit(True)
    model_score = f.when(finite & from_model, score)
    inside = model_score.between(*score_range) if score_range else f.lit(True)
    return df.agg(
        f.count(f.lit(1)).alias("rows"),
        f.sum(some_null).alias("nulls"),
        f.count_if(~valid).alias("invalid_scores"),
        f.count(model_score).alias("scored"),
        f.count_if(~inside).alias("out_of_range"),
        f.min(model_score).alias("lowest"),
        f.max(model_score).alias("highest"),
    )


def _keys(df: DataFrame, contract: Contract) -> DataFrame:
    entity, *others = contract.keys
    # rows without an entity would all go into one group; they are counted as nulls
    rows = df.where(f.col(entity).isNotNull()).groupBy(entity)
    groups = rows.agg(f.count(f.lit(1)).alias("n"), f.size(f.collect_set(f.struct(*others))).alias("keys"))
    return groups.agg(f.count(f.lit(1)).alias("entities"), f.sum(f.col("n") - f.col("keys")).alias("duplicates"))


def listed_items(df: DataFrame) -> int:
    """Number of distinct items in the lists. An action.

    Args:
        df: rows of `recommendations`.
    """
    return int(df.agg(f.countDistinct(c.ITEM_ID)).collect()[0][0])
