"""Sample users: who they are, what they heard, what they are recommended and why. Bounded by the sample."""

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
LONGEST = 20_000  # ratings of a sample user, at most: who has more is hardly one person
_KINDS = ((c.WARM, 0.7), (c.COLD, 0.15), (c.POPULAR, 0.15))
OF = "of"
_ORDER, _POSITION = "_order", "_place"


def sample_people(lists: DataFrame, counts: DataFrame, n: int, seed: int) -> list[Row]:
    """(user_id, source, ratings) of about n users: of every source some, and the most active. An action.

    Args:
        lists: the published recommendations.
        counts: `ratings` per user_id, of `data_facts.ratings_per`.
        n: how many.
        seed: of the choice.
    """
    first = lists.where(f.col(c.POSITION) == 1).select(c.USER_ID, c.SOURCE)
    known = first.join(counts, on=c.USER_ID, how="left").fillna(0, ["ratings"]).where(f.col("ratings") <= LONGEST)
    ordered = known.withColumn(_ORDER, uniform(seed, c.USER_ID)).cache()
    active = max(n // 10, 1)
    chosen = ordered.orderBy(f.desc("ratings"), c.USER_ID).limit(active)
    for source, part in _KINDS:
        of_kind = ordered.where(f.col(c.SOURCE) == source).orderBy(_ORDER, c.USER_ID)
        chosen = chosen.unionByName(of_kind.limit(max(int((n - active) * part), 1)))
    found = {row[c.USER_ID]: row for row in chosen.collect()}
    ordered.unpersist()
    return sorted(found.values(), key=lambda row: (-row["ratings"], row[c.USER_ID]))


def as_table(ids: Sequence[str], like: DataFrame, name: str) -> DataFrame:
    """A bounded number of ids as a table of one column."""
    return like.sparkSession.createDataFrame([(one,) for one in ids], f"{name} string")


def profiles(users: DataFrame, chosen: DataFrame) -> dict[str, dict[str, str]]:
    """user_id → field → value as text, without what is not known. An action on the sample."""
    # a day is no midnight
    text = {name: f.regexp_replace(f.col(f"`{name}`").cast("string"), " 00:00:00$", "") for name in users.columns}
    fields = [column.alias(name) for name, column in text.items()]
    rows = users.join(f.broadcast(chosen), on=c.USER_ID, how="left_semi").select(*fields).collect()
    return {row[c.USER_ID]: {k: v for k, v in row.asDict().items() if v is not None and k != c.USER_ID} for row in rows}


def histories(ratings: DataFrame, chosen: DataFrame, names: DataFrame) -> dict[str, list[dict[str, Any]]]:
    """user_id → the best and newest of what they rated, `of` how many ratings. An action on the sample.

    Args:
        names: of `item_names`.
    """
    best_first = Window.partitionBy(c.USER_ID).orderBy(
        f.desc(c.RATING), f.desc_nulls_last(c.RATED_AT), f.col(c.ITEM_ID)
    )
    own = ratings.join(f.broadcast(chosen), on=c.USER_ID, how="left_semi")
    every = f.count("*").over(Window.partitionBy(c.USER_ID)).alias(OF)
    first = own.select("*", every, f.row_number().over(best_first).alias(_POSITION)).where(f.col(_POSITION) <= HISTORY)
    named = first.join(names, on=c.ITEM_ID, how="left").withColumn("day", f.to_date(c.RATED_AT).cast("string"))
    return _by(named.orderBy(_POSITION), c.USER_ID, (c.ITEM_ID, TITLE, LABEL, GROUP, c.RATING, "day", OF))


def recommended(lists: DataFrame, chosen: DataFrame, names: DataFrame) -> dict[str, list[dict[str, Any]]]:
    """user_id → the published list with names. An action on the sample."""
    own = lists.join(f.broadcast(chosen), on=c.USER_ID, how="left_semi").join(names, on=c.ITEM_ID, how="left")
    columns = (c.POSITION, c.ITEM_ID, c.ITEM_IDX, TITLE, LABEL, GROUP, c.SCORE, c.SOURCE)
    return _by(own.orderBy(c.POSITION), c.USER_ID, columns)


def similar_tracks(
    similar: DataFrame, names: DataFrame, counts: DataFrame, n: int, per_item: int, seed: int
) -> list[dict[str, Any]]:
    """Sample items, the most rated half of them and others, with the tracks nearest to each. Two actions.

    Args:
        similar: the published similar items.
        names: of `item_names`.
        counts: `ratings` per item_id, of `data_facts.ratings_per`.
        n: items.
        per_item: of their lists.
        seed: of the choice.
    """
    known = names.join(counts, on=c.ITEM_ID, how="left").fillna(0, ["ratings"])
    ordered = known.withColumn(_ORDER, uniform(seed, c.ITEM_ID))
    popular = ordered.orderBy(f.desc("ratings"), c.ITEM_ID).limit(n // 2)
    chosen = {row[c.ITEM_ID]: row for row in popular.unionByName(ordered.orderBy(_ORDER, c.ITEM_ID).limit(n)).collect()}
    items = list(chosen.values())[:n]
    wanted = as_table([row[c.ITEM_ID] for row in items], similar, c.ITEM_ID)
    lists = near(similar, wanted, names, per_item)
    keep = (c.ITEM_ID, TITLE, LABEL, GROUP, "ratings")
    return [{**{name: row[name] for name in keep}, "similar": lists.get(row[c.ITEM_ID], [])} for row in items]


def near(similar: DataFrame, wanted: DataFrame, names: DataFrame, n: int) -> dict[str, list[dict[str, Any]]]:
    """item_id → the n tracks nearest to it with names. An action on the wanted items."""
    other = names.withColumnRenamed(c.ITEM_ID, c.SIMILAR_ITEM_ID)
    own = similar.where(f.col(c.POSITION) <= n).join(f.broadcast(wanted), on=c.ITEM_ID, how="left_semi")
    named = own.join(other, on=c.SIMILAR_ITEM_ID, how="left").orderBy(c.POSITION)
    return _by(named, c.ITEM_ID, (c.POSITION, c.SIMILAR_ITEM_ID, TITLE, LABEL, GROUP, c.SCORE))


def _by(rows: DataFrame, key: str, columns: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    found: Mapping[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.select(key, *columns).collect():
        found[row[key]].append({name: row[name] for name in columns})
    return dict(found)
