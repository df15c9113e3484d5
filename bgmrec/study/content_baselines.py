"""Lists of cold items by their content: the baselines of a cold study.

    popularity        popularity predicted from all side information
    genre_popularity  popularity predicted from genres (study.genre_field)
    content_knn       Σ cosine of tf-idf vectors over the nearest warm items that the user liked
    knn_popularity    content_knn times popularity

The tables are written below the scratch folder of the evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.evaluate.baselines import TableSizes
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

NEIGHBOURS = 50  # warm items that say whether a user likes a cold one, as of the published figures


@dataclass(frozen=True)
class _Inputs:
    """What all content baselines read.

    Args:
        store: where tables are written.
        train: user_idx, item_idx, liked.
        cold: item_idx of the candidates.
        users: user_idx of the users that get a list.
        genre_columns: positions of the genres in the item features.
        width: of the item features.
        n: length of a list.
    """

    store: Tables
    train: DataFrame
    cold: DataFrame
    users: DataFrame
    genre_columns: np.ndarray
    width: int
    n: int


def content_baseline_lists(run: Run, held_out: HeldOut, users: DataFrame, sizes: TableSizes) -> dict[str, DataFrame]:
    """Baseline → its lists (user_idx, position, item_idx). Runs Spark actions.

    Args:
        run: of the trial.
        held_out: training ratings and candidates.
        users: user_idx of the users that get a list.
        sizes: of the tables.
    """
    store, field = run.scratch("evaluate").below("content"), run.settings.study.genre_field
    fitted = run.work.document("fitted_features")["item_features"]
    genre_columns, width = field_columns(fitted, [] if field is None else [field])
    inputs = _Inputs(
        store,
        store.write(_liked(run, held_out.train), "liked"),
        held_out.catalogue.select(c.ITEM_IDX),
        users,
        genre_columns,
        width,
        max(run.settings.evaluate.ks),
    )
    popularity = _popularity(run, inputs, np.arange(width), "popularity")
    popular = store.write(popular_lists(popularity, users, inputs.n), "popularity_lists")
    lists = {"popularity": popular}
    if len(genre_columns):
        genre_popularity = _popularity(run, inputs, genre_columns, "genre_popularity")
        lists["genre_popularity"] = store.write(
            popular_lists(genre_popularity, users, inputs.n), "genre_popularity_lists"
        )
    return {**lists, **_neighbour_lists(run, inputs, popularity, popular, sizes.items)}


def _popularity(run: Run, inputs: _Inputs, columns: np.ndarray, name: str) -> DataFrame:
    predicted = predicted_popularity(run.work.read("item_features"), inputs.train, columns)
    return inputs.store.write(predicted.join(inputs.cold, on=c.ITEM_IDX, how="left_semi"), name)


def _neighbour_lists(
    run: Run, inputs: _Inputs, popularity: DataFrame, popular: DataFrame, n_items: int
) -> dict[str, DataFrame]:
    store = inputs.store
    vectors = text_pairs(run.work.read("item_tokens"), n_items)
    if len(inputs.genre_columns):
        genres = value_pairs(run.work.read("item_features"), inputs.genre_columns, n_items)
        # negative numbers keep genres apart from the words of the text
        vectors = vectors.unionByName(genres.withColumn("word", -1 - f.col("word")))
    nearest = neighbours(
        store.write(vectors, "vectors"),
        inputs.cold,
        inputs.train.select(c.ITEM_IDX).distinct(),
        NEIGHBOURS,
    )
    scores = store.write(neighbour_scores(store.write(nearest, "neighbours"), inputs.train, inputs.users), "scores")
    weighted = f.col(c.SCORE) * f.col(POPULARITY)
    product = scores.join(popularity, on=c.ITEM_IDX, how="inner").withColumn(c.SCORE, weighted).drop(POPULARITY)
    return {
        "content_knn": store.write(scored_lists(scores, popular, inputs.n), "content_knn_lists"),
        "knn_popularity": store.write(scored_lists(product, popular, inputs.n), "knn_popularity_lists"),
    }


def _liked(run: Run, train: DataFrame) -> DataFrame:
    """Training pairs, and whether each would be a hit."""
    mapped = run.settings.study.liked_rating is not None
    threshold = f.lit(1.0 if mapped else run.settings.evaluate.relevant_rating)
    return train.select(c.USER_IDX, c.ITEM_IDX, (f.col(c.RATING) >= threshold).cast("int").alias(LIKED))
