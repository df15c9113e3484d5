"""Lists of an earlier run, evaluated on ratings of the days after it.

No choice has used those ratings: they did not exist when the run chose its best round, nor when its settings were
tuned. The evaluation of a run itself uses held-out ratings that chose the best round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.evaluate.table import MODEL
from bgmrec.recommend.lists import popularity_scores
from bgmrec.recommend.popularity import popular_items
from bgmrec.report.bootstrap import DRAWS
from bgmrec.report.comparisons import adjust, intervals
from bgmrec.report.facts.held_out import EVALUATED_USERS, held_in_lists, ranking_sums, sample_users
from bgmrec.run.state import Run
from bgmrec.storage import columns as c
from bgmrec.storage.models import StoredModel

POPULARITY = "popularity"
_POPULAR = 2000  # popular tracks that a user's popularity list is taken from: more than a user has usually seen
_PAIR = [c.USER_IDX, c.ITEM_IDX]


def later_days(run: Run) -> dict[str, Any]:
    """Metrics of the lists of the oldest run within `report.later_days`, on the ratings since.

    Args:
        run: a later run, whose ratings include those days.

    Returns:
        `ds`, `run_id`, `until` (last day of the ratings), `days`, `k`, `users` (evaluated), `targets`, `draws`,
        `comparisons` and `ranking` (`comparisons.intervals`); or `missing`, the reason why there is nothing.
    """
    days = run.settings.report.later_days
    if days is None:
        return {"missing": "report.later_days is off."}
    earlier = _earlier_run(run, days)
    if earlier is None:
        return {
            "missing": f"No run that was published in the {days} days before {run.ds} still has its working tables "
            "(report.later_days, retention.work_days)."
        }
    manifest = run.versions.manifest(str(earlier.ds)) or {}
    stored = run.models.load(manifest["model"]["run_id"])
    seen = _by_idx(earlier.work.read("ratings"), stored)
    later = _by_idx(run.work.read("ratings"), stored).where(
        (f.col(c.RATED_AT) >= f.lit(str(earlier.end)).cast("timestamp"))
        & (f.col(c.RATING) >= run.settings.evaluate.relevant_rating)
    )
    published = run.versions.read("recommendations", str(earlier.ds))
    lists = _by_idx(published, stored).select(*_PAIR, c.POSITION)
    targets = later_targets(later, seen if run.settings.recommend.filter_seen else None, lists).cache()
    users = sample_users(targets, EVALUATED_USERS, run.settings.seed)
    k = min(*run.settings.evaluate.ks, run.settings.recommend.n)
    facts: dict[str, Any] = {
        "ds": str(earlier.ds), "run_id": manifest["run_id"], "until": str(run.ds), "days": (run.ds - earlier.ds).days,
        "k": k, "users": users.count(), "targets": targets.count(), "draws": DRAWS,
    }  # fmt: skip
    if facts["users"]:
        baseline = _popularity_lists(earlier, seen, users, k)
        held_out = held_in_lists({MODEL: lists.where(f.col(c.POSITION) <= k), POPULARITY: baseline}, targets, users)
        facts["ranking"] = intervals(ranking_sums(held_out, k), run.settings.seed)
        facts["comparisons"] = adjust(facts["ranking"])
    else:
        facts = {"missing": f"No user with a list of {earlier.ds} rated a new track after that day."}
    users.unpersist()
    targets.unpersist()
    return facts


def _earlier_run(run: Run, days: int) -> Run | None:
    """The oldest published run within so many days before this one that still has what the evaluation reads."""
    first = str(run.ds - timedelta(days=days))
    for ds in (ds for ds in run.versions.dates() if first <= ds < str(run.ds)):
        earlier = replace(run, ds=date.fromisoformat(ds), opened={})
        manifest = run.versions.manifest(ds)
        if (
            manifest is not None
            and "recommendations" in manifest["tables"]
            and run.models.has(manifest["model"]["run_id"])
            and earlier.work.exists("ratings")
            and earlier.scratch("recommend").exists("candidate_items")
        ):
            return earlier
    return None


def _by_idx(rows: DataFrame, stored: StoredModel) -> DataFrame:
    """Rows by external ids with `user_idx` and `item_idx` of a model; rows that its indexes lack are left out."""
    users, items = stored.table("user_index"), stored.table("item_index")
    return rows.join(users, on=c.USER_ID, how="inner").join(items, on=c.ITEM_ID, how="inner")


def later_targets(later: DataFrame, seen: DataFrame | None, lists: DataFrame) -> DataFrame:
    """user_idx, item_idx of relevant later ratings that a list could have held_out.

    Args:
        later: ratings of the days after the lists.
        seen: ratings of the days before; lists hold none of those pairs. None: lists may hold them.
        lists: user_idx; users without a list are left out.
    """
    pairs = later.select(*_PAIR).distinct()
    if seen is not None:
        pairs = pairs.join(seen.select(*_PAIR), on=_PAIR, how="left_anti")
    return pairs.join(lists.select(c.USER_IDX).distinct(), on=c.USER_IDX, how="left_semi")


def _popularity_lists(earlier: Run, seen: DataFrame, users: DataFrame, k: int) -> DataFrame:
    """The most popular candidates of the earlier run for each user: user_idx, item_idx, position."""
    candidates = earlier.scratch("recommend").read("candidate_items")
    popular = popular_items(popularity_scores(earlier, seen), candidates, _POPULAR).collect()
    items = np.array([row[c.ITEM_IDX] for row in popular], np.int64)
    rated: dict[int, list[int]] = {row[c.USER_IDX]: [] for row in users.collect()}
    if earlier.settings.recommend.filter_seen:
        table = earlier.spark.createDataFrame([(int(item),) for item in items], f"{c.ITEM_IDX} int")
        few = seen.select(*_PAIR).join(f.broadcast(users), on=c.USER_IDX, how="left_semi")
        for row in few.join(f.broadcast(table), on=c.ITEM_IDX, how="left_semi").collect():
            rated[row[c.USER_IDX]].append(row[c.ITEM_IDX])
    rows = unseen_popular(items, rated, k)
    return earlier.spark.createDataFrame(rows, f"{c.USER_IDX} int, {c.ITEM_IDX} int, {c.POSITION} int")


def unseen_popular(items: np.ndarray, seen: Mapping[int, Sequence[int]], k: int) -> list[tuple[int, int, int]]:
    """(user_idx, item_idx, position) of the first k items that a user has not seen.

    Args:
        items: int (n,), item_idx, the most popular first.
        seen: user_idx → seen items.
        k: length of a list.
    """
    return [
        (user, int(item), position)
        for user, rated in seen.items()
        for position, item in enumerate(items[~np.isin(items, rated)][:k], 1)
    ]
