"""From groups of names to the columns of both sides' links: fields, singular vectors, counts, encoder means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgmrec.config.model import BayesSettings
from bgmrec.config.settings import Settings
from bgmrec.factorize.blocks.factors import pack_factors
from bgmrec.factorize.blocks.prepare import ROWS_PER_BATCH, Sizes
from bgmrec.factorize.blocks.ratings import num_blocks, rating_blocks
from bgmrec.features.fitted import field_columns
from bgmrec.features.text_pairs import text_pairs
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.sampler.link_matrix import FeatureBlock, chosen, log_counts, transformed
from bgmrec.sampler.spectral import PairSide, SpectralRows, singular_rows
from bgmrec.storage import columns as c
from bgmrec.storage.tables import Tables

RATINGS, TEXT, COUNTS, ENCODER = "svd:ratings", "svd:text", "log:counts", "prior:encoder"


@dataclass(frozen=True)
class Known:
    """What a night knows of its entities.

    Args:
        work: has `user_features`, `item_features`, `item_tokens` and `fitted_features.json`.
        rated: has the rating blocks of both sides.
        priors: folder of the round whose encoder means may be columns.
        sizes: of the night.
        settings: all settings.
    """

    work: Tables
    rated: Tables
    priors: Tables
    sizes: Sizes
    settings: Settings


def side_feature_blocks(
    store: Tables, known: Known, groups: dict[str, list[list[str]]]
) -> dict[str, list[FeatureBlock]]:
    """The pieces of both sides' links; singular vectors are computed where a group names them. Actions.

    Args:
        place: of the chain; gets the packed fields and the singular vectors.
        known: about the entities.
        groups: of either side, names that share a ridge.
    """
    sizes = known.sizes
    named = {name for of_side in groups.values() for group in of_side for name in group}
    singular: dict[str, dict[str, SpectralRows]] = {"user": {}, "item": {}}
    if RATINGS in named:
        singular["user"][RATINGS], singular["item"][RATINGS] = _of_ratings(store.below("svd-ratings"), known)
    if TEXT in named:
        singular["item"][TEXT] = _of_text(store.below("svd-text"), known)
    return {
        "user": _feature_blocks(
            store, known, "user", groups["user"], (sizes.users, sizes.user_blocks), singular["user"]
        ),
        "item": _feature_blocks(
            store, known, "item", groups["item"], (sizes.items, sizes.item_blocks), singular["item"]
        ),
    }


def _feature_blocks(
    store: Tables, known: Known, side: str, groups: list[list[str]], size: tuple[int, int],
    singular: dict[str, SpectralRows],
) -> list[FeatureBlock]:  # fmt: skip
    feature_blocks = []
    for group, names in enumerate(groups):
        for name in [name for name in names if name in (RATINGS, TEXT, COUNTS, ENCODER)]:
            feature_blocks += _made(known, side, group, name, size[0], singular)
        fields = [name for name in names if ":" not in name]
        if fields:
            feature_blocks.append(_fields(store, known, side, group, fields, size))
    return feature_blocks


def _made(
    known: Known, side: str, group: int, name: str, n: int, singular: dict[str, SpectralRows]
) -> list[FeatureBlock]:
    if name == COUNTS:
        return [FeatureBlock(group, 2, None, 0, log_counts(known.sizes.train / n))]
    if name == ENCODER:
        if not known.priors.exists(f"{side}_prior"):
            return []
        width = known.sizes.shape(known.settings.factorize).width
        return [FeatureBlock(group, width, known.priors.read(f"{side}_prior"), width, chosen(np.arange(width)))]
    rows = singular[name]
    few = known.settings.bayes.few_ratings if name == RATINGS else 0.0
    return [FeatureBlock(group, rows.transform.shape[1], rows.rows, rows.width + 1, transformed(rows.transform, few))]


def _fields(
    store: Tables, known: Known, side: str, group: int, fields: list[str], size: tuple[int, int]
) -> FeatureBlock:
    name = f"{side}_field_blocks"
    if not store.exists(name):
        with arrow_batch(store.spark, ROWS_PER_BATCH):
            store.write(pack_factors(known.work.read(f"{side}_features"), *size), name)
    columns, width = field_columns(known.work.document("fitted_features")[f"{side}_features"], fields)
    return FeatureBlock(group, len(columns), store.read(name), width, chosen(columns))


def _of_ratings(store: Tables, known: Known) -> tuple[SpectralRows, SpectralRows]:
    sizes = known.sizes
    users = PairSide(known.rated.read("user_rating_blocks"), sizes.user_blocks, sizes.users)
    items = PairSide(known.rated.read("item_rating_blocks"), sizes.item_blocks, sizes.items)
    return _singular(store, (users, items), known.settings, known.settings.bayes.ratings_rank, normalised=True)


def _of_text(store: Tables, known: Known) -> SpectralRows:
    sizes, factorize = known.sizes, known.settings.factorize
    words = max(1, len(known.work.document("fitted_features")["vocabulary"]))
    pairs = store.write(text_pairs(known.work.read("item_tokens"), sizes.items), "pairs")
    word_blocks = num_blocks(words, pairs.count(), factorize)
    sides = ((c.ITEM_IDX, "word", sizes.item_blocks, sizes.items), ("word", c.ITEM_IDX, word_blocks, words))
    made = []
    for dst, src, blocks, n in sides:
        with arrow_batch(store.spark, ROWS_PER_BATCH):
            table = store.write(rating_blocks(pairs, dst, src, blocks, n), f"{dst}_blocks")
        made.append(PairSide(table, blocks, n))
    rank = known.settings.bayes.text_rank
    return _singular(store, (made[0], made[1]), known.settings, rank, normalised=False)[0]


def _singular(
    store: Tables, sides: tuple[PairSide, PairSide], settings: Settings, rank: int, *, normalised: bool
) -> tuple[SpectralRows, SpectralRows]:
    bayes: BayesSettings = settings.bayes
    with arrow_batch(store.spark, BLOCKS_PER_BATCH):
        return singular_rows(
            store, sides, rank=rank, rounds=bayes.svd_rounds, normalised=normalised, seed=settings.seed,
            broadcast_bytes=settings.factorize.broadcast_bytes,
        )  # fmt: skip
