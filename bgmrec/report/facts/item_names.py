"""How items are shown in the report: a title, a label beside it, and the group that colours the map."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.config.serving import ReportSettings
from bgmrec.storage import columns as c

TITLE, LABEL, GROUP = "title", "label", "group"


def item_names(items: DataFrame, item_index: DataFrame, settings: ReportSettings) -> DataFrame:
    """item_id, item_idx, `title` (the id where there is none), `label` (may be empty) and `group` (may be null).

    Args:
        items: the staged items.
        item_index: `schemas.ITEM_INDEX`; items without side information are shown by their id.
        settings: `[report]`, which names the fields.
    """
    title = _text(items, settings.title_field) if settings.title_field else f.lit(None).cast("string")
    labels = [_text(items, name) for name in settings.label_fields]
    group = _text(items, settings.group_field) if settings.group_field else f.lit(None).cast("string")
    item_texts = items.select(
        c.ITEM_ID, title.alias(TITLE), f.concat_ws(" · ", *labels).alias(LABEL), group.alias(GROUP)
    )
    indexed = item_index.join(item_texts, on=c.ITEM_ID, how="left")
    filled = f.coalesce(f.when(f.trim(TITLE) != "", f.col(TITLE)), f.col(c.ITEM_ID))
    return indexed.select(c.ITEM_ID, c.ITEM_IDX, filled.alias(TITLE), f.coalesce(LABEL, f.lit("")).alias(LABEL), GROUP)


def _text(items: DataFrame, name: str) -> Column:
    """A field as text; of a list its first value."""
    is_list = isinstance(items.schema[name].dataType, t.ArrayType)
    return (f.get(f.col(name), f.lit(0)) if is_list else f.col(name)).cast("string")
