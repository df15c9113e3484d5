"""A split of any ratings that the settings give, by an expression over their columns."""

from __future__ import annotations

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.errors import SettingsError
from bgmrec.storage import columns as c

_SETTING = "study.part"
_PARTS = (c.TRAIN, c.VALID, c.TEST)
_EXPECTED = "Spark SQL over user_id, item_id, rating, weight and rated_at that gives train, valid, test or null"


def given_parts(indexed: DataFrame, expression: str | None) -> DataFrame:
    """Adds `part`; ratings without one are left out. An action.

    Args:
        indexed: ratings with their ids and indices.
        expression: `study.part`.

    Raises:
        SettingsError: it is missing, is not valid, or gives another value.
    """
    if expression is None:
        raise _refused("the protocol given needs a split", "not set")
    try:
        parts = indexed.withColumn(c.PART, f.expr(expression).cast("string"))
    except (AnalysisException, ParseException) as error:
        raise _refused("the split is no valid expression", str(error).strip().splitlines()[0][:300]) from error
    parts = parts.where(f.col(c.PART).isNotNull())
    other = parts.where(~f.col(c.PART).isin(*_PARTS)).select(c.PART).first()
    if other is not None:
        raise _refused("the split gives another part", repr(other[c.PART]))
    return parts


def _refused(message: str, found: str) -> SettingsError:
    return SettingsError(
        message,
        where=_SETTING,
        expected=_EXPECTED,
        found=found,
        hint="for example case when rated_at < '2025-03-01' then 'train' when … then 'valid' else 'test' end",
    )
