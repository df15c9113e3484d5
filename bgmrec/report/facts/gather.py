"""Gathers what a night's report says, as plain numbers, from the tables that the night left.

No job of its own: what report and show share.
"""

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
from bgmrec.report.facts.quality import lists, quality
from bgmrec.report.item_map import plane
from bgmrec.run.state import STAGES, Run
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.storage import columns as c
from bgmrec.storage import files
from bgmrec.storage.models import StoredModel
from bgmrec.train.solved import solved_tables

SIMILAR = 8  # tracks near a sample track
_TABLES = ("ratings", "ratings_split", "users", "items", "user_rating_blocks", "top_n", "similar")


def gather(run: Run, summary: dict[str, Any]) -> dict[str, Any]:
    """Everything that the page says.

    Args:
        run: the night.
        summary: of its run.
    """
    run = replace(run, opened={})  # nobody writes what is read here
    stored, settings = run.models.load(run.model_id), run.settings.report
    names = item_names(run.work.read("items"), stored.table("item_index"), settings).cache()
    made = read_by_ids(run, stored, "recommendations")
    per_user, per_item = (ratings_per(run.work.read("ratings"), side).cache() for side in (c.USER_ID, c.ITEM_ID))
    parts = {
        "quality": lambda: quality(run, stored),
        "lists": lambda: lists(run, stored, names, made),
        "people": lambda: people(run, stored, names, made, sampled_people(run, made, per_user, settings.users)),
        "tracks": lambda: tracks(run, stored, names, per_item),
        "map": lambda: item_plane(run, stored, names),
        "data": lambda: data(run, names, per_user, per_item),
        "runs": lambda: runs(run, summary),
        "cost": lambda: cost(run),
    }
    facts: dict[str, Any] = {"run": identity(run, stored, summary), "summary": summary, "stages": list(STAGES)}
    for name, part in parts.items():
        run.progress.update("report", reading=name)
        facts[name] = part()
    for table in (names, per_user, per_item):
        table.unpersist()
    return facts


def identity(run: Run, stored: StoredModel, summary: dict[str, Any]) -> dict[str, Any]:
    """Which run this is, and its sizes."""
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
    """A table as its readers get it, or would: publish.tables may leave it out."""
    published = table in run.settings.publish.tables
    return run.versions.read(table, str(run.ds)) if published else external_table(run, stored, table)


def sampled_people(run: Run, lists: DataFrame, per_user: DataFrame, n: int) -> list[str]:
    """user_id of about n users of every kind, the most active first."""
    rows = people_facts.sample_people(lists, per_user, n, run.settings.seed)
    return [row[c.USER_ID] for row in rows]


def people(run: Run, stored: StoredModel, names: DataFrame, lists: DataFrame, ids: list[str]) -> list[dict[str, Any]]:
    """These users with profile, history, list and what carries each score."""
    ratings = run.work.read("ratings")
    chosen = people_facts.as_table(ids, ratings, c.USER_ID).cache()
    index = stored.table("user_index").join(f.broadcast(chosen), on=c.USER_ID, how="left_semi").collect()
    known = people_facts.profiles(run.work.read("users"), chosen)
    seen = people_facts.histories(ratings, chosen, names)
    listed = people_facts.recommended(lists, chosen, names)
    _explain(run, stored, names, {row[c.USER_IDX]: listed.get(row[c.USER_ID], []) for row in index})
    chosen.unpersist()
    return [
        {
            c.USER_ID: one,
            c.SOURCE: listed[one][0][c.SOURCE] if one in listed else None,
            "ratings": seen[one][0][people_facts.OF] if one in seen else 0,
            "profile": known.get(one, {}),
            "history": seen.get(one, []),
            "list": listed.get(one, []),
        }
        for one in ids
    ]


def _explain(run: Run, stored: StoredModel, names: DataFrame, by_idx: dict[int, list[dict[str, Any]]]) -> None:
    """Adds `why` to every row of lists that a solved model made."""
    made = {user: rows for user, rows in by_idx.items() if rows and rows[0][c.SOURCE] != c.POPULAR}
    if run.settings.bayes.draws or not made:
        return
    solved = reason_facts.blocks_of(solved_tables(run, stored), made)
    with arrow_batch(run.spark, BLOCKS_PER_BATCH):
        made_parts = reasons(
            solved,
            reason_facts.lists_table(solved, made),
            n=reason_facts.TOP,
            n_users=stored.facts["users"],
            broadcast_bytes=run.settings.factorize.broadcast_bytes,
        )
        with made_parts as parts:
            whys = reason_facts.reasons(parts, made)
    wanted = {one[c.ITEM_IDX] for parts in whys.values() for why in parts for one in why["top"]}
    table = run.spark.createDataFrame([(one,) for one in wanted], f"{c.ITEM_IDX} int")
    named = names.join(f.broadcast(table), on=c.ITEM_IDX, how="left_semi").collect()
    called = {row[c.ITEM_IDX]: {TITLE: row[TITLE], LABEL: row[LABEL]} for row in named}
    for user, rows in made.items():
        for row, why in zip(rows, whys[user], strict=True):
            row["why"] = {**why, "top": [{**one, **called[one[c.ITEM_IDX]]} for one in why["top"]]}


def tracks(run: Run, stored: StoredModel, names: DataFrame, per_item: DataFrame) -> list[dict[str, Any]]:
    """Sample tracks with the tracks nearest to them."""
    similar, settings = read_by_ids(run, stored, "similar_items"), run.settings
    return people_facts.similar_tracks(similar, names, per_item, settings.report.items, SIMILAR, settings.seed)


def item_plane(run: Run, stored: StoredModel, names: DataFrame) -> dict[str, Any]:
    """A sample of the items in the plane of their factors."""
    n, shape = run.settings.report.map_items, ModelShape(**stored.facts["shape"])
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
    """What came in."""
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
    """The published nights up to this one, and the data of the one before, where it was reported on."""
    dates = [ds for ds in run.versions.dates() if ds < str(run.ds)][1 - run.settings.report.runs :]
    course, before = [], None
    for ds in dates:
        manifest = run.versions.manifest(ds)
        run_id = manifest["run_id"] if manifest else None
        known = run.root.read_json(f"summaries/{run_id}")
        if known is not None:
            course.append({"ds": ds, "run_id": run_id, **{k: known.get(k) for k in ("metrics", "seconds")}})
        before = run.root.below("reports").below(str(run_id)).read_json("facts")
    own = {"ds": str(run.ds), "run_id": run.run_id, **{k: summary.get(k) for k in ("metrics", "seconds")}}
    # facts of another version may be counted in another way
    if before is not None and before["run"]["versions"]["bgmrec"] != summary["versions"]["bgmrec"]:
        before = None
    drift = None if before is None else {"ds": before["run"]["ds"], "data": before["data"], "run": before["run"]}
    return {"course": [*course, own], "before": drift}


def cost(run: Run) -> dict[str, Any]:
    """Size of the night's tables on disk: bytes, files, bytes of the largest file."""
    found = {}
    for name in _TABLES:
        if run.work.exists(name):
            sizes = [files.size(run.spark, part) for part in files.glob(run.spark, f"{run.work.path(name)}/part-*")]
            found[name] = {"bytes": sum(sizes), "files": len(sizes), "largest": max(sizes, default=0)}
    return {"tables": found}
