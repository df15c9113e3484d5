"""The linear encoder: prior means linear in features, by ridge regression on the running factors in every round.

Its features are the feature blocks of the sampler (sampler/feature_blocks.py), joined to the side's rating blocks.
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
from bgmrec.sampler.feature_blocks import FeatureInputs, side_feature_blocks
from bgmrec.sampler.link_matrix import write_link_matrices
from bgmrec.storage import one_step, schemas
from bgmrec.storage.arrays import FLOAT
from bgmrec.storage.tables import Tables
from bgmrec.train.refit import Refit


@dataclass(frozen=True)
class LinearEncoder:
    """The linear encoder of one side.

    Args:
        side: user or item.
        shape: shape of the model.
        blocks: `schemas.LINK_BLOCKS` of the side.
        link_matrix: sums over the side's features.
        ridges: one per group.
        row_scale: weights of the rows in the regression.
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
        """False: the regression reads the factors of its own side only."""
        return False

    def warm_start(self, weights: bytes | None, store: Tables) -> bool:
        """False: every round solves the regression from scratch.

        Args:
            weights: not used.
            store: not used.
        """
        return False

    def refit(self, round_: Refit) -> list[EpochLoss]:
        """Solves the regression and writes weights and prior means into the round's folder; returns no losses.

        Args:
            round_: inputs of the fit.
        """
        store = round_.store
        with arrow_batch(store.spark, BLOCKS_PER_BATCH):
            summed = sum_rows(self.blocks, round_.factors, self.shape, len(self.link_matrix.groups), self.row_scale)
            cells = [bytes(row["sums"]) for row in summed.select("sums").collect() if row["sums"]]
            prior = ridge_prior(add_all(cells, self.shape.width), self.link_matrix, np.array(self.ridges))
            store.write(_prior_means(self.blocks, prior), f"{self.side}_prior")
        weights = {"offset": prior.offset.astype(FLOAT), "weights": prior.weights.astype(FLOAT)}
        one_step.write_bytes(store.spark, store.path(self.file), safetensors.save(weights))
        return []


def make_linear_encoder(
    store: Tables, inputs: FeatureInputs, side: str, settings: LinearSettings
) -> LinearEncoder | None:
    """The linear encoder of a side; None where its groups have no columns. Actions: writes features and sums them.

    Args:
        store: gets the linked blocks and the singular vectors.
        inputs: tables and numbers for the features.
        side: user or item.
        settings: `[user_encoder.linear]` or `[item_encoder.linear]`.
    """
    sizes = inputs.sizes
    groups = {name: settings.groups if name == side else [] for name in ("user", "item")}
    feature_blocks = side_feature_blocks(store, inputs, groups)[side]
    if not feature_blocks:
        return None
    rows = sizes.users if side == "user" else sizes.items
    scale = RowScale(settings.weight_exponent, sizes.train / rows)
    blocks = inputs.rated.read(f"{side}_rating_blocks")
    link_matrix = write_link_matrices(store, side, blocks, feature_blocks, scale, inputs.settings.bayes.max_columns)
    return LinearEncoder(
        side,
        sizes.shape(inputs.settings.factorize),
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
            rows = prior.means(read_features(row, block, columns))
            yield one_row(block=block.block, n_rows=block.n_rows, factors=rows.astype(FLOAT))

    return blocks.mapInArrow(means, schemas.FACTOR_BLOCKS)
