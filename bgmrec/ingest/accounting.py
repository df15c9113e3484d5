"""The state of every raw row, counts by state and reason, and the share of rejects above which a run ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, Observation, Row
from pyspark.sql import functions as f

from bgmrec.errors import InputError
from bgmrec.ingest.duplicates import SAME_RECORD, SOURCE_POSITION
from bgmrec.storage import columns as c

STATE = "state"
EXAMPLE = "example"
ROWS = "rows"
DISTINCT = "distinct_rows"

KEPT = "kept"
REJECTED = "rejected"
FILTERED = "filtered"  # excluded by the source's `where`
AFTER_WINDOW = "after_window"  # dated after the logical date: a later run's row
DUPLICATE = "duplicate"  # every raw column equals another row's of the source
STATES = (KEPT, REJECTED, FILTERED, AFTER_WINDOW, DUPLICATE)

_EXAMPLE_LENGTH = 500


def first_reason(checks: dict[str, Column]) -> Column:
    """The name of the first check that is true, else null.

    Args:
        checks: reason → whether the row is to be rejected for it.
    """
    return f.coalesce(*(f.when(failed, f.lit(reason)) for reason, failed in checks.items()))


def count_states(mapped: DataFrame, rejected: DataFrame, sources: Sequence[str]) -> DataFrame:
    """Rows, distinct rows and one example record by source, state and reason: a handful of rows.

    Args:
        mapped: every row, or those of some states.
        rejected: `rejects` of all rows, as written.
        sources: names of the sources, in the order of the settings.
    """
    # all rows are grouped by numbers: their texts would cost twice the time to group, and more to shuffle
    kind = f.xxhash64(STATE, f.coalesce(c.REASON, f.lit(""))).alias("_kind")
    records = mapped.groupBy(kind, *SAME_RECORD).agg(f.count(f.lit(1)).alias(ROWS))
    numbers = records.groupBy(SOURCE_POSITION, "_kind").agg(f.sum(ROWS).alias(ROWS), f.count(f.lit(1)).alias(DISTINCT))
    names = (f.struct(f.lit(at).alias(SOURCE_POSITION), f.lit(name).alias(c.SOURCE)) for at, name in enumerate(sources))
    positions = mapped.sparkSession.range(1).select(f.inline(f.array(*names)))
    example = f.substring(f.min(c.RECORD), 1, _EXAMPLE_LENGTH).alias(EXAMPLE)
    reasons = rejected.groupBy(c.SOURCE, c.REASON).agg(example).withColumn(STATE, f.lit(REJECTED))
    other_states = positions.withColumns(
        {
            STATE: f.explode(f.array(*(f.lit(state) for state in STATES if state != REJECTED))),
            **dict.fromkeys((c.REASON, EXAMPLE), f.lit(None).cast("string")),
        }
    )
    kinds = other_states.unionByName(reasons.join(positions, c.SOURCE)).withColumn("_kind", kind)
    named = numbers.join(f.broadcast(kinds), [SOURCE_POSITION, "_kind"], "left")
    return named.select(c.SOURCE, STATE, c.REASON, ROWS, DISTINCT, EXAMPLE)


def observe_kept(rows: DataFrame, n_sources: int) -> tuple[DataFrame, Observation]:
    """The rows, which are counted while an action computes them: no pass of its own.

    Args:
        rows: the kept rows, exact duplicates once, with the number of raw rows of each in `ROWS`.
        n_sources: number of sources in the settings.
    """
    observation = Observation()
    counts = []
    for at in range(n_sources):
        of_source = f.col(SOURCE_POSITION) == at
        counts.append(f.sum(f.when(of_source, f.col(ROWS))).alias(f"{ROWS}_{at}"))
        counts.append(f.count(f.when(of_source, 1)).alias(f"{DISTINCT}_{at}"))
    return rows.observe(observation, *counts), observation


def kept_counts(observation: Observation, sources: Sequence[str]) -> list[Row]:
    """The counts of the kept rows, as rows of `count_states`; waits for the action.

    Args:
        observation: of `observe_kept`.
        sources: names of the sources, in the order of the settings.
    """
    found = observation.get
    row = Row(c.SOURCE, STATE, c.REASON, ROWS, DISTINCT, EXAMPLE)
    return [
        row(name, KEPT, None, found[f"{ROWS}_{at}"], found[f"{DISTINCT}_{at}"], None)
        for at, name in enumerate(sources)
        if found[f"{DISTINCT}_{at}"]
    ]


def rejects(mapped: DataFrame) -> DataFrame:
    """The rejected rows, each with its reason; of exact duplicates the one in the first file.

    Args:
        mapped: every row.
    """
    rejected = mapped.where(f.col(STATE) == REJECTED)
    keys = [c.SOURCE, c.REASON, c.RECORD, *SAME_RECORD]
    return rejected.groupBy(*keys).agg(f.min(c.SOURCE_FILE).alias(c.SOURCE_FILE)).drop(*SAME_RECORD)


def summarize(counts: Sequence[Row]) -> dict[str, Any]:
    """Rows by state, overall and by source, and rejects by reason: `rows_in` is the sum of the states.

    Args:
        counts: rows of `count_states`.
    """
    by_state: Counter[str] = Counter()
    by_source: dict[str, Counter[str]] = {}
    by_reason: Counter[str] = Counter()
    for row in counts:
        states = {row[STATE]: row[DISTINCT], DUPLICATE: row[ROWS] - row[DISTINCT]}
        by_state.update(states)
        by_source.setdefault(row[c.SOURCE], Counter()).update(states)
        if row[STATE] == REJECTED:
            by_reason[row[c.REASON]] += row[DISTINCT]
    return {
        "rows_in": sum(by_state.values()),
        **{state: by_state[state] for state in STATES},
        "reject_reasons": dict(sorted(by_reason.items())),
        "sources": {name: {state: n[state] for state in STATES} for name, n in sorted(by_source.items())},
    }


def check_rejects(counts: Sequence[Row], max_share: float, *, setting: str, rejects_at: str) -> None:
    """Ends the run where the share of rejects is too high.

    Args:
        counts: rows of `count_states`.
        max_share: the largest allowed rejects / (rejects + kept).
        setting: the setting that holds this share.
        rejects_at: path of the table of rejects.

    Raises:
        InputError: the share is exceeded.
    """
    rejected = sorted(
        (row for row in counts if row[STATE] == REJECTED), key=lambda row: (-row[DISTINCT], row[c.REASON])
    )
    n_rejected = sum(row[DISTINCT] for row in rejected)
    n_rows = n_rejected + sum(row[DISTINCT] for row in counts if row[STATE] == KEPT)
    if n_rejected <= max_share * n_rows:
        return
    reasons = [
        f"{row[DISTINCT]:,} × {row[c.REASON]} in {row[c.SOURCE]}, for example {row[EXAMPLE]}" for row in rejected[:5]
    ]
    raise InputError(
        f"{n_rejected:,} of {n_rows:,} rows were rejected ({n_rejected / n_rows:.1%})",
        where=rejects_at,
        expected=f"at most {max_share:.1%} ({setting})",
        found="\n    ".join(["", *reasons]).rstrip(),
        hint=f"correct the source or its expressions; raise {setting} only if nobody needs these rows",
    )
