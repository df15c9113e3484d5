"""Sample users: profile, history and list; sample tracks: their similar tracks. Only the samples are collected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as f

from bgmrec.features.split import uniform
from bgmrec.report.facts.item_names import GROUP, LABEL, TITLE
from bgmrec.storage import columns as c

HISTORY = 12  # tracks of a user's history that are shown
LONGEST = 20_000  # users with more ratings are not sampled: they are rarely one person
_KINDS = ((c.WARM, 0.7), (c.COLD, 0.15), (c.POPULAR, 0.15))
OF = "of"
_ORDER, _POSITION = "_order", "_position"


def sample_people(lists: DataFrame, counts: DataFrame, n: int, seed: int) -> list[Row]:
    """user_id, source, ratings of about n users: the most active ones, and some of every source. An action.

    Args:
        lists: the published recommendations.
        counts: `ratings` per user_id, of `data.ratings_per`.
        n: size of the sample.
        seed: seed of the sample.
    """
    first = lists.where(f.col(c.POSITION) == 1).select(c.USER_ID, c.SOURCE)
    rated = first.join(counts, on=c.USER_ID, how="left").fillna(0, ["ratings"]).where(f.col("ratings") <= LONGEST)
    ordered = rated.withColumn(_ORDER, uniform(seed, c.USER_ID)).cache()
    active = max(n // 10, 1)
    chosen = ordered.orderBy(f.desc("ratings"), c.USER_ID).limit(active)
    for source, part in _KINDS:
        of_kind = ordered.where(f.col(c.SOURCE) == source).orderBy(_ORDER, c.USER_ID)
        chosen = chosen.unionByName(of_kind.limit(max(int((n - active) * part), 1)))
    by_id = {row[c.USER_ID]: row for row in chosen.collect()}
    ordered.unpersist()
    return sorted(by_id.values(), key=lambda row: (-row["ratings"], row[c.USER_ID]))


def as_table(ids: Sequence[str], like: DataFrame, name: str) -> DataFrame:
    """Some ids as a table of one column.

    Args:
        ids: the ids.
        like: any table of the session.
        name: name of the column.
    """
    return like.sparkSession.createDataFrame([(id_,) for id_ in ids], f"{name} string")


def profiles(users: DataFrame, chosen: DataFrame) -> dict[str, dict[str, str]]:
    """user_id → field → value as text, without nulls. An action on the sample.

    Args:
        users: the staged users.
        chosen: user_id of the sample.
    """
    # a date that was read as a timestamp is shown as a date
    text = {name: f.regexp_replace(f.col(f"`{name}`").cast("string"), " 00:00:00$", "") for name in users.columns}
    fields = [column.alias(name) for name, column in text.items()]
    rows = users.join(f.broadcast(chosen), on=c.USER_ID, how="left_semi").select(*fields).collect()
    return {row[c.USER_ID]: {k: v for k, v in row.asDict().items() if v is not None and k != c.USER_ID} for row in rows}


def histories(ratings: DataFrame, chosen: DataFrame, names: DataFrame) -> dict[str, list[dict[str, Any]]]:
    """user_id → the highest and newest ratings; `of` is the number of all ratings. An action on the sample.

    Args:
        ratings: the staged ratings.
        chosen: user_id of the sample.
        names: of `item_names`.
    """
    best_first = Window.partitionBy(c.USER_ID).orderBy(
        f.desc(c.RATING), f.desc_nulls_last(c.RATED_AT), f.col(c.ITEM_ID)
    )
    rated = ratings.join(f.broadcast(chosen), on=c.USER_ID, how="left_semi")
    every = f.count("*").over(Window.partitionBy(c.USER_ID)).alias(OF)
    first = rated.select("*", every, f.row_number().over(best_first).alias(_POSITION)).where(
        f.col(_POSITION) <= HISTORY
    )
    named = first.join(names, on=c.ITEM_ID, how="left").withColumn("day", f.to_date(c.RATED_AT).cast("string"))
    return _by(named.orderBy(_POSITION), c.USER_ID, (c.ITEM_ID, TITLE, LABEL, GROUP, c.RATING, "day", OF))


def recommended(lists: DataFrame, chosen: DataFrame, names: DataFrame) -> dict[str, list[dict[str, Any]]]:
    """user_id → the published list with names. An action on the sample.

    Args:
        lists: the published recommendations.
        chosen: user_id of the sample.
        names: of `item_names`.
    """
    named = lists.join(f.broadcast(chosen), on=c.USER_ID, how="left_semi").join(names, on=c.ITEM_ID, how="left")
    columns = (c.POSITION, c.ITEM_ID, c.ITEM_IDX, TITLE, LABEL, GROUP, c.SCORE, c.SOURCE)
    return _by(named.orderBy(c.POSITION), c.USER_ID, columns)


def similar_tracks(
    similar: DataFrame, names: DataFrame, counts: DataFrame, n: int, per_item: int, seed: int
) -> list[dict[str, Any]]:
    """Sample tracks, half of them the most rated ones, each with its similar tracks. Two actions.

    Args:
        similar: the published similar items.
        names: of `item_names`.
        counts: `ratings` per item_id, of `data.ratings_per`.
        n: size of the sample.
        per_item: similar tracks of each.
        seed: seed of the sample.
    """
    rated = names.join(counts, on=c.ITEM_ID, how="left").fillna(0, ["ratings"])
    ordered = rated.withColumn(_ORDER, uniform(seed, c.ITEM_ID))
    popular = ordered.orderBy(f.desc("ratings"), c.ITEM_ID).limit(n // 2)
    chosen = {row[c.ITEM_ID]: row for row in popular.unionByName(ordered.orderBy(_ORDER, c.ITEM_ID).limit(n)).collect()}
    items = list(chosen.values())[:n]
    sample = as_table([row[c.ITEM_ID] for row in items], similar, c.ITEM_ID)
    lists = similar_by_item(similar, sample, names, per_item)
    fields = (c.ITEM_ID, TITLE, LABEL, GROUP, "ratings")
    return [{**{name: row[name] for name in fields}, "similar": lists.get(row[c.ITEM_ID], [])} for row in items]


def similar_by_item(similar: DataFrame, items: DataFrame, names: DataFrame, n: int) -> dict[str, list[dict[str, Any]]]:
    """item_id → its n most similar tracks with names. An action on the given items.

    Args:
        similar: the published similar items.
        items: item_id.
        names: of `item_names`.
        n: similar tracks per item, at most.
    """
    other = names.withColumnRenamed(c.ITEM_ID, c.SIMILAR_ITEM_ID)
    entries = similar.where(f.col(c.POSITION) <= n).join(f.broadcast(items), on=c.ITEM_ID, how="left_semi")
    named = entries.join(other, on=c.SIMILAR_ITEM_ID, how="left").orderBy(c.POSITION)
    return _by(named, c.ITEM_ID, (c.POSITION, c.SIMILAR_ITEM_ID, TITLE, LABEL, GROUP, c.SCORE))


def _by(rows: DataFrame, key: str, columns: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    grouped: Mapping[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.select(key, *columns).collect():
        grouped[row[key]].append({name: row[name] for name in columns})
    return dict(grouped)
