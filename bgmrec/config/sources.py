"""Where raw files lie and how their columns become the staged tables' columns."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from bgmrec.config.base import AtLeastOne, Name, NonNegative, Section, Share


class Files(Section):
    """Files of one format. Paths may hold `{data}` (`paths.data`), `{ds}` and any glob of the file system.

    With `{ds}` in a path and `lookback_days` set, the partitions of that many days up to and including
    the logical date are read; a missing day inside the window is an error unless `allow_missing_days`.
    CSV and JSON columns are strings (nested JSON is its text): the expressions give types.
    """

    format: Literal["csv", "jsonl", "parquet"]
    paths: list[str] = Field(min_length=1)
    options: dict[str, str] = {}
    columns: list[
        str
    ] = []  # csv: names for headerless files, in file order; jsonl: only these, without a discovery pass
    lookback_days: AtLeastOne | None = None
    allow_missing_days: bool = False


class JoinedTable(Files):
    """A side table joined to a log on the way (log → video → music); a left join, one row per key is kept.

    `on` holds names of columns, or `log column = side column`; `select` Spark SQL over the side table, `… as name`.
    """

    name: Name
    on: list[str] = Field(min_length=1)
    select: list[str] = Field(min_length=1)


class Source(Files):
    """Records of one origin and the Spark SQL expressions that map their columns (trusted input, like code).

    The rows of csv and jsonl files in a window of days are kept as they were mapped, for the nights to come that read
    the same files by the same settings; with `keep_mapped = false` all files are read every night.
    """

    name: Name
    keep_mapped: bool = True
    joins: list[JoinedTable] = []
    where: str | None = None  # records for which this is not true are none of this source's rows at all (not rejects)


class RatingSource(Source):
    """A rating log."""

    user_id: str = "user_id"
    item_id: str = "item_id"
    rating: str = "1.0"
    weight: str = "1.0"
    rated_at: str | None = None  # no expression: the source has no times, and null is no reject


class RatingsSettings(Section):
    """`[ratings]`: sources, the policy for repeated (user, item) pairs, and what is refused."""

    sources: list[RatingSource] = []
    policy: Literal["last", "max", "sum"] = "last"
    minimum: float = -3.4e38
    maximum: float = 3.4e38
    unknown_items: list[str] = []  # item ids that mean "unknown" (KuaiRand's music 0): rejected
    time_required: bool = True  # a source with a rated_at expression must yield a time
    drop_exact_duplicates: bool = True
    max_reject_share: Share = 0.05


class EntityField(Section):
    """One typed field of an entity: where it comes from and what it is."""

    name: Name
    type: Literal["string", "text", "integer", "number", "boolean", "timestamp", "list", "vector"]
    expression: str | None = None  # Spark SQL over the raw columns; default: the column of that name
    separator: str = ","  # splits a list that comes as one string
    minimum: float | None = None
    maximum: float | None = None
    description: str = ""


class EntitySource(Source):
    """A crawl dump or side table of one entity kind."""

    id: str  # Spark SQL expression of the external id
    fetched_at: str | None = None  # newest wins field by field; no expression: later sources win
    fields: dict[str, str] = {}  # per source: field name → Spark SQL expression, over the field's own


class EntitySettings(Section):
    """`[users]` / `[items]`: the typed columns, described in this one place, and the sources they come from."""

    sources: list[EntitySource] = []
    fields: list[EntityField] = []
    max_reject_share: Share = 0.05

    @model_validator(mode="after")
    def _names_agree(self) -> EntitySettings:
        names = [field.name for field in self.fields]
        if len(set(names)) < len(names):
            raise ValueError(f"a field is named twice: {sorted(name for name in names if names.count(name) > 1)[0]}")
        for source in self.sources:
            if unknown := sorted(set(source.fields) - set(names)):
                raise ValueError(
                    f"source {source.name} maps {unknown[0]}, which is none of the fields {', '.join(names)}"
                )
        return self


class SplitSettings(Section):
    """`[split]`: how validation (and, for studies, test) ratings are set aside."""

    method: Literal["time", "random", "none"] = "time"
    valid_days: NonNegative = 1.0  # time: the last days before the logical date's end
    valid_share: Share = 0.1  # random: share of the rows, by a hash of (seed, user, item)
    move_cold_to_train: bool = False  # explicit studies: a valid row whose user or item train lacks moves to train
