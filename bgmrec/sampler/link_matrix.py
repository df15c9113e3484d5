"""The features of a side, joined to its rating blocks, and their sums on the driver for the link matrix."""

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

_GRAM_TASKS = 4  # each task sends columns² numbers to the driver
_SUMS = "rows double, total binary, gram binary"

# (cell, ratings of each row) -> float32 (n_rows, columns)
Make = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class FeatureBlock:
    """Some columns of one group.

    Args:
        group: number of the group; the columns of a group share a ridge.
        columns: number of columns.
        cells: (block, factors), float32 (n_rows, width) per block; None: the columns depend on rating counts only.
        width: floats per row of the cells.
        make: (cell rows, rating counts) → columns.
    """

    group: int
    columns: int
    cells: DataFrame | None
    width: int
    make: Make


def pick_columns(columns: np.ndarray) -> Make:
    """The function that picks some columns of the cells.

    Args:
        columns: their positions.
    """
    return lambda rows, n: rows[:, columns]


def project_rows(transform: np.ndarray, few_ratings: float) -> Make:
    """The function from rows [y, scale] to singular vectors.

    Args:
        transform: features = y @ transform.
        few_ratings: a row of n ratings is multiplied with n / (n + few_ratings); 0: rows stay as they are.
    """

    def make(rows: np.ndarray, n: np.ndarray) -> np.ndarray:
        trust = n / np.maximum(n + few_ratings, 1) if few_ratings else np.ones(len(n))
        return (rows[:, :-1] @ transform.astype(FLOAT)) * trust[:, None].astype(FLOAT)

    return make


def log_counts(mean_ratings: float) -> Make:
    """The function from counts n to two columns: log(1 + n) − log(1 + mean_ratings), and its square − 1.

    Args:
        mean_ratings: mean number of ratings per row of the side.
    """
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
    """Writes `<side>_linked_blocks`, unless an interrupted run did, and sums its features. Actions.

    Args:
        store: folder of the chain.
        side: user or item.
        rating_blocks: `schemas.RATING_BLOCKS` of the side.
        feature_blocks: the columns in the order of their groups.
        row_scale: scales of the side's prior precision.
        max_columns: the largest number of columns: the driver holds a (columns, columns) matrix.

    Raises:
        SettingsError: there are more columns than `max_columns`.
    """
    columns = sum(feature_block.columns for feature_block in feature_blocks)
    if columns > max_columns:
        raise SettingsError(
            f"the features of the {side} side have too many columns for the sampler",
            where=f"bayes.{side}_groups",
            expected=f"at most {max_columns} columns (bayes.max_columns)",
            found=f"{columns} columns",
            hint="remove names from the groups, give features a smaller size, or raise bayes.max_columns",
        )
    name = f"{side}_linked_blocks"
    with arrow_batch(store.spark, BLOCKS_PER_BATCH):
        if not store.exists(name):
            store.write(_with_features(rating_blocks, feature_blocks), name)
        if not columns:
            return no_link_matrix()
        groups = np.repeat(
            [feature_block.group for feature_block in feature_blocks],
            [feature_block.columns for feature_block in feature_blocks],
        )
        return _sum_features(store.read(name), columns, groups, row_scale)


def _with_features(rating_blocks: DataFrame, feature_blocks: list[FeatureBlock]) -> DataFrame:
    joined = rating_blocks
    for at, feature_block in enumerate(feature_blocks):
        if feature_block.cells is not None:
            cells = feature_block.cells.select(c.BLOCK, f.col(c.FACTORS).alias(f"feature_block_{at}"))
            joined = joined.join(cells.hint("shuffle_hash"), c.BLOCK, "left")
    block_columns = [field.name for field in schemas.RATING_BLOCKS.fields]
    makers = [
        (feature_block.cells is not None, feature_block.width, feature_block.make) for feature_block in feature_blocks
    ]

    def add_features(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            cells = {name: _as_array(row[name]) for name in block_columns}
            yield one_row(**cells, features=_features(row, makers))

    return joined.mapInArrow(add_features, schemas.LINK_BLOCKS)


def _as_array(value: Any) -> Any:
    return value if isinstance(value, int) else np.frombuffer(value, np.uint8)


def _features(row: dict[str, Any], makers: list[tuple[bool, int, Make]]) -> np.ndarray:
    block = RatingBlock.from_cells(row)
    n = np.diff(block.row_offsets)
    parts = [np.zeros((block.n_rows, 0), FLOAT)]
    for at, (from_cells, width, make) in enumerate(makers):
        cell = read_cell(row, f"feature_block_{at}", block, width) if from_cells else np.zeros((block.n_rows, 0), FLOAT)
        parts.append(make(cell, n))
    return np.ascontiguousarray(np.hstack(parts), FLOAT)


def _sum_features(linked_blocks: DataFrame, columns: int, groups: np.ndarray, row_scale: RowScale) -> LinkMatrix:
    def add(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows, total, gram = 0.0, np.zeros(columns), np.zeros((columns, columns))
        for row in read_rows(batches):
            features = from_cell(row[c.FEATURES], columns).astype(np.float64)
            scales = row_scale.scales(np.diff(from_cell(row["row_offsets"], dtype=LONG)))
            scaled = features * scales[:, None]
            rows, total, gram = rows + scales.sum(), total + scaled.sum(axis=0), gram + features.T @ scaled
        yield one_row(rows=float(rows), total=total, gram=gram)

    parts = linked_blocks.select(c.FEATURES, "row_offsets").coalesce(_GRAM_TASKS).mapInArrow(add, _SUMS).collect()
    rows = sum(part["rows"] for part in parts)
    total = np.sum([np.frombuffer(part["total"]) for part in parts], axis=0)
    gram = np.sum([np.frombuffer(part["gram"]) for part in parts], axis=0).reshape(columns, columns)
    return LinkMatrix(total / rows, gram - np.outer(total, total) / rows, groups)
