"""From groups of names in the settings to feature blocks: fields, singular vectors, counts, prior means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgmrec.config.settings import Settings
from bgmrec.factorize.blocks.factors import pack_factors
from bgmrec.factorize.blocks.prepare import ROWS_PER_BATCH, DataSizes
from bgmrec.factorize.blocks.ratings import num_blocks, rating_blocks
from bgmrec.features.fitted import field_columns
from bgmrec.features.text_pairs import text_pairs
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.sampler.link_matrix import FeatureBlock, log_counts, pick_columns, project_rows
from bgmrec.sampler.spectral import PairSide, SpectralRows, singular_rows
from bgmrec.storage import columns as c
from bgmrec.storage.tables import Tables

SVD_ROUNDS = 5  # power iterations, as singular values of rating matrices fall slowly
RATINGS, TEXT, COUNTS, ENCODER = "svd:ratings", "svd:text", "log:counts", "prior:encoder"


@dataclass(frozen=True)
class FeatureInputs:
    """The tables and numbers from which feature blocks are made.

    Args:
        work: has `user_features`, `item_features`, `item_tokens` and the document `fitted_features`.
        rated: has the rating blocks of both sides.
        priors: folder of the round whose prior means may be columns.
        sizes: sizes of the data.
        settings: all settings.
    """

    work: Tables
    rated: Tables
    priors: Tables
    sizes: DataSizes
    settings: Settings


def side_feature_blocks(
    store: Tables, inputs: FeatureInputs, groups: dict[str, list[list[str]]]
) -> dict[str, list[FeatureBlock]]:
    """The feature blocks of both sides. Actions: packs fields, and computes singular vectors that a group names.

    Args:
        store: folder of the chain; gets the packed fields and the singular vectors.
        inputs: tables and numbers.
        groups: user and item → groups of names; the columns of a group share a ridge.
    """
    sizes = inputs.sizes
    named = {name for of_side in groups.values() for group in of_side for name in group}
    singular: dict[str, dict[str, SpectralRows]] = {"user": {}, "item": {}}
    if RATINGS in named:
        singular["user"][RATINGS], singular["item"][RATINGS] = _of_ratings(store.below("svd-ratings"), inputs)
    if TEXT in named:
        singular["item"][TEXT] = _of_text(store.below("svd-text"), inputs)
    return {
        "user": _feature_blocks(
            store, inputs, "user", groups["user"], (sizes.users, sizes.user_blocks), singular["user"]
        ),
        "item": _feature_blocks(
            store, inputs, "item", groups["item"], (sizes.items, sizes.item_blocks), singular["item"]
        ),
    }


def _feature_blocks(
    store: Tables, inputs: FeatureInputs, side: str, groups: list[list[str]], size: tuple[int, int],
    singular: dict[str, SpectralRows],
) -> list[FeatureBlock]:  # fmt: skip
    feature_blocks = []
    for group, names in enumerate(groups):
        for name in [name for name in names if name in (RATINGS, TEXT, COUNTS, ENCODER)]:
            feature_blocks += _named_blocks(inputs, side, group, name, size[0], singular)
        fields = [name for name in names if ":" not in name]
        if fields:
            feature_blocks.append(_fields(store, inputs, side, group, fields, size))
    return feature_blocks


def _named_blocks(
    inputs: FeatureInputs, side: str, group: int, name: str, n: int, singular: dict[str, SpectralRows]
) -> list[FeatureBlock]:
    if name == COUNTS:
        return [FeatureBlock(group, 2, None, 0, log_counts(inputs.sizes.train / n))]
    if name == ENCODER:
        if not inputs.priors.exists(f"{side}_prior"):
            return []
        width = inputs.sizes.shape(inputs.settings.factorize).width
        return [FeatureBlock(group, width, inputs.priors.read(f"{side}_prior"), width, pick_columns(np.arange(width)))]
    rows = singular[name]
    few = inputs.settings.bayes.few_ratings if name == RATINGS else 0.0
    return [FeatureBlock(group, rows.transform.shape[1], rows.rows, rows.width + 1, project_rows(rows.transform, few))]


def _fields(
    store: Tables, inputs: FeatureInputs, side: str, group: int, fields: list[str], size: tuple[int, int]
) -> FeatureBlock:
    name = f"{side}_field_blocks"
    if not store.exists(name):
        with arrow_batch(store.spark, ROWS_PER_BATCH):
            store.write(pack_factors(inputs.work.read(f"{side}_features"), *size), name)
    columns, width = field_columns(inputs.work.document("fitted_features")[f"{side}_features"], fields)
    return FeatureBlock(group, len(columns), store.read(name), width, pick_columns(columns))


def _of_ratings(store: Tables, inputs: FeatureInputs) -> tuple[SpectralRows, SpectralRows]:
    sizes = inputs.sizes
    users = PairSide(inputs.rated.read("user_rating_blocks"), sizes.user_blocks, sizes.users)
    items = PairSide(inputs.rated.read("item_rating_blocks"), sizes.item_blocks, sizes.items)
    return _singular(store, (users, items), inputs.settings, inputs.settings.bayes.ratings_rank, normalised=True)


def _of_text(store: Tables, inputs: FeatureInputs) -> SpectralRows:
    sizes, factorize = inputs.sizes, inputs.settings.factorize
    words = max(1, len(inputs.work.document("fitted_features")["vocabulary"]))
    pairs = store.write(text_pairs(inputs.work.read("item_tokens"), sizes.items), "pairs")
    word_blocks = num_blocks(words, pairs.count(), factorize)
    sides = ((c.ITEM_IDX, "word", sizes.item_blocks, sizes.items), ("word", c.ITEM_IDX, word_blocks, words))
    pair_sides = []
    for dst, src, blocks, n in sides:
        with arrow_batch(store.spark, ROWS_PER_BATCH):
            table = store.write(rating_blocks(pairs, dst, src, blocks, n), f"{dst}_blocks")
        pair_sides.append(PairSide(table, blocks, n))
    rank = inputs.settings.bayes.text_rank
    return _singular(store, (pair_sides[0], pair_sides[1]), inputs.settings, rank, normalised=False)[0]


def _singular(
    store: Tables, sides: tuple[PairSide, PairSide], settings: Settings, rank: int, *, normalised: bool
) -> tuple[SpectralRows, SpectralRows]:
    with arrow_batch(store.spark, BLOCKS_PER_BATCH):
        return singular_rows(
            store, sides, rank=rank, rounds=SVD_ROUNDS, normalised=normalised, seed=settings.seed,
            broadcast_bytes=settings.factorize.broadcast_bytes,
        )  # fmt: skip
