"""The contract of every published table, in one place: DDL, documentation and the gate's checks come from here.

`python -m bgmrec.publish.contracts` prints it as Markdown, which is the README's section on published tables.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from pyspark.sql import types as t

from bgmrec.storage import columns as c
from bgmrec.storage import schemas


@dataclass(frozen=True)
class Contract:
    """What readers of a published table can rely on.

    Args:
        table: its name, in the catalogue and below `published/`.
        meaning: of one row.
        schema: columns in order, each with its comment; a column that was added after the first version is nullable.
        keys: identify a row within one `ds`; the first one is the entity that a reader asks for.
        score: the column that holds one.
        is_rating: whether it is a predicted rating in explicit mode, which the settings bound.
        score_range: where it is bounded whatever the settings.
        model_sources: values of `source` whose rows hold a score of the model; empty: all rows do.
        examples: what a query answers → the query; `{database}` and `{ds}` are filled in.
    """

    table: str
    meaning: str
    schema: t.StructType
    keys: tuple[str, ...]
    score: str
    is_rating: bool
    score_range: tuple[float, float] | None
    model_sources: tuple[str, ...]
    examples: dict[str, str]

    @property
    def required(self) -> list[str]:
        """Columns that are never null."""
        return [field.name for field in self.schema if not field.nullable]

    @property
    def current(self) -> str:
        """The view of the newest published logical date."""
        return f"{self.table}_current"


RECOMMENDATIONS = Contract(
    table="recommendations",
    meaning="one row per user and position: the user's top-N list",
    schema=schemas.RECOMMENDATIONS,
    keys=(c.USER_ID, c.POSITION),
    score=c.SCORE,
    is_rating=True,
    score_range=None,
    model_sources=(c.WARM, c.COLD),
    examples={
        "a user's list, newest night": "SELECT item_id, score FROM {database}.recommendations_current "
        "WHERE user_id = 'u1' ORDER BY position",
        "how users are served": "SELECT source, count(DISTINCT user_id) AS users FROM {database}.recommendations "
        "WHERE ds = '{ds}' GROUP BY source",
    },
)
SIMILAR_ITEMS = Contract(
    table="similar_items",
    meaning="one row per track and position: the tracks nearest to it, by cosine of the factors",
    schema=schemas.SIMILAR_ITEMS,
    keys=(c.ITEM_ID, c.POSITION),
    score=c.SCORE,
    is_rating=False,
    score_range=(-1.001, 1.001),  # a cosine, rounded
    model_sources=(),
    examples={
        "tracks like this one": "SELECT similar_item_id, score FROM {database}.similar_items_current "
        "WHERE item_id = 'm1' ORDER BY position",
    },
)
RECOMMENDATION_REASONS = Contract(
    table="recommendation_reasons",
    meaning="one row per part of a score, where `publish.tables` asks for it; the parts of a place add up to its score",
    schema=schemas.RECOMMENDATION_REASONS,
    keys=(c.USER_ID, c.POSITION, c.PART_NUMBER),
    score=c.SCORE_PART,
    is_rating=False,
    score_range=None,
    model_sources=(),
    examples={
        "why a user gets a track": "SELECT kind, reason_item_id, score_part "
        "FROM {database}.recommendation_reasons_current WHERE user_id = 'u1' AND item_id = 'm1' ORDER BY part_number",
    },
)
CONTRACTS = {contract.table: contract for contract in (RECOMMENDATIONS, SIMILAR_ITEMS, RECOMMENDATION_REASONS)}


def columns_ddl(contract: Contract) -> str:
    """The columns as DDL; nullability is not part of it: old partitions lack columns that were added since."""
    return ", ".join(column_ddl(field) for field in contract.schema)


def column_ddl(field: t.StructField) -> str:
    return f"`{field.name}` {field.dataType.simpleString()} COMMENT '{quoted(field.metadata['comment'])}'"


def quoted(text: str) -> str:
    """Text between single quotes of Spark SQL."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def markdown(contract: Contract) -> str:
    """One table's section of the README."""
    rows = [
        f"| `{field.name}` | {field.dataType.simpleString()} | {'yes' if field.nullable else 'no'} "
        f"| {_role(contract, field.name)} | {field.metadata['comment']} |"
        for field in contract.schema
    ]
    examples = [
        f"    -- {text}\n    {sql.format(database='bgmrec', ds='2025-03-14')}"
        for text, sql in contract.examples.items()
    ]
    head = ["| column | type | null | key | meaning |", "|---|---|---|---|---|"]
    title = (
        f"**`{contract.table}`**: {contract.meaning}. View of the newest date: `{contract.current}`.\n"
        f"Partitioned by `{c.DS}`; a date stays at least `retention.published_days` days, the newest one always."
    )
    return "\n".join([title, "", *head, *rows, "", *examples])


def _role(contract: Contract, column: str) -> str:
    if column == c.DS:
        return "partition"
    return str(contract.keys.index(column) + 1) if column in contract.keys else ""


def document() -> str:
    """All contracts."""
    return "\n\n".join(markdown(contract) for contract in CONTRACTS.values())


if __name__ == "__main__":
    sys.stdout.write(f"{document()}\n")
