"""Lists of cold items by content alone: the baselines of a cold study, written below the evaluation's scratch.

    popularity        what side information lets expect of an item's likes
    genre_popularity  what its genres alone let expect (study.genre_field)
    content_knn       Σ cosine of tf-idf over the item's nearest warm items that the user liked
    knn_popularity    that times popularity

No job of its own: a part of study.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.evaluate.baselines import Sizes
from bgmrec.evaluate.models import HeldOut
from bgmrec.features.fitted import field_columns
from bgmrec.features.text_pairs import text_pairs, value_pairs
from bgmrec.run.state import Run
from bgmrec.storage import columns as c
from bgmrec.storage.tables import Tables
from bgmrec.study.cold_baselines import (
    LIKED,
    POPULARITY,
    neighbour_scores,
    neighbours,
    popular_lists,
    predicted_popularity,
    scored_lists,
)


@dataclass(frozen=True)
class _Known:
    """What all baselines read.

    Args:
        place: gets every table.
        train: user_idx, item_idx, liked.
        cold: item_idx of the candidates.
        users: user_idx of those who want a list.
        genres: positions of the genres' columns in the item features, and the features' width.
        n: length of a list.
    """

    store: Tables
    train: DataFrame
    cold: DataFrame
    users: DataFrame
    genres: tuple[np.ndarray, int]
    n: int


def content_lists(run: Run, held_out: HeldOut, users: DataFrame, sizes: Sizes) -> dict[str, DataFrame]:
    """(user_idx, position, item_idx) by the name of the baseline. Actions.

    Args:
        run: a study's.
        judged_on: training ratings and candidates.
        users: user_idx of those who want a list.
        sizes: of the tables.
    """
    store, field = run.scratch("evaluate").below("content"), run.settings.study.genre_field
    fitted = run.work.document("fitted_features")["item_features"]
    known = _Known(
        store,
        store.write(_liked(run, held_out.train), "liked"),
        held_out.catalogue.select(c.ITEM_IDX),
        users,
        field_columns(fitted, [] if field is None else [field]),
        max(run.settings.evaluate.ks),
    )
    popularity = _popularity(run, known, np.arange(known.genres[1]), "popularity")
    popular = store.write(popular_lists(popularity, users, known.n), "popularity_lists")
    made = {"popularity": popular}
    if len(known.genres[0]):
        of_genres = _popularity(run, known, known.genres[0], "genre_popularity")
        made["genre_popularity"] = store.write(popular_lists(of_genres, users, known.n), "genre_popularity_lists")
    return {**made, **_by_neighbours(run, known, popularity, popular, sizes.items)}


def _popularity(run: Run, known: _Known, columns: np.ndarray, name: str) -> DataFrame:
    predicted = predicted_popularity(run.work.read("item_features"), known.train, columns)
    return known.store.write(predicted.join(known.cold, on=c.ITEM_IDX, how="left_semi"), name)


def _by_neighbours(
    run: Run, known: _Known, popularity: DataFrame, popular: DataFrame, n_items: int
) -> dict[str, DataFrame]:
    store, genres = known.store, known.genres[0]
    vectors = text_pairs(run.work.read("item_tokens"), n_items)
    if len(genres):
        of_genres = value_pairs(run.work.read("item_features"), genres, n_items)
        vectors = vectors.unionByName(of_genres.withColumn("word", -1 - f.col("word")))  # none is a word of the text
    near = neighbours(
        store.write(vectors, "vectors"),
        known.cold,
        known.train.select(c.ITEM_IDX).distinct(),
        run.settings.study.neighbours,
    )
    scores = store.write(neighbour_scores(store.write(near, "neighbours"), known.train, known.users), "scores")
    weighed = f.col(c.SCORE) * f.col(POPULARITY)
    product = scores.join(popularity, on=c.ITEM_IDX, how="inner").withColumn(c.SCORE, weighed).drop(POPULARITY)
    return {
        "content_knn": store.write(scored_lists(scores, popular, known.n), "content_knn_lists"),
        "knn_popularity": store.write(scored_lists(product, popular, known.n), "knn_popularity_lists"),
    }


def _liked(run: Run, train: DataFrame) -> DataFrame:
    """Training pairs, and whether each would be a hit."""
    mapped = run.settings.study.liked_rating is not None
    least = f.lit(1.0 if mapped else run.settings.evaluate.relevant_rating)
    return train.select(c.USER_IDX, c.ITEM_IDX, (f.col(c.RATING) >= least).cast("int").alias(LIKED))
