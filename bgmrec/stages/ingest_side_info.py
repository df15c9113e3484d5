"""Ingests side information about users and music: crawl dumps and side tables → tables `users` and `items`."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as f

from bgmrec.config.sources import EntitySettings
from bgmrec.ingest.accounting import ROWS, check_rejects, count_states, rejects, summarize
from bgmrec.ingest.row_cache import CACHE_FOLDER, RowCache
from bgmrec.ingest.sampled_values import Field
from bgmrec.ingest.side_info import FETCHED_AT, FIELDS, count_problems, crawl_ages, map_entities, merge_entities
from bgmrec.run.state import Run
from bgmrec.stages.input_profile import check_profiles, input_profiles
from bgmrec.storage import columns as c
from bgmrec.storage.schemas import entity_schema


def stage(run: Run) -> None:
    """Writes `users`, `user_rejects`, `items` and `item_rejects`.

    Args:
        run: settings, logical date and tables.

    Raises:
        InputError: files are missing or damaged, or too many records were rejected.
        SettingsError: an expression is not valid over its source's columns.
        QualityGateError: the input has changed, and `publish.gate.input_changes` refuses it.
    """
    _ingest(run, "user", run.settings.users, c.USER_ID)
    _ingest(run, "item", run.settings.items, c.ITEM_ID)


def _ingest(run: Run, kind: str, settings: EntitySettings, id_column: str) -> None:
    schema = entity_schema(id_column, settings.fields)
    if not settings.sources:
        run.work.write(run.spark.createDataFrame([], schema), f"{kind}s", schema)
        run.summary.add(f"ingest_{kind}s", rows_in=0, entities=0)
        return
    run.progress.update(f"ingest_{kind}s", sources=len(settings.sources))
    cache = RowCache(run.root.below(CACHE_FOLDER), run.ds)

    def write(rows: DataFrame) -> DataFrame:
        """Reads the raw files once: states, rejects and entities are all computed from this table."""
        return run.work.write(rows, f"{kind}s_mapped", passing=True)

    form, data = run.settings.ids.unicode_form, run.settings.paths.data
    mapped = map_entities(
        run.spark, settings, id_column, data=data, ds=run.ds, unicode_form=form, cache=cache, write=write
    )
    run.summary.add(f"ingest_{kind}s", files_mapped=cache.n_misses, files_cached=cache.n_hits)
    rejected = run.work.write(rejects(mapped), f"{kind}_rejects")
    counts = count_states(mapped, rejected, [source.name for source in settings.sources]).collect()
    facts = summarize(counts)
    run.summary.add(f"ingest_{kind}s", **facts, **_by_field(count_problems(mapped).collect()))
    check_rejects(
        counts,
        settings.max_reject_share,
        setting=f"{kind}s.max_reject_share",
        rejects_at=run.work.path(f"{kind}_rejects"),
    )
    fields = [Field(field.name, field.type, f.col(FIELDS)[field.name]) for field in settings.fields]
    if any(source.fetched_at for source in settings.sources):
        fields.append(Field("fetched_at", "timestamp", f.col(FETCHED_AT)))
    n_rows = {name: sum(states.values()) for name, states in facts["sources"].items()}
    profiles = input_profiles(run, mapped, settings.sources, cache.files, n_rows, [id_column], fields)
    check_profiles(run, f"{kind}s", mapped, profiles)
    entities = run.work.write(merge_entities(mapped, settings, id_column), f"{kind}s", schema)
    run.summary.add(f"ingest_{kind}s", entities=entities.count(), age_days=crawl_ages(mapped, id_column, run.end))
    run.work.delete(f"{kind}s_mapped")


def _by_field(problems: list[Row]) -> dict[str, Any]:
    """Number of records with a malformed or an unknown field, by `source.field`."""
    facts: dict[str, dict[str, int]] = {"malformed_fields": {}, "unknown_fields": {}}
    for row in sorted(problems):
        facts[row["problem"]][f"{row[c.SOURCE]}.{row['field']}"] = row[ROWS]
    return facts
