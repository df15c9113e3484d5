"""The fitted state of a feature vector: vocabularies, means and standard deviations, stored as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as f

from bgmrec.config.features import Feature
from bgmrec.features.entities import NUMERIC, select_values, value_name

MISSING = "missing"
OTHER = "other"


@dataclass(frozen=True)
class FittedFeature:
    """One feature.

    Args:
        field: of the entity.
        kind: of the feature, as in the settings.
        size: columns of a hashed feature or a vector; the largest vocabulary of a categorical one.
        vocabulary: values of a categorical feature, by falling frequency.
        mean: per column of a numeric feature.
        std: per column of a numeric feature.
    """

    field: str
    kind: str
    size: int
    vocabulary: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def column_names(self) -> list[str]:
        """Names of its columns in the feature vector."""
        if self.kind in ("one_hot", "multi_hot"):
            return [f"{self.field}={value}" for value in (*self.vocabulary, f"<{OTHER}>")]
        if self.kind in NUMERIC:
            return [self.field, f"{self.field}:{MISSING}"]
        return [f"{self.field}[{n}]" for n in range(self.size)] + [f"{self.field}:{MISSING}"] * (self.kind == "vector")


@dataclass(frozen=True)
class FittedFeatures:
    """All features of users or items, in the order of the settings."""

    features: tuple[FittedFeature, ...]

    @property
    def width(self) -> int:
        """Columns of the feature vector."""
        return len(feature_names(self))

    def to_json(self) -> list[dict[str, Any]]:
        """The features as JSON values."""
        return [asdict(feature) for feature in self.features]

    @classmethod
    def from_json(cls, document: list[dict[str, Any]]) -> FittedFeatures:
        """The features from the values of `to_json`.

        Args:
            document: of `to_json`.
        """
        return cls(tuple(_feature_from_json(feature) for feature in document))


def _feature_from_json(feature: dict[str, Any]) -> FittedFeature:
    return FittedFeature(
        feature["field"],
        feature["kind"],
        feature["size"],
        tuple(feature["vocabulary"]),
        tuple(feature["mean"]),
        tuple(feature["std"]),
    )


def feature_names(fitted: FittedFeatures) -> list[str]:
    """One name per column of the feature vector.

    Args:
        fitted: the fitted features.
    """
    return [name for feature in fitted.features for name in feature.column_names]


def field_columns(fitted: list[dict[str, Any]], fields: list[str]) -> tuple[np.ndarray, int]:
    """The columns of some fields.

    Args:
        fitted: of `FittedFeatures.to_json`.
        fields: names of fields.

    Returns:
        positions of the columns in the feature vector, and its width
    """
    counts = [(feature.field, len(feature.column_names)) for feature in FittedFeatures.from_json(fitted).features]
    names = np.repeat([name for name, _ in counts], [count for _, count in counts])
    return np.flatnonzero(np.isin(names, fields)), len(names)


def fit_features(entities: DataFrame, features: Sequence[Feature]) -> FittedFeatures:
    """Fits vocabularies, means and standard deviations. An action; collects at most `size` values of each feature.

    Args:
        entities: `idx` and fields of the entities with training ratings, no others.
        features: `user_features.features` or `item_features.features`.

    Raises:
        SettingsError: a feature does not fit its field.
    """
    values = select_values(entities, features)
    vocabularies = _fit_vocabularies(values, features)
    moments = _fit_moments(values, features)
    return FittedFeatures(
        tuple(
            FittedFeature(feature.field, feature.kind, feature.size, vocabularies.get(n, ()), *moments.get(n, ((), ())))
            for n, feature in enumerate(features)
        )
    )


def _fit_vocabularies(values: DataFrame, features: Sequence[Feature]) -> dict[int, tuple[str, ...]]:
    """Per feature the `size` most frequent values that `min_count` entities have, ties by value, in one Spark job."""
    categorical = {n: feature for n, feature in enumerate(features) if feature.kind in ("one_hot", "multi_hot")}
    if not categorical:
        return {}
    pairs = f.array(*(f.struct(f.lit(n).alias("n"), f.col(value_name(n)).alias("values")) for n in categorical))
    limits = f.create_map(*(f.lit(x) for n, feature in categorical.items() for x in (n, feature.size)))
    minima = f.create_map(*(f.lit(x) for n, feature in categorical.items() for x in (n, feature.min_count)))
    counts = (
        values.select(f.explode(pairs).alias("pair"))
        .select(f.col("pair.n").alias("n"), f.explode("pair.values").alias("value"))
        .groupBy("n", "value")
        .count()
        .where(f.col("count") >= minima[f.col("n")])
    )
    by_frequency = Window.partitionBy("n").orderBy(f.desc("count"), "value")
    top = counts.withColumn("position", f.row_number().over(by_frequency)).where(
        f.col("position") <= limits[f.col("n")]
    )
    values_of: dict[int, list[tuple[int, str]]] = {n: [] for n in categorical}
    for row in top.collect():
        values_of[row["n"]].append((row["position"], row["value"]))
    return {n: tuple(value for _, value in sorted(pairs)) for n, pairs in values_of.items()}


def _fit_moments(
    values: DataFrame, features: Sequence[Feature]
) -> dict[int, tuple[tuple[float, ...], tuple[float, ...]]]:
    """Per feature the mean and standard deviation of each column, without missing values, in one Spark job."""
    columns = []
    for n, feature in enumerate(features):
        if feature.kind in NUMERIC:
            columns.append(f.struct(f.lit(n).alias("n"), f.array(value_name(n)).alias("numbers")))
        elif feature.kind == "vector":
            complete = f.when(f.size(value_name(n)) == feature.size, f.col(value_name(n)).cast("array<double>"))
            columns.append(f.struct(f.lit(n).alias("n"), complete.alias("numbers")))
    if not columns:
        return {}
    moments = (
        values.select(f.explode(f.array(*columns)).alias("column"))
        .select(f.col("column.n").alias("n"), f.posexplode("column.numbers").alias("position", "number"))
        .groupBy("n", "position")
        .agg(f.avg("number").alias("mean"), f.stddev_pop("number").alias("std"))
    )
    moments_of = {(row["n"], row["position"]): (row["mean"], row["std"]) for row in moments.collect()}
    widths = {n: 1 if feature.kind in NUMERIC else feature.size for n, feature in enumerate(features)}
    numeric = [n for n, feature in enumerate(features) if feature.kind in (*NUMERIC, "vector")]
    return {
        n: _columns([moments_of.get((n, position), (None, None)) for position in range(widths[n])]) for n in numeric
    }


def _columns(moments: list[tuple[float | None, float | None]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Means and deviations; a column that is constant or always missing gets deviation 1."""
    means = tuple(_rounded(mean) or 0.0 for mean, _ in moments)
    return means, tuple(_rounded(std) or 1.0 for _, std in moments)


def _rounded(number: float | None) -> float | None:
    """Nine digits, the precision of float32: the order of Spark's sums changes later digits alone."""
    return None if number is None or not math.isfinite(number) else float(f"{number:.9g}")
