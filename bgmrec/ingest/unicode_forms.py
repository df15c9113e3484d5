"""Unicode normal forms of ids: é is one character (composed) or two, e and an accent (decomposed).

Spark has no function for it, so that Python normalises, and only ids that are not ASCII: all others have one form.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, Literal

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

Form = Literal["none", "nfc"]


def composed_text(text: str) -> str:
    """The composed form (NFC) of a text.

    Args:
        text: any text.
    """
    return unicodedata.normalize("NFC", text)


def in_form(texts: Iterable[str], form: Form) -> list[str]:
    """Ids as the tables have them.

    Args:
        texts: ids as somebody wrote them, in settings or on the command line.
        form: `ids.unicode_form`.
    """
    return [text if form == "none" else composed_text(text) for text in texts]


def is_not_ascii(text: Column) -> Column:
    """Whether a text has a character outside ASCII.

    Args:
        text: the text.
    """
    return f.length(text) != f.octet_length(text)


def composed(text: Column) -> Column:
    """The composed form (NFC).

    Args:
        text: the text.
    """

    def normalized(texts: pd.Series) -> pd.Series:
        return texts.map(composed_text, na_action="ignore")

    in_python: Any = f.pandas_udf(normalized, t.StringType())  # type: ignore[call-overload]
    return f.coalesce(in_python(f.when(is_not_ascii(text), text)), text)


def ids_by_form_alone(tables: Sequence[DataFrame], name: str) -> tuple[int, int]:
    """How many ids differ from another one only by their normal form, and how many there would be in one form.

    Args:
        tables: with the id column.
        name: id column.
    """
    ids = reduce(DataFrame.union, [table.select(name).where(is_not_ascii(f.col(name))) for table in tables]).distinct()
    forms = ids.groupBy(composed(f.col(name)).alias("composed")).agg(f.count(f.lit(1)).alias("n")).where("n > 1")
    found = forms.agg(f.coalesce(f.sum("n"), f.lit(0)), f.count(f.lit(1))).collect()[0]
    return int(found[0]), int(found[1])
