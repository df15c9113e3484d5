"""The whole sampling: link matrices, chain, and the kept draws as one wide factor table."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pyspark.sql import DataFrame

from bgmrec.factorize.blocks.factors import solved_factors
from bgmrec.factorize.kernels.row_scale import RowScale
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.sampler.chain import Chain, ChainNumbers, ChainState, chain_sides, run_chain, start_chain
from bgmrec.sampler.feature_blocks import FeatureInputs, side_feature_blocks
from bgmrec.sampler.link_matrix import write_link_matrices
from bgmrec.sampler.wide import wide_factors, wide_shape
from bgmrec.storage.tables import Tables


@dataclass(frozen=True)
class Sampled:
    """The averaged model.

    Args:
        user_factors: `schemas.FACTOR_BLOCKS`, all kept draws side by side.
        item_factors: the same for items.
        shape: shape of these tables.
        state: state of the chain after the last draw.
    """

    user_factors: DataFrame
    item_factors: DataFrame
    shape: ModelShape
    state: ChainState


def sample(store: Tables, inputs: FeatureInputs, progress: Progress) -> Sampled:
    """Runs the chain from the best round's factors; an interrupted chain resumes. Actions.

    Args:
        store: folder of the chain.
        inputs: ratings, features, and the folder of the best round.
        progress: gets every draw.
    """
    progress.update("bayes", step="features")
    chain = open_chain(store, inputs)
    state = run_chain(chain, progress)
    user_factors, item_factors = (_wide(chain, side.name, side.num_blocks) for side in chain.sides)
    return Sampled(user_factors, item_factors, wide_shape(chain.shape, inputs.settings.bayes.draws), state)


def open_chain(store: Tables, inputs: FeatureInputs) -> Chain:
    """A chain that is ready to run: writes features and draw 0, unless an interrupted chain did. Actions.

    Args:
        store: folder of the chain.
        inputs: ratings, features, and the folder of the best round.
    """
    settings, sizes = inputs.settings, inputs.sizes
    bayes, shape = settings.bayes, sizes.shape(settings.factorize)
    feature_blocks = side_feature_blocks(store, inputs, {"user": bayes.user_groups, "item": bayes.item_groups})
    scales = {
        "user": RowScale(bayes.user_prior_exponent, sizes.train / sizes.users),
        "item": RowScale(bayes.item_prior_exponent, sizes.train / sizes.items),
    }
    link_matrices = {
        side: write_link_matrices(
            store, side, inputs.rated.read(f"{side}_rating_blocks"), feature_blocks[side], scale, bayes.max_columns
        )
        for side, scale in scales.items()
    }
    sides = chain_sides(
        (sizes.users, sizes.user_blocks), (sizes.items, sizes.item_blocks), store, link_matrices, scales
    )
    numbers = ChainNumbers(
        bayes.burn_in, bayes.draws, bayes.noise_strength, settings.seed,
        settings.factorize.broadcast_bytes,
    )  # fmt: skip
    chain = Chain(store, shape, sides, numbers)
    solved = {side: solved_factors(inputs.priors, side) for side in ("user", "item")}
    errors = [row["squared_error"] for row in solved["item"].select("squared_error").collect()]
    start_chain(chain, solved["user"], solved["item"], math.fsum(errors))
    return chain


def _wide(chain: Chain, side: str, num_blocks: int) -> DataFrame:
    name = f"{side}_factors"
    if not chain.tables.exists(name):
        paths = [chain.draw_folder(number).path(f"{side}_draw") for number in chain.kept_draws]
        with arrow_batch(chain.tables.spark, BLOCKS_PER_BATCH):
            wide = wide_factors(chain.tables.spark, paths, chain.shape, scaled=side == "user", partitions=num_blocks)
            chain.tables.write(wide, name)
    return chain.tables.read(name)
