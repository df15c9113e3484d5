"""Ingests the rating logs of one logical date: raw files → table `ratings`, one row per (user, item)."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as f

from bgmrec.errors import InputError
from bgmrec.features.split import held_out_from
from bgmrec.ingest.accounting import (
    KEPT,
    ROWS,
    STATE,
    check_rejects,
    count_states,
    kept_counts,
    observe_kept,
    rejects,
    summarize,
)
from bgmrec.ingest.duplicates import SOURCE_POSITION
from bgmrec.ingest.pairs import merge_pairs, without_duplicates
from bgmrec.ingest.rating_times import check_times, time_sums
from bgmrec.ingest.ratings import map_ratings
from bgmrec.ingest.row_cache import CACHE_FOLDER, RowCache
from bgmrec.ingest.sampled_values import Field
from bgmrec.run.state import Run
from bgmrec.runtime.logs import logger
from bgmrec.runtime.threads import at_once
from bgmrec.stages.input_profile import check_profiles, input_profiles
from bgmrec.storage import columns as c

TABLE = "ratings_mapped"
_PROFILED = {c.RATING: "number", c.WEIGHT: "number", c.RATED_AT: "timestamp"}


def stage(run: Run) -> None:
    """Writes `rating_rejects` and `ratings`.

    Args:
        run: settings, logical date and tables.

    Raises:
        InputError: no source is configured, files are missing or damaged, too many rows were rejected, or none was
            kept.
        SettingsError: an expression is not valid over its source's columns.
        QualityGateError: the input has changed, and `publish.gate.input_changes` refuses it.
    """
    settings = run.settings.ratings
    if not settings.sources:
        raise InputError(
            "no rating source is configured",
            where="ratings.sources",
            expected="at least one [[ratings.sources]]",
            found="none",
            hint="add a --config file that names the rating logs, for example conf/kuairand.toml",
        )
    run.progress.update("ingest_ratings", sources=len(settings.sources))
    cache = RowCache(run.root.below(CACHE_FOLDER), run.ds)
    mapped = _mapped(run, cache)
    sums = time_sums(mapped, run.ds)
    names = [source.name for source in settings.sources]
    check_times(sums, names, settings.max_reject_share, run.ds)
    n_rows = {names[row[SOURCE_POSITION]]: row[ROWS] for row in sums}
    ratings, counts, profiles = _merged(run, mapped, cache, names, n_rows)
    facts = summarize(counts)
    run.summary.add("ingest_ratings", **facts)
    try:
        check_rejects(
            counts,
            settings.max_reject_share,
            setting="ratings.max_reject_share",
            rejects_at=run.work.path("rating_rejects"),
        )
        check_profiles(run, "ratings", mapped, profiles)
    except Exception:
        run.work.delete("ratings")  # no later stage may read what was not accepted
        raise
    _check_ratings(run, ratings, facts)
    run.work.delete(TABLE)


def _mapped(run: Run, cache: RowCache) -> DataFrame:
    """Every row of every source. The raw files are read once: all else is computed from this table."""
    mapped = map_ratings(
        run.spark,
        run.settings.ratings,
        data=run.settings.paths.data,
        ds=run.ds,
        unicode_form=run.settings.ids.unicode_form,
        cache=cache,
        write=lambda rows: run.work.write(rows, TABLE, passing=True),
    )
    run.summary.add("ingest_ratings", files_mapped=cache.n_misses, files_cached=cache.n_hits)
    return mapped


def _merged(
    run: Run, mapped: DataFrame, cache: RowCache, names: list[str], n_rows: dict[str, int]
) -> tuple[DataFrame, list[Row], dict[str, Any]]:
    """Writes the ratings and the rejects; returns the ratings, the rows by state, and the profile of each source."""
    settings = run.settings.ratings
    fields = [Field(name, kind, f.col(name)) for name, kind in _PROFILED.items()]
    kept, observed = observe_kept(without_duplicates(mapped), len(names))
    boundary = held_out_from(run.settings.split, run.end)
    ratings, others, profiles = at_once(
        lambda: run.work.write(merge_pairs(kept, settings.policy, boundary), "ratings"),
        lambda: _not_kept(run, mapped, names),
        lambda: input_profiles(run, mapped, settings.sources, cache.files, n_rows, [c.USER_ID, c.ITEM_ID], fields),
    )
    return ratings, [*kept_counts(observed, names), *others], profiles


def _not_kept(run: Run, mapped: DataFrame, sources: list[str]) -> list[Row]:
    """Writes the rejects, and counts the rows that are not kept."""
    rejected = run.work.write(rejects(mapped), "rating_rejects")
    return count_states(mapped.where(f.col(STATE) != KEPT), rejected, sources).collect()


def _check_ratings(run: Run, ratings: DataFrame, facts: dict[str, Any]) -> None:
    """Ends the run where there are none, and warns of play counts.

    Args:
        run: the run.
        ratings: as written.
        facts: rows by state.
    """
    n_ratings = ratings.count()
    if n_ratings == 0:
        raise InputError(
            "no raw row became a rating",
            where=run.work.path("ratings"),
            expected="at least one rating",
            found=", ".join(f"{state} {facts[state]}" for state in facts if isinstance(facts[state], int)),
            hint="compare --ds with the dates of the logs, and check `where` of the sources",
        )
    run.summary.add("ingest_ratings", ratings=n_ratings, merged=facts["kept"] - n_ratings)
    # with study.liked_rating, preferences are made of these ratings later
    if run.settings.factorize.mode == "implicit" and run.settings.study.liked_rating is None:
        _warn_of_counts(run, ratings, n_ratings)


def _warn_of_counts(run: Run, ratings: DataFrame, n_ratings: int) -> None:
    """Warns if most preferences are above 1, as play counts are: the model would be trained to reproduce them."""
    above = ratings.where(f.col(c.RATING) > 1).count()
    run.summary.add("ingest_ratings", preferences_above_1=above)
    if above > n_ratings / 2:
        logger.warning(
            "%s of %s ratings are above 1 in implicit mode (where: `rating` of ratings.sources; expected: a preference "
            "from 0 to 1; hint: put play counts into `weight`, set ratings.maximum = 1, or factorize.mode = explicit)",
            f"{above:,}",
            f"{n_ratings:,}",
        )
