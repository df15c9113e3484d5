"""Entities by dense index, and their feature fields in the few types that encoding knows."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.config.features import Feature
from bgmrec.errors import SettingsError
from bgmrec.storage import columns as c

CATEGORICAL = ("one_hot", "multi_hot", "hashed")
NUMERIC = ("number", "log_number")

_FLOAT_MAX = 3.4e38


def entities_by_idx(index: DataFrame, entities: DataFrame, id_column: str, idx_column: str) -> DataFrame:
    """Every indexed entity as `idx` and its fields, null where side information lacks it."""
    joined = index.join(entities, on=id_column, how="left")
    return joined.withColumnRenamed(idx_column, c.IDX).drop(id_column)


def with_training_ratings(entities: DataFrame, split: DataFrame, idx_column: str) -> DataFrame:
    """The entities that have training ratings: the only ones that vocabularies, means and spreads may see."""
    trained = split.where(f.col(c.PART) == c.TRAIN).select(f.col(idx_column).alias(c.IDX)).distinct()
    return entities.join(trained, on=c.IDX, how="left_semi")


def value_name(position: int) -> str:
    """The column of a feature's raw value."""
    return f"value_{position}"


def select_values(entities: DataFrame, features: Sequence[Feature]) -> DataFrame:
    """`idx` and one raw value per feature.

    Categorical → array of strings, number → double, log_number → its logarithm, vector → array of floats.

    Raises:
        SettingsError: a feature names no field, or one of a type that its kind cannot use.
    """
    values = [_value(entities, feature).alias(value_name(n)) for n, feature in enumerate(features)]
    return entities.select(c.IDX, *values)


def _value(entities: DataFrame, feature: Feature) -> Column:
    if feature.field not in entities.columns:
        raise _mismatch(feature, "a field of the entity", f"no such field among {', '.join(entities.columns)}")
    kind = entities.schema[feature.field].dataType
    column = f.col(feature.field)
    is_array = isinstance(kind, t.ArrayType)
    if feature.kind == "vector" and not is_array:
        raise _mismatch(feature, "a field of type vector", kind.simpleString())
    if feature.kind in ("one_hot", *NUMERIC) and is_array:
        raise _mismatch(
            feature, "a single value; multi_hot and hashed take lists, vector takes vectors", kind.simpleString()
        )
    if feature.kind == "vector":
        return column.cast("array<float>")
    if feature.kind in NUMERIC:
        return _number(column.cast("double"), feature.kind)
    if is_array:
        return f.array_distinct(f.filter(column.cast("array<string>"), lambda value: value.isNotNull()))
    return f.when(column.isNotNull(), f.array(column.cast("string")))


def _number(column: Column, kind: str) -> Column:
    finite = f.when(f.abs(column) <= _FLOAT_MAX, column)  # neither NaN, which is greater, nor infinite
    return f.signum(finite) * f.log1p(f.abs(finite)) if kind == "log_number" else finite


def _mismatch(feature: Feature, expected: str, found: str) -> SettingsError:
    return SettingsError(
        f"feature {feature.field} cannot be made as {feature.kind}",
        where=f"user_features.features or item_features.features: field = {feature.field!r}",
        expected=expected,
        found=found,
        hint="correct field or kind, or the type of the field in [users] / [items]",
    )
