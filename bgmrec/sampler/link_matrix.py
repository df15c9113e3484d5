"""The features of a side's linear link, beside its rating blocks, and what the driver knows of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.errors import SettingsError
from bgmrec.factorize.blocks.cells import one_row, read_rows
from bgmrec.factorize.half_step import read_cell
from bgmrec.factorize.kernels.layout import LONG, RatingBlock
from bgmrec.factorize.kernels.row_scale import RowScale
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.sampler.conditionals.hyper import LinkMatrix, no_link_matrix
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from bgmrec.storage.arrays import FLOAT, from_cell
from bgmrec.storage.tables import Tables

_GRAM_TASKS = 4  # each sends columns² numbers to the driver
_SUMS = "rows double, total binary, gram binary"

# (cell, ratings of each row) -> float32 (n_rows, columns)
Make = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class FeatureBlock:
    """Columns of one group.

    Args:
        group: its number.
        columns: how many.
        cells: blocks with `factors`, float32 (n_rows, width); none: made of the rating counts alone.
        width: of the cells.
        make: cell rows and rating counts → columns.
    """

    group: int
    columns: int
    cells: DataFrame | None
    width: int
    make: Make


def chosen(columns: np.ndarray) -> Make:
    """Some columns of the cell."""
    return lambda rows, n: rows[:, columns]


def transformed(transform: np.ndarray, few_ratings: float) -> Make:
    """Singular vectors of rows [y, scale]; a row of n ratings is multiplied by n / (n + few_ratings)."""

    def make(rows: np.ndarray, n: np.ndarray) -> np.ndarray:
        trust = n / np.maximum(n + few_ratings, 1) if few_ratings else np.ones(len(n))
        return (rows[:, :-1] @ transform.astype(FLOAT)) * trust[:, None].astype(FLOAT)

    return make


def log_counts(mean_ratings: float) -> Make:
    """log(1 + n), 0 at the side's mean count, and its square."""
    middle = math.log1p(mean_ratings)

    def make(rows: np.ndarray, n: np.ndarray) -> np.ndarray:
        value = np.log1p(n) - middle
        return np.stack([value, value**2 - 1], axis=1).astype(FLOAT)

    return make


def write_link_matrices(
    store: Tables,
    side: str,
    rating_blocks: DataFrame,
    feature_blocks: list[FeatureBlock],
    row_scale: RowScale,
    max_columns: int,
) -> LinkMatrix:
    """Writes `<side>_linked_blocks` and sums its features, unless an interrupted run did. Actions.

    Args:
        place: of the chain.
        side: user or item.
        rating_blocks: `schemas.RATING_BLOCKS` of the side.
        pieces: the columns, in the order of their groups.
        row_scale: how strongly the side's prior holds.
        max_columns: bound of the link.

    Raises:
        SettingsError: there are more columns than the bound.
    """
    columns = sum(feature_block.columns for feature_block in feature_blocks)
    if columns > max_columns:
        raise SettingsError(
            f"the link of the {side} side is too wide",
            where=f"bayes.{side}_groups",
            expected=f"at most {max_columns} columns (bayes.max_columns)",
            found=f"{columns} columns",
            hint="leave fields out, give features a smaller size, or raise bayes.max_columns if the driver has memory",
        )
    name = f"{side}_linked_blocks"
    with arrow_batch(store.spark, BLOCKS_PER_BATCH):
        if not store.exists(name):
            store.write(_with_links(rating_blocks, feature_blocks), name)
        if not columns:
            return no_link_matrix()
        groups = np.repeat(
            [feature_block.group for feature_block in feature_blocks],
            [feature_block.columns for feature_block in feature_blocks],
        )
        return _summed(store.read(name), columns, groups, row_scale)


def _with_links(rating_blocks: DataFrame, feature_blocks: list[FeatureBlock]) -> DataFrame:
    joined = rating_blocks
    for at, feature_block in enumerate(feature_blocks):
        if feature_block.cells is not None:
            cells = feature_block.cells.select(c.BLOCK, f.col(c.FACTORS).alias(f"piece_{at}"))
            joined = joined.join(cells.hint("shuffle_hash"), c.BLOCK, "left")
    kept = [field.name for field in schemas.RATING_BLOCKS.fields]
    makers = [
        (feature_block.cells is not None, feature_block.width, feature_block.make) for feature_block in feature_blocks
    ]

    def link_matrix(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            yield one_row(**{name: _plain(row[name]) for name in kept}, features=_features(row, makers))

    return joined.mapInArrow(link_matrix, schemas.LINK_BLOCKS)


def _plain(value: Any) -> Any:
    return value if isinstance(value, int) else np.frombuffer(value, np.uint8)


def _features(row: dict[str, Any], makers: list[tuple[bool, int, Make]]) -> np.ndarray:
    block = RatingBlock.from_cells(row)
    n = np.diff(block.row_offsets)
    parts = [np.zeros((block.n_rows, 0), FLOAT)]
    for at, (from_cells, width, make) in enumerate(makers):
        cell = read_cell(row, f"piece_{at}", block, width) if from_cells else np.zeros((block.n_rows, 0), FLOAT)
        parts.append(make(cell, n))
    return np.ascontiguousarray(np.hstack(parts), FLOAT)


def _summed(with_links: DataFrame, columns: int, groups: np.ndarray, row_scale: RowScale) -> LinkMatrix:
    def add(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows, total, gram = 0.0, np.zeros(columns), np.zeros((columns, columns))
        for row in read_rows(batches):
            features = from_cell(row[c.FEATURES], columns).astype(np.float64)
            scales = row_scale.of(np.diff(from_cell(row["row_offsets"], dtype=LONG)))
            scaled = features * scales[:, None]
            rows, total, gram = rows + scales.sum(), total + scaled.sum(axis=0), gram + features.T @ scaled
        yield one_row(rows=float(rows), total=total, gram=gram)

    parts = with_links.select(c.FEATURES, "row_offsets").coalesce(_GRAM_TASKS).mapInArrow(add, _SUMS).collect()
    rows = sum(part["rows"] for part in parts)
    total = np.sum([np.frombuffer(part["total"]) for part in parts], axis=0)
    gram = np.sum([np.frombuffer(part["gram"]) for part in parts], axis=0).reshape(columns, columns)
    return LinkMatrix(total / rows, gram - np.outer(total, total) / rows, groups)
