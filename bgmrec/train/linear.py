"""The encoder that is none: prior means linear in features, a ridge regression on the running factors every round.

The features are those of the sampler's links (pieces.py), beside the side's rating blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from safetensors import numpy as safetensors

from bgmrec.config.model import LinearSettings
from bgmrec.encoders.fit import EpochLoss
from bgmrec.factorize.blocks.cells import one_row, read_rows
from bgmrec.factorize.kernels.layout import RatingBlock
from bgmrec.factorize.kernels.row_scale import RowScale
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.sampler.conditionals.hyper import LinkMatrix, RowPrior
from bgmrec.sampler.conditionals.ridge import ridge_prior
from bgmrec.sampler.conditionals.sums import add_all
from bgmrec.sampler.draw_step import read_features, sum_rows
from bgmrec.sampler.feature_blocks import Known, side_feature_blocks
from bgmrec.sampler.link_matrix import write_link_matrices
from bgmrec.storage import files, schemas
from bgmrec.storage.arrays import FLOAT
from bgmrec.storage.tables import Tables
from bgmrec.train.refit import Refit


@dataclass(frozen=True)
class LinearEncoder:
    """One side's linear prior means.

    Args:
        side: user or item.
        shape: of the model.
        blocks: `schemas.LINKED_BLOCKS` of the side.
        link: of its features.
        ridges: per group.
        row_scale: how much a row counts.
    """

    side: str
    shape: ModelShape
    blocks: DataFrame
    link_matrix: LinkMatrix
    ridges: tuple[float, ...]
    row_scale: RowScale

    @property
    def file(self) -> str:
        """Name of the weights' file below a round's folder."""
        return f"{self.side}_encoder.safetensors"

    @property
    def reads_item_factors(self) -> bool:
        return False

    def warm_start(self, weights: bytes | None, store: Tables) -> bool:
        """It is solved anew every round, and needs no start."""
        return False

    def refit(self, round_: Refit) -> list[EpochLoss]:
        """Solves the regression and writes weights and prior means into the round's folder; it has no epochs."""
        store = round_.store
        with arrow_batch(store.spark, BLOCKS_PER_BATCH):
            summed = sum_rows(self.blocks, round_.factors, self.shape, len(self.link_matrix.groups), self.row_scale)
            cells = [bytes(row["sums"]) for row in summed.select("sums").collect() if row["sums"]]
            prior = ridge_prior(add_all(cells, self.shape.width), self.link_matrix, np.array(self.ridges))
            store.write(_prior_means(self.blocks, prior), f"{self.side}_prior")
        weights = {"offset": prior.offset.astype(FLOAT), "weights": prior.weights.astype(FLOAT)}
        files.write_bytes(store.spark, store.path(self.file), safetensors.save(weights))
        return []


def make_linear_encoder(store: Tables, known: Known, side: str, settings: LinearSettings) -> LinearEncoder | None:
    """The linear encoder of a side, or none where its groups have no columns. Actions.

    Args:
        place: of the training; gets the linked blocks and the singular vectors.
        known: about the entities.
        side: user or item.
        settings: of the encoder.
    """
    sizes = known.sizes
    groups = {name: settings.groups if name == side else [] for name in ("user", "item")}
    feature_blocks = side_feature_blocks(store, known, groups)[side]
    if not feature_blocks:
        return None
    rows = sizes.users if side == "user" else sizes.items
    scale = RowScale(settings.weight_exponent, sizes.train / rows)
    blocks = known.rated.read(f"{side}_rating_blocks")
    link_matrix = write_link_matrices(store, side, blocks, feature_blocks, scale, known.settings.bayes.max_columns)
    return LinearEncoder(
        side,
        sizes.shape(known.settings.factorize),
        store.read(f"{side}_linked_blocks"),
        link_matrix,
        tuple(settings.ridges),
        scale,
    )


def _prior_means(blocks: DataFrame, prior: RowPrior) -> DataFrame:
    columns = len(prior.weights)

    def means(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            block = RatingBlock.from_cells(row)
            made = prior.means(read_features(row, block, columns))
            yield one_row(block=block.block, n_rows=block.n_rows, factors=made.astype(FLOAT))

    return blocks.mapInArrow(means, schemas.FACTOR_BLOCKS)
