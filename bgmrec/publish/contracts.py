"""The contract of every published table. DDL, documentation and the gate's checks are derived from it.

`python -m bgmrec.publish.contracts` prints the contracts as Markdown, for bgmrec/publish/README.md.
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
        table: name of the table, in the catalogue and of its folder below `published/`.
        meaning: what one row is.
        schema: columns in order, each with a comment; a column that was added after the first version is nullable.
        keys: columns that identify a row within one `ds`; readers look rows up by the first one.
        score: name of the column with the score.
        is_rating: whether the score is a predicted rating in explicit mode; `evaluate.clip` then bounds it.
        score_range: (lowest, highest) valid score under all settings; None: not bounded.
        model_sources: values of `source` whose rows hold a score of the model; empty: all rows do.
        examples: question → query that answers it, with `{database}` and `{ds}` as placeholders.
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
        """Names of the columns that are never null."""
        return [field.name for field in self.schema if not field.nullable]

    @property
    def current(self) -> str:
        """Name of the view of the newest published logical date."""
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
        "the list of a user, newest date": "SELECT item_id, score FROM {database}.recommendations_current "
        "WHERE user_id = 'u1' ORDER BY position",
        "users by source of their list": "SELECT source, count(DISTINCT user_id) AS users "
        "FROM {database}.recommendations WHERE ds = '{ds}' GROUP BY source",
    },
)
SIMILAR_ITEMS = Contract(
    table="similar_items",
    meaning="one row per track and position: the most similar tracks, by cosine of the item factors",
    schema=schemas.SIMILAR_ITEMS,
    keys=(c.ITEM_ID, c.POSITION),
    score=c.SCORE,
    is_rating=False,
    score_range=(-1.001, 1.001),  # a cosine, rounded
    model_sources=(),
    examples={
        "tracks similar to a track": "SELECT similar_item_id, score FROM {database}.similar_items_current "
        "WHERE item_id = 'm1' ORDER BY position",
    },
)
RECOMMENDATION_REASONS = Contract(
    table="recommendation_reasons",
    meaning="one row per part of a score, only if `publish.tables` names it; the parts of a position sum to its score",
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
    """The columns as DDL, all nullable: old partitions lack the columns that were added later.

    Args:
        contract: of the table.
    """
    return ", ".join(column_ddl(field) for field in contract.schema)


def column_ddl(field: t.StructField) -> str:
    """One column as DDL, with its comment.

    Args:
        field: of the schema, with a comment.
    """
    return f"`{field.name}` {field.dataType.simpleString()} COMMENT '{quoted(field.metadata['comment'])}'"


def quoted(text: str) -> str:
    """Escapes text for a string literal of Spark SQL in single quotes.

    Args:
        text: any.
    """
    return text.replace("\\", "\\\\").replace("'", "\\'")


def markdown(contract: Contract) -> str:
    """One contract as Markdown: title, columns and example queries.

    Args:
        contract: of the table.
    """
    rows = [
        f"| `{field.name}` | {field.dataType.simpleString()} | {'yes' if field.nullable else 'no'} "
        f"| {_role(contract, field.name)} | {field.metadata['comment']} |"
        for field in contract.schema
    ]
    examples = [
        f"    -- {question}\n    {sql.format(database='bgmrec', ds='2025-03-14')}"
        for question, sql in contract.examples.items()
    ]
    head = ["| column | type | null | key | meaning |", "|---|---|---|---|---|"]
    title = (
        f"**`{contract.table}`**: {contract.meaning}. View of the newest date: `{contract.current}`.\n"
        f"Partitioned by `{c.DS}`. A date is kept for `retention.published_days` days; the newest date is always kept."
    )
    return "\n".join([title, "", *head, *rows, "", *examples])


def _role(contract: Contract, column: str) -> str:
    if column == c.DS:
        return "partition"
    return str(contract.keys.index(column) + 1) if column in contract.keys else ""


def document() -> str:
    """All contracts as Markdown."""
    return "\n\n".join(markdown(contract) for contract in CONTRACTS.values())


if __name__ == "__main__":
    sys.stdout.write(f"{document()}\n")
