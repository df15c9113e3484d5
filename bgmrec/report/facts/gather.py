"""Gathers the facts of a run's report from the run's tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.blocks.factors import unpack_factors
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.features.split import uniform
from bgmrec.recommend.explain import reasons
from bgmrec.recommend.external import external_table
from bgmrec.report.facts import data as data_facts
from bgmrec.report.facts import lists as lists_facts
from bgmrec.report.facts import people as people_facts
from bgmrec.report.facts import reasons as reason_facts
from bgmrec.report.facts.data import ratings_per
from bgmrec.report.facts.item_names import GROUP, LABEL, TITLE, item_names
from bgmrec.report.facts.later import later_days
from bgmrec.report.facts.quality import lists, quality
from bgmrec.report.item_map import plane
from bgmrec.run.state import STAGES, Run
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.storage import columns as c
from bgmrec.storage import files
from bgmrec.storage.models import StoredModel
from bgmrec.train.user_step import last_user_step

MAP_ITEMS = 1500  # sample of the map: more points hide each other, and make the page slow
SIMILAR = 8  # similar tracks of a sample track
_TABLES = ("ratings", "ratings_split", "users", "items", "user_rating_blocks", "top_n", "similar")


def gather(run: Run, summary: dict[str, Any]) -> dict[str, Any]:
    """All facts of the page.

    Args:
        run: a published run.
        summary: its summary.
    """
    run = replace(run, opened={})  # tables may be cached by name: nothing is written here
    stored, settings = run.models.load(run.model_id), run.settings.report
    names = item_names(run.work.read("items"), stored.table("item_index"), settings).cache()
    lists_by_id = read_by_ids(run, stored, "recommendations")
    per_user, per_item = (ratings_per(run.work.read("ratings"), side).cache() for side in (c.USER_ID, c.ITEM_ID))
    parts = {
        "quality": lambda: quality(run, stored),
        "lists": lambda: lists(run, stored, names, lists_by_id),
        "people": lambda: described_users(
            run, stored, names, lists_by_id, sampled_people(run, lists_by_id, per_user, settings.users)
        ),
        "tracks": lambda: tracks(run, stored, names, per_item),
        "map": lambda: item_plane(run, stored, names),
        "data": lambda: data(run, names, per_user, per_item),
        "runs": lambda: runs(run, summary),
        "later": lambda: later_days(run),
        "cost": lambda: run_cost(run),
    }
    facts: dict[str, Any] = {"run": identity(run, stored, summary), "summary": summary, "stages": list(STAGES)}
    for name, part in parts.items():
        run.progress.update("report", reading=name)
        facts[name] = part()
    for table in (names, per_user, per_item):
        table.unpersist()
    return facts


def identity(run: Run, stored: StoredModel, summary: dict[str, Any]) -> dict[str, Any]:
    """Id, date, model, encoders and sizes of a run.

    Args:
        run: the run.
        stored: its model.
        summary: its summary.
    """
    facts, settings = stored.facts, run.settings
    manifest = run.versions.manifest(str(run.ds)) or {"tables": {}}
    return {
        "run_id": run.run_id,
        "ds": str(run.ds),
        "mode": facts["mode"],
        "rank": facts["shape"]["rank"],
        "bias": facts["shape"]["bias"],
        "draws": settings.bayes.draws,
        "warm_runs": facts["warm_runs"],
        "title_field": settings.report.title_field,
        "encoders": {"users": settings.user_encoder.kind, "items": settings.item_encoder.kind},
        "published": {name: table["rows"] for name, table in manifest["tables"].items()},
        "versions": summary["versions"],
        "fingerprint": summary["fingerprint"],
        "users": facts["users"],
        "items": facts["items"],
        "train": facts["train"],
        "valid": facts["valid"],
    }


def read_by_ids(run: Run, stored: StoredModel, table: str) -> DataFrame:
    """A table with external ids: the published one, or the same made from working tables if it is not published.

    Args:
        run: the run.
        stored: its model.
        table: `recommendations`, `similar_items` or `recommendation_reasons`.
    """
    published = table in run.settings.publish.tables
    return run.versions.read(table, str(run.ds)) if published else external_table(run, stored, table)


def sampled_people(run: Run, lists: DataFrame, per_user: DataFrame, n: int) -> list[str]:
    """user_id of about n users with lists of every source, the most active first.

    Args:
        run: the run.
        lists: the published recommendations.
        per_user: of `ratings_per`.
        n: size of the sample.
    """
    rows = people_facts.sample_people(lists, per_user, n, run.settings.seed)
    return [row[c.USER_ID] for row in rows]


def described_users(
    run: Run, stored: StoredModel, names: DataFrame, lists: DataFrame, ids: list[str]
) -> list[dict[str, Any]]:
    """Some users with profile, history, list and the parts of each score.

    Args:
        run: the run.
        stored: its model.
        names: of `item_names`.
        lists: the published recommendations.
        ids: user_id of the users.
    """
    ratings = run.work.read("ratings")
    chosen = people_facts.as_table(ids, ratings, c.USER_ID).cache()
    index = stored.table("user_index").join(f.broadcast(chosen), on=c.USER_ID, how="left_semi").collect()
    profiles = people_facts.profiles(run.work.read("users"), chosen)
    seen = people_facts.histories(ratings, chosen, names)
    listed = people_facts.recommended(lists, chosen, names)
    _explain(run, stored, names, {row[c.USER_IDX]: listed.get(row[c.USER_ID], []) for row in index})
    chosen.unpersist()
    return [
        {
            c.USER_ID: user,
            c.SOURCE: listed[user][0][c.SOURCE] if user in listed else None,
            "ratings": seen[user][0][people_facts.OF] if user in seen else 0,
            "profile": profiles.get(user, {}),
            "history": seen.get(user, []),
            "list": listed.get(user, []),
        }
        for user in ids
    ]


def _explain(run: Run, stored: StoredModel, names: DataFrame, by_idx: dict[int, list[dict[str, Any]]]) -> None:
    """Adds `why`, the parts of the score, to every row of a list that the model made."""
    modelled = {user: rows for user, rows in by_idx.items() if rows and rows[0][c.SOURCE] != c.POPULAR}
    if run.settings.bayes.draws or not modelled:
        return
    solved = reason_facts.blocks_of(last_user_step(run, stored), modelled)
    with arrow_batch(run.spark, BLOCKS_PER_BATCH):
        score_parts = reasons(
            solved,
            reason_facts.lists_table(solved, modelled),
            n=reason_facts.TOP,
            n_users=stored.facts["users"],
            broadcast_bytes=run.settings.factorize.broadcast_bytes,
        )
        with score_parts as parts:
            whys = reason_facts.reasons(parts, modelled)
    items = {rating[c.ITEM_IDX] for parts in whys.values() for why in parts for rating in why["top"]}
    table = run.spark.createDataFrame([(item,) for item in items], f"{c.ITEM_IDX} int")
    named = names.join(f.broadcast(table), on=c.ITEM_IDX, how="left_semi").collect()
    texts = {row[c.ITEM_IDX]: {TITLE: row[TITLE], LABEL: row[LABEL]} for row in named}
    for user, rows in modelled.items():
        for row, why in zip(rows, whys[user], strict=True):
            row["why"] = {**why, "top": [{**rating, **texts[rating[c.ITEM_IDX]]} for rating in why["top"]]}


def tracks(run: Run, stored: StoredModel, names: DataFrame, per_item: DataFrame) -> list[dict[str, Any]]:
    """Sample tracks with their similar tracks.

    Args:
        run: the run.
        stored: its model.
        names: of `item_names`.
        per_item: of `ratings_per`.
    """
    similar, settings = read_by_ids(run, stored, "similar_items"), run.settings
    return people_facts.similar_tracks(similar, names, per_item, settings.report.items, SIMILAR, settings.seed)


def item_plane(run: Run, stored: StoredModel, names: DataFrame) -> dict[str, Any]:
    """A sample of the items in the plane of their factors.

    Args:
        run: the run.
        stored: its model.
        names: of `item_names`.
    """
    n, shape = MAP_ITEMS, ModelShape(**stored.facts["shape"])
    order = uniform(run.settings.seed, c.ITEM_IDX)
    chosen = names.select(c.ITEM_IDX, TITLE, GROUP).orderBy(order, c.ITEM_IDX).limit(n).cache()
    with arrow_batch(run.spark, BLOCKS_PER_BATCH):
        unpacked = unpack_factors(stored.table("item_factors"), stored.facts["item_blocks"])
        factors = lists_facts.item_rows(unpacked, chosen, shape.rank)
    rows = sorted(chosen.collect(), key=lambda row: row[c.ITEM_IDX])
    chosen.unpersist()
    if len(rows) < 2:
        return {}
    points, shares = plane(np.array([factors[row[c.ITEM_IDX]] for row in rows]))
    groups = [row[GROUP] for row in rows]
    return {"points": points.round(5).tolist(), "groups": groups, "shares": shares.tolist()}


def data(run: Run, names: DataFrame, per_user: DataFrame, per_item: DataFrame) -> dict[str, Any]:
    """Ratings by value, day, user and item, coverage of side information, and rejected rows.

    Args:
        run: the run.
        names: of `item_names`.
        per_user: of `ratings_per`.
        per_item: of `ratings_per`.
    """
    ratings = run.work.read("ratings")
    entities = {
        "users": (run.work.read("users"), c.USER_ID, per_user),
        "items": (run.work.read("items"), c.ITEM_ID, per_item),
    }
    return {
        "values": data_facts.rating_values(ratings),
        "days": data_facts.ratings_by_day(ratings),
        "per_user": data_facts.count_levels(per_user),
        "per_item": data_facts.count_levels(per_item),
        "coverage": {side: data_facts.field_coverage(*of) for side, of in entities.items()},
        "groups": data_facts.group_shares(per_item, names),
        "rejects": {
            kind: data_facts.reject_examples(run.work.read(f"{kind}_rejects"))
            for kind in ("rating", "user", "item")
            if run.work.exists(f"{kind}_rejects")
        },
    }


def runs(run: Run, summary: dict[str, Any]) -> dict[str, Any]:
    """Metrics of the published runs up to this one, and the data of the one before, where that has a report.

    Args:
        run: the run.
        summary: its summary.
    """
    dates = [ds for ds in run.versions.dates() if ds < str(run.ds)]
    course, before = [], None
    for ds in dates[-run.settings.report.runs :]:
        manifest = run.versions.manifest(ds)
        run_id = manifest["run_id"] if manifest else None
        earlier = run.root.read_json(f"summaries/{run_id}")
        if earlier is not None:
            course.append({"ds": ds, "run_id": run_id, **{k: earlier.get(k) for k in ("metrics", "seconds")}})
        before = run.root.below("reports").below(str(run_id)).read_json("facts")
    course.append({"ds": str(run.ds), "run_id": run.run_id, **{k: summary.get(k) for k in ("metrics", "seconds")}})
    # another version of bgmrec may count in another way
    if before is not None and before["run"]["versions"]["bgmrec"] != summary["versions"]["bgmrec"]:
        before = None
    drift = None if before is None else {"ds": before["run"]["ds"], "data": before["data"], "run": before["run"]}
    return {"course": course[-run.settings.report.runs :], "before": drift}


def run_cost(run: Run) -> dict[str, Any]:
    """Sizes of the run's tables on disk: bytes, files, bytes of the largest file.

    Args:
        run: the run.
    """
    tables = {}
    for name in _TABLES:
        if run.work.exists(name):
            sizes = [files.size(run.spark, part) for part in files.children(run.spark, run.work.path(name), "part-*")]
            tables[name] = {"bytes": sum(sizes), "files": len(sizes), "largest": max(sizes, default=0)}
    return {"tables": tables}
