"""Ingests the rating logs of one logical date: raw files → table `ratings`, one row per (user, item)."""

from __future__ import annotations

from pyspark.sql import DataFrame

from bgmrec.errors import InputError
from bgmrec.features.split import held_out_from
from bgmrec.ingest.accounting import check_rejects, count_states, rejects, summarize
from bgmrec.ingest.mapped import MAPPED, MappedFiles
from bgmrec.ingest.pairs import merge_pairs
from bgmrec.ingest.ratings import map_ratings
from bgmrec.ingest.sources import reading
from bgmrec.run.state import Run

TABLE = "ratings_mapped"


def stage(run: Run) -> None:
    """Writes `rating_rejects` and `ratings`."""
    settings = run.settings.ratings
    if not settings.sources:
        raise InputError(
            "no rating source is configured",
            where="ratings.sources",
            expected="at least one [[ratings.sources]]",
            hint="give a --config file that names the rating logs, for example conf/kuairand.toml",
        )
    run.progress.update("ingest_ratings", sources=len(settings.sources))
    kept = MappedFiles(run.root.below(MAPPED), run.ds)

    def write(rows: DataFrame) -> DataFrame:
        """The raw files are read once: states, rejects and pairs are all made from this table."""
        with reading("ratings.sources", run.spark, rows.inputFiles):
            return run.work.write(rows, TABLE)

    mapped = map_ratings(run.spark, settings, data=run.settings.paths.data, ds=run.ds, kept=kept, write=write)
    run.summary.add("ingest_ratings", files_mapped=kept.added, files_kept=kept.kept)
    refused = run.work.write(rejects(mapped), "rating_rejects")
    counts = count_states(mapped, refused, [source.name for source in settings.sources]).collect()
    facts = summarize(counts)
    run.summary.add("ingest_ratings", **facts)
    check_rejects(
        counts,
        settings.max_reject_share,
        setting="ratings.max_reject_share",
        rejects_at=run.work.path("rating_rejects"),
    )
    boundary = held_out_from(run.settings.split, run.end)
    ratings = run.work.write(merge_pairs(mapped, settings.policy, boundary), "ratings")
    n_ratings = ratings.count()
    if n_ratings == 0:
        raise InputError(
            "no rating was left of the raw rows",
            where=run.work.path("ratings"),
            expected="at least one rating",
            found=", ".join(f"{state} {facts[state]}" for state in facts if isinstance(facts[state], int)),
            hint="check --ds against the dates of the logs, and `where` of the sources",
        )
    run.summary.add("ingest_ratings", ratings=n_ratings, merged=facts["kept"] - n_ratings)
    run.work.delete(TABLE)
