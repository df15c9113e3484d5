"""Which items may be shown, and what the cap per item field counts together."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.config.serving import ItemList
from bgmrec.errors import InputError
from bgmrec.ingest.sources import read_files
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
    """The items that may be shown: `item_idx`, and `group_idx`, equal for items of one value of the field.

    A group is named by the lowest idx that has its value, so that no two values can fall together. An item without
    a value is a group of its own: nothing says that two unknown artists are one. A list field counts by its first.

    Args:
        item_index: `schemas.ITEM_INDEX`.
        allow: `item_id` of the only items that may be shown; none: all.
        deny: `item_id` of items that may not.
        items: the staged items, needed for `field`.
        field: column of `items` that the cap counts by.

    Raises:
        InputError: the field is no column of the items.
    """
    kept = item_index.select(c.ITEM_ID, c.ITEM_IDX)
    if allow is not None:
        kept = kept.join(allow.select(c.ITEM_ID), c.ITEM_ID, "left_semi")
    if deny is not None:
        kept = kept.join(deny.select(c.ITEM_ID), c.ITEM_ID, "left_anti")
    if field is None:
        return kept.select(c.ITEM_IDX, f.col(c.ITEM_IDX).alias("group_idx"))
    groups = _groups(item_index, items, field)
    own = f.coalesce("group_idx", c.ITEM_IDX).cast("int").alias("group_idx")
    return kept.join(groups, c.ITEM_IDX, "left").select(c.ITEM_IDX, own)


def _groups(item_index: DataFrame, items: DataFrame | None, field: str) -> DataFrame:
    if items is None or field not in items.columns:
        raise InputError(
            f"items have no field {field!r} for the cap per list",
            where="recommend.max_per_field",
            expected=", ".join(items.columns) if items is not None else "a staged items table",
            found=field,
            hint="name a field of [items], or take the setting out",
        )
    is_list = isinstance(items.schema[field].dataType, t.ArrayType)
    value = f.get(field, f.lit(0)) if is_list else f.col(field)
    valued = items.select(c.ITEM_ID, value.cast("string").alias("value")).where("value is not null")
    indexed = item_index.select(c.ITEM_ID, c.ITEM_IDX).join(valued, c.ITEM_ID, "inner").select(c.ITEM_IDX, "value")
    names = indexed.groupBy("value").agg(f.min(c.ITEM_IDX).alias("group_idx"))
    return indexed.join(names, "value", "inner").select(c.ITEM_IDX, "group_idx")


def candidate_items(run: Run, store: Tables, item_index: DataFrame) -> DataFrame:
    """The candidates by the filters of [recommend], written: all lists of a stage are made of them.

    Args:
        run: the night.
        place: scratch of the stage, gets `shown_items`.
        item_index: `schemas.ITEM_INDEX`.
    """
    settings = run.settings.recommend
    eligible = eligible_items(
        item_index,
        allow=_item_list(run, settings.allow),
        deny=_item_list(run, settings.deny),
        items=run.work.read("items") if settings.max_per_field else None,
        field=settings.max_per_field,
    )
    return store.write(eligible, "candidate_items")


def _item_list(run: Run, files: ItemList | None) -> DataFrame | None:
    return None if files is None else read_files(run.spark, files, data=run.settings.paths.data, ds=run.ds)
