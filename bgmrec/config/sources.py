"""Where raw files lie and how their columns become the staged tables' columns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bgmrec.config.base import Days, FieldName, MayBeBlank, Name, Section, Share, Unit, WholeDays


class Files(Section):
    """Files of one format."""

    format: Literal["csv", "jsonl", "parquet"]
    """`jsonl` is one JSON object per line. Columns of `csv` and `jsonl` are read as strings (a nested JSON value as its
    text; a number by its value): the expressions give types. CSV is read as RFC 4180 has it: quotes are doubled, a
    backslash is an ordinary character, quoted values may hold line breaks. Compressed files (`.gz`, `.bz2`, and what
    else Hadoop's codecs on the cluster unpack) are read as they are."""

    paths: list[str] = Field(min_length=1)
    """Files or folders, local or of any file system that Spark knows. `{data}` stands for `paths.data`, `{ds}` for the
    logical date (YYYY-MM-DD); `*`, `?`, `[ab]` and `{a,b}` are globs. A path that matches nothing is an error. Hidden
    files (`_SUCCESS`, `.part.crc`) and empty ones are passed over."""

    options: Annotated[dict[str, str], MayBeBlank()] = {}
    """Options of Spark's reader for the format, by Spark's names, each value a string. Useful for csv: `sep`
    (default `,`), `encoding` (default UTF-8; bytes of another encoding are rejects), `quote` (`""`: no quoting),
    `escape` (default `'"'`: quotes are doubled; `"\\"` for the dialect of Spark and Hive), `multiLine`
    (`"false"` spares the look for quoted line breaks), `nullValue` (a text that means "missing"; an empty value
    always does), `comment`, `ignoreLeadingWhiteSpace`, `ignoreTrailingWhiteSpace`, `maxCharsPerColumn`. For
    jsonl: `encoding`, `multiLine`, `lineSep`, `allowSingleQuotes`, `allowUnquotedFieldNames`. For parquet:
    `mergeSchema` (default `"true"`). For all: `pathGlobFilter`. Not allowed are `header` (see `columns`), `mode`
    and `columnNameOfCorruptRecord`, without which broken records could not be rejected, and
    `recursiveFileLookup` (see `recursive`). `inferSchema`, `dateFormat` and `timestampFormat` have no effect, as
    every column is read as a string."""

    columns: list[str] = []
    """csv: names of the columns in file order, for files without a header line, which may have more fields than are
    named; empty: the first line is the header.
    jsonl: only these keys are read, which spares the pass over the files that finds all keys; empty: all keys."""

    lookback_days: WholeDays | None = None
    """With `{ds}` in a path: read the files of this many days, up to and including the logical date. Not set: the
    logical date alone."""

    recursive: bool = False
    """Read the files of sub-folders, too. `false`: a folder's own files and those in folders named `key=value`, which
    give the column `key`; other sub-folders are named in a warning."""

    allow_missing_days: bool = False
    """Accept days of the window without files, as long as one day has some. By default a missing day is an error, so
    that a late delivery does not pass for a quiet day."""


class JoinedTable(Files):
    """A side table that is joined to the source's rows (rating log → video → music) before its expressions are
    evaluated.

    A left join: rows without a match stay, with nulls. Of several rows with one key, the one with the greatest
    selected values is used.
    """

    name: Name
    """Name of the table, for messages."""

    on: list[str] = Field(min_length=1)
    """Key columns: a name that both sides have, or `source column = side column`. Compared as text."""

    select: list[str] = Field(min_length=1)
    """Spark SQL expressions over the side table, `expression as name`, that are added to the source's columns."""


class Source(Files):
    """Records of one origin and the Spark SQL expressions that map their columns (trusted input, like code)."""

    name: Name
    """Name of the source, for rejects, the summary and messages."""

    cache_rows: bool = True
    """Keep the mapped rows of csv and jsonl files in a window (`lookback_days`) for later runs, which then read new and
    changed files only. `false`: every run reads all files."""

    joins: list[JoinedTable] = []
    """Side tables, joined in this order: `[[ratings.sources.joins]]`."""

    where: str | None = None
    """Spark SQL condition over the raw and joined columns. Records for which it is not true are not part of the source:
    they are counted as filtered, not rejected."""


class RatingSource(Source):
    """A rating or play log. Each key below is a Spark SQL expression over the raw and joined columns."""

    user_id: str = "user_id"
    """External user id. Empty or null: the row is rejected."""

    item_id: str = "item_id"
    """External item id. Empty or null: the row is rejected."""

    rating: str = "1.0"
    """Explicit mode: the rating. Implicit mode: the preference, from 0 (no interest) to 1 (interest), which the
    model is trained to reproduce. Play counts do not belong here but in `weight`: a rating of 250 plays would be
    learned as a preference of 250. A run in implicit mode logs a warning where most ratings are above 1."""

    weight: str = "1.0"
    """How strongly the row counts, at least 0. Explicit mode: weight of its squared error. Implicit mode: confidence in
    the preference, beyond `factorize.unobserved_weight`; play counts go here, for example `log2(1 + plays)`."""

    rated_at: str | None = None
    """Time of the rating (timestamp, UTC). Not set: the source has no times, and its rows count as older than all
    others."""


class RatingsSettings(Section):
    """`[ratings]`: the rating logs, what happens to repeated (user, item) pairs, and which rows are rejected."""

    sources: list[RatingSource] = []
    """Rating logs: `[[ratings.sources]]`. At least one is needed."""

    policy: Literal["last", "max", "sum"] = "last"
    """What one pair with several rows becomes. `last`: the newest row (equal times: the later source, then the
    higher rating). `max`: the highest rating, at its first time. `sum`: weights added, highest rating, first time;
    for logs with one row per play."""

    minimum: Annotated[float, Unit("rating")] = -3.4e38
    """Lowest valid rating; rows below are rejected. Set it to the lower end of the scale. The default refuses only what
    a 32-bit float cannot hold."""

    maximum: Annotated[float, Unit("rating")] = 3.4e38
    """Highest valid rating; rows above are rejected. Set it to the upper end of the scale: 1 in implicit mode."""

    unknown_items: list[str] = []
    """Item ids that mean "unknown" (KuaiRand uses music 0); their rows are rejected."""

    time_required: bool = True
    """Reject rows without a time, where the source has a `rated_at` expression. `false`: an empty time is allowed, and
    one that cannot be read is still rejected."""

    drop_exact_duplicates: bool = True
    """Count rows of one source with equal raw columns once. Logs delivered "at least once" repeat rows. `false` where
    equal rows are distinct events; needed only with policy `sum`."""

    max_reject_share: Share = 0.05
    """Stop the run if more than this share of the rows is rejected. Rejected rows are in the table `rating_rejects`,
    each with its reason."""


class EntityField(Section):
    """One typed column of the users or items table. A value that does not fit is null and counted as malformed."""

    name: FieldName
    """Name of the column; features and the report refer to it. It begins with a letter. Names that differ in case alone
    are one name. bgmrec has columns of its own, whose names no field can have: `user_id`, `user_idx`, `idx` of users,
    and `item_id`, `item_idx`, `idx` of items."""

    type: Literal["string", "text", "integer", "number", "boolean", "timestamp", "list", "vector"]
    """`string`: a short value, such as a category or an id. `text`: words in a language. `integer`: a whole number.
    `number`: a finite number. `boolean`: true or false. `timestamp`: a time of the years 1900 to 9999 (UTC). `list`:
    strings, from an array, the text of a JSON array, or separated text; duplicates are dropped. `vector`: numbers,
    from the same forms."""

    expression: str | None = None
    """Spark SQL expression over the raw columns of every source. Not set: the raw column with the field's name. A
    source's own `fields` win."""

    separator: Annotated[str, Field(min_length=1), MayBeBlank()] = ","
    """`list`, `vector`: splits a value that comes as one string."""

    minimum: Annotated[float, Unit("the field's")] | None = None
    """`integer`, `number`: lower values are malformed. Not set: no bound."""

    maximum: Annotated[float, Unit("the field's")] | None = None
    """`integer`, `number`: higher values are malformed. Not set: no bound."""

    description: Annotated[str, MayBeBlank()] = ""
    """What the column means, for readers of the settings."""


class EntitySource(Source):
    """A crawl or side table of users or items. Several records of one entity are merged field by field."""

    id: str
    """Spark SQL expression of the external id, the one that the rating log uses. Empty or null: rejected."""

    fetched_at: str | None = None
    """Spark SQL expression of the time at which the record was fetched (UTC): the newest record with a value wins,
    field by field. Not set: a later source in the settings wins."""

    fields: dict[str, str] = {}
    """Field name → Spark SQL expression, where this source differs from the field's own `expression`."""


class EntitySettings(Section):
    """Side information: the typed columns, described in one place, and the sources that they come from."""

    sources: list[EntitySource] = []
    """Crawls and side tables: `[[users.sources]]`, `[[items.sources]]`. Empty: no side information."""

    fields: list[EntityField] = []
    """Columns: `[[users.fields]]`, `[[items.fields]]`, or a list of inline tables."""

    max_reject_share: Share = 0.05
    """Stop the run if more than this share of the records is rejected (unreadable, or without an id)."""


class SplitSettings(Section):
    """`[split]`: which ratings are held out for validation. They choose the best round and feed the gate's metric."""

    method: Literal["time", "random", "none"] = "time"
    """`time`: the last `valid_days`, as in production. `random`: `valid_share` of the rows, by a hash of (seed, user,
    item), for data without times. `none`: nothing is held out; training cannot stop early."""

    valid_days: Days = 1.0
    """`time`: ratings of the last days before the end of the logical date are held out."""

    valid_share: Share = 0.1
    """`random`: share of the ratings that is held out."""

    move_cold_to_train: bool = False
    """Move a held-out rating to training if its user or item has no training rating. For explicit studies that follow
    published protocols; in production cold entities belong into validation."""
