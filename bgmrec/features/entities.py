"""Entities by dense index, and their feature fields cast to the types that encoding takes."""

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
    """Every indexed entity as `idx` and its fields, null where side information lacks it.

    Args:
        index: (id, idx).
        entities: the staged users or items.
        id_column: column of the external id.
        idx_column: column of the dense index.
    """
    joined = index.join(entities, on=id_column, how="left")
    return joined.withColumnRenamed(idx_column, c.IDX).drop(id_column)


def with_training_ratings(entities: DataFrame, split: DataFrame, idx_column: str) -> DataFrame:
    """The entities with training ratings, which alone vocabularies, means and deviations are fitted on.

    Args:
        entities: from `entities_by_idx`.
        split: `schemas.RATINGS_SPLIT`.
        idx_column: `user_idx` or `item_idx`.
    """
    trained = split.where(f.col(c.PART) == c.TRAIN).select(f.col(idx_column).alias(c.IDX)).distinct()
    return entities.join(trained, on=c.IDX, how="left_semi")


def value_name(position: int) -> str:
    """The column of a feature's raw value.

    Args:
        position: of the feature in the settings.
    """
    return f"value_{position}"


def select_values(entities: DataFrame, features: Sequence[Feature]) -> DataFrame:
    """`idx` and one raw value per feature.

    Categorical → array of strings, number → double, log_number → sign(x) · log(1 + |x|), vector → array of floats.

    Args:
        entities: `idx` and fields.
        features: `user_features.features` or `item_features.features`.

    Raises:
        SettingsError: a feature names a field that does not exist, or one of a type that its kind cannot use.
    """
    values = [_value(entities, feature).alias(value_name(n)) for n, feature in enumerate(features)]
    return entities.select(c.IDX, *values)


def _value(entities: DataFrame, feature: Feature) -> Column:
    if feature.field not in entities.columns:
        fields = ", ".join(name for name in entities.columns if name != c.IDX)
        raise _mismatch(feature, f"one of the fields {fields}", "no such field")
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
    finite = f.when(f.abs(column) <= _FLOAT_MAX, column)  # NaN compares as greater
    return f.signum(finite) * f.log1p(f.abs(finite)) if kind == "log_number" else finite


def _mismatch(feature: Feature, expected: str, found: str) -> SettingsError:
    return SettingsError(
        f"feature {feature.field} cannot be made as {feature.kind}",
        where=f"user_features.features or item_features.features: field = {feature.field!r}",
        expected=expected,
        found=found,
        hint="correct `field` or `kind` of the feature, or `type` of the field in [users] or [items]",
    )
