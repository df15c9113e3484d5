"""Profiles the input of a run, compares it with the runs before, and warns of what changed or refuses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.config.sources import Source
from bgmrec.ingest.delivered_files import file_facts, files_of_date, rows_of_date
from bgmrec.ingest.drift import Change, compare
from bgmrec.ingest.input_files import InputFile
from bgmrec.ingest.profile import hash_of, profile_rows
from bgmrec.ingest.sampled_values import Field
from bgmrec.ingest.stored_profiles import ACCEPTED, CHANGES, PROFILES, REFUSED, SOURCES, profiles_before, shown
from bgmrec.ingest.unicode_forms import ids_by_form_alone
from bgmrec.publish.checks import input_checks
from bgmrec.publish.gate import failed, refuse
from bgmrec.run.state import Run
from bgmrec.runtime.logs import logger
from bgmrec.storage import columns as c

_INDICES = {c.USER_ID: "user_index", c.ITEM_ID: "item_index"}
_POINT_ZERO_SHARE = 0.5  # of the ids of a text source, from which the warning says how they came about
_WARNINGS = 10  # changes that the log names; the summary has all


def input_profiles(
    run: Run,
    mapped: DataFrame,
    sources: Sequence[Source],
    files: Mapping[str, Sequence[InputFile]],
    n_rows: Mapping[str, int],
    ids: Sequence[str],
    fields: Sequence[Field],
) -> dict[str, dict[str, Any]]:
    """By source: the files of the logical date, and the profile of their rows.

    Args:
        run: the run.
        mapped: every row.
        sources: in the order of the settings.
        files: of each source.
        n_rows: of each source that has any.
        ids: id columns.
        fields: all others.
    """
    rows = [rows_of_date(source.name, files[source.name], run.ds, n_rows.get(source.name, 0)) for source in sources]
    profiles = profile_rows(mapped, rows, ids, fields)
    for source in sources:
        of_date = files_of_date(files[source.name], run.ds)
        profiles[source.name] = {**file_facts(run.spark, source, of_date), **profiles[source.name]}
    return profiles


def check_profiles(run: Run, kind: str, mapped: DataFrame, profiles: dict[str, dict[str, Any]]) -> None:
    """Adds `profile` and `changes` to the stage's section of the summary, and stores them for later runs.

    Args:
        run: the run.
        kind: ratings, users or items.
        mapped: every row.
        profiles: of `input_profiles`.

    Raises:
        QualityGateError: the input has changed, and `publish.gate.input_changes` refuses it.
    """
    _add_new_shares(run, profiles)
    bounds = run.settings.profile
    changes = compare(profiles, profiles_before(run.root, str(run.ds), kind, bounds.runs), bounds)
    checks = input_checks({kind: [asdict(change) for change in changes]}, run.settings.publish.gate)
    fails = bool(failed(checks))
    document = {
        SOURCES: profiles,
        CHANGES: [asdict(change) for change in changes],
        REFUSED: fails and run.force_publish is None,
        ACCEPTED: fails and run.force_publish is not None,
    }
    run.root.below(PROFILES).below(str(run.ds)).write_json(kind, document)
    run.summary.add(
        f"ingest_{kind}",
        profile={name: shown(profile) for name, profile in profiles.items()},
        changes=document[CHANGES],
    )
    _warn(run, kind, profiles, [change for change in changes if change.beyond])
    _warn_of_forms(run, kind, mapped, profiles)
    refuse(checks, run.force_publish)


def stored_changes(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Changes of the run's input by kind; empty where its input was not profiled.

    Args:
        run: the run.
    """
    stored = run.root.below(PROFILES).below(str(run.ds))
    documents = {kind: stored.read_json(kind) for kind in ("ratings", "users", "items")}
    return {kind: document[CHANGES] for kind, document in documents.items() if document is not None}


def _add_new_shares(run: Run, profiles: Mapping[str, dict[str, Any]]) -> None:
    """The share of the ids in the sample that the index of the previous published run lacks; takes the sample away."""
    manifest = run.versions.manifest_before(str(run.ds))
    model = manifest["model"]["run_id"] if manifest else None
    index = run.models.load(model) if model is not None and run.models.has(model) else None
    for name, table in _INDICES.items():
        samples = {
            source: profile["ids"][name].pop("sample") for source, profile in profiles.items() if name in profile["ids"]
        }
        if index is None or not any(samples.values()):
            continue
        hashes = sorted({value for sample in samples.values() for value in sample})
        known = index.table(table).select(hash_of(name).alias("hash")).where(f.col("hash").isin(hashes)).collect()
        found = {row["hash"] for row in known}
        for source, sample in samples.items():
            if sample:
                profiles[source]["ids"][name]["new_share"] = sum(value not in found for value in sample) / len(sample)


def _warn(run: Run, kind: str, profiles: Mapping[str, dict[str, Any]], beyond: Sequence[Change]) -> None:
    if run.settings.publish.gate.input_changes != "off":
        for change in beyond[:_WARNINGS]:
            logger.warning("the input has changed: %s (where: %s.sources; hint: %s)", change, kind, _HINT)
    for source, profile in profiles.items():
        for name, ids in profile["ids"].items():
            rows, kept = ids["point_zero"], profile["rows"]["kept"]
            if profile["format"] != "parquet" and kept and rows >= _POINT_ZERO_SHARE * kept:
                logger.warning(
                    "%s of %s rows have a %s that ends in .0 (where: %s.sources.%s; hint: pandas writes integers with "
                    "gaps so; write the column as Int64 or text, or use an expression such as regexp_replace(…, "
                    "'\\\\.0$', ''), or these ids meet no id without .0)",
                    *(f"{rows:,}", f"{kept:,}", name.replace("_", " "), kind, source),
                )


def _warn_of_forms(run: Run, kind: str, mapped: DataFrame, profiles: Mapping[str, dict[str, Any]]) -> None:
    """Counts ids that differ by their normal form alone, in this table and between it and the ratings."""
    names = {name for profile in profiles.values() for name, ids in profile["ids"].items() if ids["non_ascii"]}
    if run.settings.ids.unicode_form != "none":
        return
    for name in sorted(names):
        ratings = [run.work.read("ratings")] if kind != "ratings" and run.work.exists("ratings") else []
        differing, composed = ids_by_form_alone([mapped, *ratings], name)
        run.summary.add(f"ingest_{kind}", **{f"{name}_differing_by_form": differing})
        if differing:
            logger.warning(
                "%s values of %s differ from another one by their Unicode normal form alone; in one form they are %s "
                '(where: %s.sources; hint: set ids.unicode_form = "nfc", or they stay different)',
                *(f"{differing:,}", name, f"{composed:,}", kind),
            )


_HINT = "look at the source with its owner; the summary has all numbers, [profile] the bounds"
