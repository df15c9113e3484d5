"""Prepares the data of each protocol: writes the split and the features, returns what is evaluated.

`movielens_*` and `kuairand_*` use the exact splits of dataset_splits.py, `own_*` the hashed splits of hash_splits.py.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.errors import InputError
from bgmrec.features.build import index_ratings, write_features
from bgmrec.run.state import Run
from bgmrec.stages import ingest_ratings
from bgmrec.storage import columns as c
from bgmrec.storage.times import utc_timestamp
from bgmrec.study.dataset_splits import kuairand_split, movielens_cold_split, movielens_split
from bgmrec.study.given_split import given_parts
from bgmrec.study.hash_splits import cold_parts, random_parts
from bgmrec.study.trial import EvaluationSet, Trial


def movielens_random(trial: Trial, run: Run) -> EvaluationSet:
    """Protocol A: predicts the held-out ratings of a random split of MovieLens 1M.

    Args:
        trial: what is measured.
        run: gets the tables.
    """
    fraction = trial.fraction or 0.0
    ratings_csv = Path(run.settings.paths.data) / "ratings.csv"
    rows = movielens_split(ratings_csv, seed=trial.seed, fraction=fraction, with_valid=fraction < 0.9)
    return _rating_prediction(run, _with_index(run, rows), trial)


def own_random(trial: Trial, run: Run) -> EvaluationSet:
    """Predicts the held-out ratings of a random split of any ratings; in implicit mode it ranks their items.

    Args:
        trial: what is measured.
        run: gets the tables.
    """
    study, fraction = run.settings.study, trial.fraction or 0.0
    parts = random_parts(_ingested(run), fraction=fraction, valid_share=study.valid_share, seed=trial.seed)
    return _by_mode(run, parts, trial)


def own_given(trial: Trial, run: Run) -> EvaluationSet:
    """Predicts the held-out ratings of a split that the settings give; in implicit mode it ranks their items.

    Args:
        trial: what is measured.
        run: gets the tables.
    """
    return _by_mode(run, given_parts(_ingested(run), run.settings.study.part), trial)


def _by_mode(run: Run, parts: DataFrame, trial: Trial) -> EvaluationSet:
    """Ratings to predict, or in implicit mode lists of all items that train."""
    if run.settings.factorize.mode == "explicit":
        return _rating_prediction(run, _with_features(run, parts), trial)
    parts = run.work.write(parts, "study_ratings")
    held_out = parts.where(f.col(c.PART) == trial.part)
    relevant = held_out.where(f.col(c.RATING) >= run.settings.evaluate.relevant_rating)
    targets = run.work.write(_not_empty(relevant.select(c.USER_IDX, c.ITEM_IDX), trial), "study_targets")
    trains = [c.TRAIN, c.VALID] if trial.part == c.TEST else [c.TRAIN]
    train = parts.where(f.col(c.PART).isin(trains)).withColumn(c.PART, f.lit(c.TRAIN))
    split = _with_features(run, train)
    catalogue = run.work.write(_ungrouped(split.select(c.ITEM_IDX).distinct()), "study_catalogue")
    return EvaluationSet(None, targets, catalogue)


def _rating_prediction(run: Run, split: DataFrame, trial: Trial) -> EvaluationSet:
    items = run.work.read("item_index").select(c.ITEM_IDX)
    return EvaluationSet(_not_empty(split.where(f.col(c.PART) == trial.part), trial), None, _ungrouped(items))


def kuairand_music_days(trial: Trial, run: Run) -> EvaluationSet:
    """Protocol B: trains on all days before the evaluated ones, whose new positives are the targets.

    Args:
        trial: what is measured.
        run: gets the tables.
    """
    split = kuairand_split(Path(run.settings.paths.data), trial.part)
    _with_features(run, _ingested(run).withColumn(c.PART, f.lit(c.TRAIN)))
    targets, catalogue = (run.spark.createDataFrame(rows) for rows in (split.targets, split.catalogue))
    return _ranking(run, targets, catalogue)


def own_days(trial: Trial, run: Run) -> EvaluationSet:
    """Ranks the items of the last days of any ratings; the date of the run is the last training day.

    Args:
        trial: what is measured.
        run: gets the tables.
    """
    study = run.settings.study
    days = study.test_days if trial.part == c.TEST else study.valid_days
    later_run = replace(run, ds=run.ds + timedelta(days=days))
    ingest_ratings.stage(later_run)
    ingest_ratings.stage(run)
    train, relevant = run.work.read("ratings"), f.col(c.RATING) >= run.settings.evaluate.relevant_rating
    later_pairs = later_run.work.read("ratings").where(relevant & (f.col(c.RATED_AT) >= utc_timestamp(run.end)))
    earlier_pairs = train.where(relevant).select(c.USER_ID, c.ITEM_ID)
    pairs = later_pairs.select(c.USER_ID, c.ITEM_ID)
    targets = run.work.write(pairs.join(earlier_pairs, on=[c.USER_ID, c.ITEM_ID], how="left_anti"), "study_new_pairs")
    # users that occur in the evaluated days only must be in the index: they get a list, too
    evaluated = targets.select("*", *(f.lit(None).cast(train.schema[n].dataType).alias(n) for n in train.columns[2:]))
    parts = train.withColumn(c.PART, f.lit(c.TRAIN)).unionByName(evaluated.withColumn(c.PART, f.lit(trial.part)))
    indexed = index_ratings(run, parts, previous=None)
    _with_features(run, indexed.where(f.col(c.PART) == c.TRAIN))
    return _ranking(run, _not_empty(targets, trial), train.select(c.ITEM_ID).distinct())


def _ranking(run: Run, targets: DataFrame, catalogue: DataFrame) -> EvaluationSet:
    """Targets and candidates by their indices.

    Args:
        run: whose index is used.
        targets: user_id, item_id.
        catalogue: item_id of the candidates.
    """
    users, items = run.work.read("user_index"), run.work.read("item_index")
    pairs = targets.join(users, on=c.USER_ID, how="inner").join(items, on=c.ITEM_ID, how="inner")
    return EvaluationSet(
        None,
        run.work.write(pairs.select(c.USER_IDX, c.ITEM_IDX), "study_targets"),
        run.work.write(_ungrouped(catalogue.join(items, on=c.ITEM_ID, how="inner")), "study_catalogue"),
    )


def movielens_cold(trial: Trial, run: Run) -> EvaluationSet:
    """Protocol C: a tenth of the films and a tenth of the users of MovieLens 1M have no training ratings.

    Args:
        trial: what is measured.
        run: gets the tables.
    """
    cold = movielens_cold_split(Path(run.settings.paths.data) / "ratings.csv", seed=trial.seed, part=trial.part)
    split = _with_index(run, cold.rows)
    items = run.spark.createDataFrame(cold.cold_items)
    return _cold(run, split, items.join(run.work.read("item_index"), on=c.ITEM_ID, how="inner"), trial)


def own_cold(trial: Trial, run: Run) -> EvaluationSet:
    """Some items and users of any ratings have no training ratings.

    Args:
        trial: what is measured.
        run: gets the tables.
    """
    study = run.settings.study
    cold = cold_parts(
        run.work.write(_ingested(run), "study_ratings"),
        item_share=study.cold_item_share,
        user_share=study.cold_user_share,
        seed=trial.seed,
        part=trial.part,
    )
    return _cold(run, _with_features(run, cold.ratings), cold.items, trial)


def _cold(run: Run, split: DataFrame, items: DataFrame, trial: Trial) -> EvaluationSet:
    """Held-out ratings of cold items and cold users; the targets are warm users' hits among the cold items."""
    train = split.where(f.col(c.PART) == c.TRAIN)
    held_out = _not_empty(split.where(f.col(c.PART) == trial.part), trial)
    catalogue = run.work.write(_ungrouped(items), "study_catalogue")
    relevant = held_out.where(f.col(c.RATING) >= run.settings.evaluate.relevant_rating)
    targets = (
        relevant.select(c.USER_IDX, c.ITEM_IDX)
        .join(catalogue.select(c.ITEM_IDX), on=c.ITEM_IDX, how="left_semi")
        .join(train.select(c.USER_IDX).distinct(), on=c.USER_IDX, how="left_semi")
    )
    return EvaluationSet(held_out, run.work.write(_not_empty(targets, trial), "study_targets"), catalogue)


def _with_index(run: Run, rows: pd.DataFrame) -> DataFrame:
    """Writes the index and the features of ratings that are split already (user_id, item_id, rating, part)."""
    rated = rows.assign(weight=1.0, rated_at=pd.NaT).astype({c.RATED_AT: "datetime64[ns]"})
    ratings = run.work.write(run.spark.createDataFrame(rated), "study_ratings")
    return _with_features(run, index_ratings(run, ratings, previous=None))


def _ingested(run: Run) -> DataFrame:
    """The ratings that the settings read, with their indices."""
    ingest_ratings.stage(run)
    return index_ratings(run, run.work.read("ratings"), previous=None)


def _with_features(run: Run, parts: DataFrame) -> DataFrame:
    """Writes the split and the features that its training ratings allow; `study.liked_rating` makes preferences."""
    liked, trains = run.settings.study.liked_rating, f.col(c.PART) == c.TRAIN
    if liked is not None:
        likes = f.col(c.RATING) >= liked
        weight = f.when(trains & ~likes, f.lit(run.settings.study.disliked_weight)).otherwise(f.col(c.WEIGHT))
        preference = f.when(trains, likes.cast("float")).otherwise(f.col(c.RATING))
        parts = parts.withColumns({c.RATING: preference, c.WEIGHT: weight.cast("float")})
    split = run.work.write(parts, "ratings_split")
    write_features(run, split)
    return split


def _ungrouped(items: DataFrame) -> DataFrame:
    """Candidates without a cap per group: every item is a group."""
    return items.select(c.ITEM_IDX, f.col(c.ITEM_IDX).alias("group_idx"))


def _not_empty(evaluated: DataFrame, trial: Trial) -> DataFrame:
    if evaluated.isEmpty():
        raise InputError(
            f"the {trial.part} part has nothing to evaluate",
            where=f"study {trial.protocol}, seed {trial.seed}",
            expected="at least one held-out rating; for lists, one of at least evaluate.relevant_rating",
            found="none",
            hint="check the shares and days in [study], evaluate.relevant_rating and --ds",
        )
    return evaluated
