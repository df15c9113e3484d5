"""What each protocol trains on and judges, as working tables of a run.

No job of its own: a part of study.
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
from bgmrec.study.published_splits import cold_study, music_study, rating_study
from bgmrec.study.splits import cold_parts, random_parts
from bgmrec.study.trial import Parts, Trial


def published_ratings(trial: Trial, run: Run) -> Parts:
    """Protocol A: the split of the papers; ratings of test (or valid) are judged."""
    fraction = trial.fraction or 0.0
    folder = Path(run.settings.paths.data) / "ratings.csv"
    split = _split(run, rating_study(folder, seed=trial.seed, fraction=fraction, with_valid=fraction < 0.9))
    return _rated(run, split, trial)


def random_ratings(trial: Trial, run: Run) -> Parts:
    """The same of any ratings, drawn by a hash of the pair."""
    study, fraction = run.settings.study, trial.fraction or 0.0
    indexed = _ingested(run)
    parts = random_parts(indexed, fraction=fraction, valid_share=study.valid_share, seed=trial.seed)
    split = _with_features(run, parts)
    return _rated(run, split, trial)


def _rated(run: Run, split: DataFrame, trial: Trial) -> Parts:
    items = run.work.read("item_index").select(c.ITEM_IDX)
    return Parts(_not_empty(split.where(f.col(c.PART) == trial.part), trial), None, _alone(items))


def published_music(trial: Trial, run: Run) -> Parts:
    """Protocol B: everything before the judged days trains; their new positives are the targets."""
    study = music_study(Path(run.settings.paths.data), trial.part)
    _with_features(run, _ingested(run).withColumn(c.PART, f.lit(c.TRAIN)))
    targets, catalogue = (run.spark.createDataFrame(rows) for rows in (study.targets, study.catalogue))
    return _days(run, targets, catalogue)


def later_days(trial: Trial, run: Run) -> Parts:
    """The same of any ratings: the run's date is the last one that trains, and the days after it are judged."""
    study = run.settings.study
    days = study.test_days if trial.part == c.TEST else study.valid_days
    later = replace(run, ds=run.ds + timedelta(days=days))
    ingest_ratings.stage(later)
    ingest_ratings.stage(run)
    train, relevant = run.work.read("ratings"), f.col(c.RATING) >= run.settings.evaluate.relevant_rating
    end = f.lit(run.end.isoformat(sep=" ")).cast("timestamp")
    pairs = later.work.read("ratings").where(relevant & (f.col(c.RATED_AT) >= end)).select(c.USER_ID, c.ITEM_ID)
    known = train.where(relevant).select(c.USER_ID, c.ITEM_ID)
    targets = run.work.write(pairs.join(known, on=[c.USER_ID, c.ITEM_ID], how="left_anti"), "study_new_pairs")
    # a user of the judged days alone belongs to the index: they want a list as well
    evaluated = targets.select("*", *(f.lit(None).cast(train.schema[n].dataType).alias(n) for n in train.columns[2:]))
    parts = train.withColumn(c.PART, f.lit(c.TRAIN)).unionByName(evaluated.withColumn(c.PART, f.lit(trial.part)))
    indexed = index_ratings(run, parts, previous=None)
    _with_features(run, indexed.where(f.col(c.PART) == c.TRAIN))
    return _days(run, _not_empty(targets, trial), train.select(c.ITEM_ID).distinct())


def _days(run: Run, targets: DataFrame, catalogue: DataFrame) -> Parts:
    """Targets and candidates by their indices.

    Args:
        targets: user_id, item_id.
        catalogue: item_id of the candidates.
    """
    users, items = run.work.read("user_index"), run.work.read("item_index")
    pairs = targets.join(users, on=c.USER_ID, how="inner").join(items, on=c.ITEM_ID, how="inner")
    return Parts(
        None,
        run.work.write(pairs.select(c.USER_IDX, c.ITEM_IDX), "study_targets"),
        run.work.write(_alone(catalogue.join(items, on=c.ITEM_ID, how="inner")), "study_catalogue"),
    )


def published_cold(trial: Trial, run: Run) -> Parts:
    """Protocol C: no training ratings of a tenth of the films and of a tenth of the users."""
    study = cold_study(Path(run.settings.paths.data) / "ratings.csv", seed=trial.seed, part=trial.part)
    split = _split(run, study.rows)
    items = run.spark.createDataFrame(study.cold_items)
    return _cold(run, split, items.join(run.work.read("item_index"), on=c.ITEM_ID, how="inner"), trial)


def cold_ratings(trial: Trial, run: Run) -> Parts:
    """The same of any ratings, drawn by hashes."""
    study = run.settings.study
    cold = cold_parts(
        run.work.write(_ingested(run), "study_ratings"),
        item_share=study.cold_item_share,
        user_share=study.cold_user_share,
        seed=trial.seed,
        part=trial.part,
    )
    return _cold(run, _with_features(run, cold.ratings), cold.items, trial)


def _cold(run: Run, split: DataFrame, items: DataFrame, trial: Trial) -> Parts:
    """Ratings of cold items and of cold users; warm users' hits among cold items, which are the candidates."""
    train = split.where(f.col(c.PART) == c.TRAIN)
    held_out = _not_empty(split.where(f.col(c.PART) == trial.part), trial)
    catalogue = run.work.write(_alone(items), "study_catalogue")
    relevant = held_out.where(f.col(c.RATING) >= run.settings.evaluate.relevant_rating)
    targets = (
        relevant.select(c.USER_IDX, c.ITEM_IDX)
        .join(catalogue.select(c.ITEM_IDX), on=c.ITEM_IDX, how="left_semi")
        .join(train.select(c.USER_IDX).distinct(), on=c.USER_IDX, how="left_semi")
    )
    return Parts(held_out, run.work.write(_not_empty(targets, trial), "study_targets"), catalogue)


def _split(run: Run, rows: pd.DataFrame) -> DataFrame:
    """Ratings of a published split by their external ids, with `part`, indexed and written."""
    rated = rows.assign(weight=1.0, rated_at=pd.NaT).astype({c.RATED_AT: "datetime64[ns]"})
    ratings = run.work.write(run.spark.createDataFrame(rated), "study_ratings")
    return _with_features(run, index_ratings(run, ratings, previous=None))


def _ingested(run: Run) -> DataFrame:
    ingest_ratings.stage(run)
    return index_ratings(run, run.work.read("ratings"), previous=None)


def _with_features(run: Run, parts: DataFrame) -> DataFrame:
    """Writes the split, its training ratings as preferences where they are to be, and the features they allow."""
    liked, trains = run.settings.study.liked_rating, f.col(c.PART) == c.TRAIN
    if liked is not None:
        likes = f.col(c.RATING) >= liked
        weight = f.when(trains & ~likes, f.lit(run.settings.study.disliked_weight)).otherwise(f.col(c.WEIGHT))
        preference = f.when(trains, likes.cast("float")).otherwise(f.col(c.RATING))
        parts = parts.withColumns({c.RATING: preference, c.WEIGHT: weight.cast("float")})
    split = run.work.write(parts, "ratings_split")
    write_features(run, split)
    return split


def _alone(items: DataFrame) -> DataFrame:
    """Candidates without a cap per group: each item is one of its own."""
    return items.select(c.ITEM_IDX, f.col(c.ITEM_IDX).alias("group_idx"))


def _not_empty(evaluated: DataFrame, trial: Trial) -> DataFrame:
    if evaluated.isEmpty():
        raise InputError(
            f"nothing is left to judge in {trial.part}",
            where=f"study {trial.protocol}, seed {trial.seed}",
            expected="held-out ratings, hits among them where lists are judged",
            found="none",
            hint="check the shares and days of [study], evaluate.relevant_rating and --ds",
        )
    return evaluated
