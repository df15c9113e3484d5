"""Which items may be recommended, and which of them the limit per field value counts together."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.config.serving import ItemList
from bgmrec.errors import InputError
from bgmrec.ingest.ids import id_text
from bgmrec.ingest.sources import Expressions, read_files
from bgmrec.run.state import Run
from bgmrec.storage import columns as c
from bgmrec.storage.tables import Tables


def eligible_items(
    item_index: DataFrame,
    *,
    allow: DataFrame | None = None,
    deny: DataFrame | None = None,
    items: DataFrame | None = None,
    field: str | None = None,
) -> DataFrame:
    """The items that may be recommended: `item_idx`, and `group_idx`, equal for items with the same field value.

    A group is numbered by the lowest item_idx with its value, so two values never share a number. An item without a
    value is a group of its own, because two unknown artists need not be the same. A list field counts by its first
    value.

    Args:
        item_index: `schemas.ITEM_INDEX`.
        allow: `item_id` of the only items that may be recommended; None: all.
        deny: `item_id` of items that may not be recommended; None: none.
        items: the staged items, needed for `field`.
        field: column of `items` whose values the limit counts; None: every item is a group of its own.

    Raises:
        InputError: the field is not a column of the items.
    """
    eligible = item_index.select(c.ITEM_ID, c.ITEM_IDX)
    if allow is not None:
        eligible = eligible.join(allow.select(c.ITEM_ID), c.ITEM_ID, "left_semi")
    if deny is not None:
        eligible = eligible.join(deny.select(c.ITEM_ID), c.ITEM_ID, "left_anti")
    if field is None:
        return eligible.select(c.ITEM_IDX, f.col(c.ITEM_IDX).alias("group_idx"))
    groups = _groups(item_index, items, field)
    group = f.coalesce("group_idx", c.ITEM_IDX).cast("int").alias("group_idx")
    return eligible.join(groups, c.ITEM_IDX, "left").select(c.ITEM_IDX, group)


def _groups(item_index: DataFrame, items: DataFrame | None, field: str) -> DataFrame:
    if items is None or field not in items.columns:
        raise InputError(
            f"items have no field {field!r}, which limits how many items of one value a list holds",
            where="recommend.max_per_field",
            expected=f"one of {', '.join(items.columns)}" if items is not None else "a field of [items]",
            found=field if items is not None else f"{field}, but no items were ingested",
            hint="set it to a field of [items], or remove the setting",
        )
    is_list = isinstance(items.schema[field].dataType, t.ArrayType)
    value = f.get(field, f.lit(0)) if is_list else f.col(field)
    valued = items.select(c.ITEM_ID, value.cast("string").alias("value")).where("value is not null")
    indexed = item_index.select(c.ITEM_ID, c.ITEM_IDX).join(valued, c.ITEM_ID, "inner").select(c.ITEM_IDX, "value")
    names = indexed.groupBy("value").agg(f.min(c.ITEM_IDX).alias("group_idx"))
    return indexed.join(names, "value", "inner").select(c.ITEM_IDX, "group_idx")


def candidate_items(run: Run, store: Tables, item_index: DataFrame) -> DataFrame:
    """The candidates by the filters of `[recommend]`, as `eligible_items`, written for all lists of a stage.

    Args:
        run: the run.
        store: scratch folder of the stage; `candidate_items` is written there.
        item_index: `schemas.ITEM_INDEX`.

    Raises:
        InputError: `recommend.max_per_field` is not a field of the items.
    """
    settings = run.settings.recommend
    eligible = eligible_items(
        item_index,
        allow=_item_list(run, "allow", settings.allow),
        deny=_item_list(run, "deny", settings.deny),
        items=run.work.read("items") if settings.max_per_field else None,
        field=settings.max_per_field,
    )
    return store.write(eligible, "candidate_items")


def _item_list(run: Run, name: str, files: ItemList | None) -> DataFrame | None:
    if files is None:
        return None
    ids = Expressions([c.ITEM_ID])
    data = run.settings.paths.data
    listed = read_files(run.spark, files, data=data, ds=run.ds, where=f"recommend.{name}", expressions=ids)
    kind, form = listed.schema[c.ITEM_ID].dataType, run.settings.ids.unicode_form
    return listed.select(id_text(f.col(c.ITEM_ID), kind, form).alias(c.ITEM_ID))
