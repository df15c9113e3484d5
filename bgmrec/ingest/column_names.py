"""Names of raw columns, and of bgmrec's own beside them.

A raw column keeps the name that the file gives it. bgmrec's own columns begin with a prefix that no file uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

_PREFIX = "__bgmrec_"


def internal(name: str) -> str:
    """The name of a column of bgmrec beside raw columns.

    Args:
        name: what the column holds.
    """
    return _PREFIX + name


def is_internal(name: str) -> bool:
    """Whether the column is bgmrec's own.

    Args:
        name: of a column.
    """
    return name.startswith(_PREFIX)


def raw_columns(raw: DataFrame) -> list[str]:
    """The columns of the files themselves.

    Args:
        raw: from `read_files`, perhaps joined.
    """
    return [name for name in raw.columns if not is_internal(name)]


def most_used_spelling(counts: Mapping[str, int]) -> list[str]:
    """The names without those that differ by case alone, which SQL cannot tell apart: the most frequent one stays.

    Args:
        counts: name → number of records with it.
    """
    same: dict[str, list[str]] = {}
    for name in counts:
        same.setdefault(name.lower(), []).append(name)
    return [max(group, key=lambda name: (counts[name], name)) for group in same.values()]


def unambiguous(raw: DataFrame, names: Sequence[str]) -> DataFrame:
    """The raw columns under unique names: a record with an odd key must not stop a run.

    A second name that differs by case alone gets a number, a backtick becomes an apostrophe, and a name with bgmrec's
    prefix gets `raw` before it.

    Args:
        raw: the raw columns beside bgmrec's own.
        names: of the raw columns.
    """
    new: dict[str, str] = {}
    for name in sorted(names, key=lambda name: _safe(name) != name):  # names that need no change come first
        new[name] = _free(_safe(name), {other.lower() for other in new.values()})
    if all(old == renamed for old, renamed in new.items()):
        return raw
    return raw.select(*(f.col(quoted(name)).alias(new.get(name, name)) for name in raw.columns))


def words_of(texts: Iterable[str]) -> set[str]:
    """The lower-case words of some texts.

    Args:
        texts: expressions or names.
    """
    return {word.lower() for text in texts for word in re.findall(r"\w+", text)}


def quoted(name: str) -> str:
    """The name for Spark SQL, whatever characters it holds.

    Args:
        name: of a column.
    """
    return "`" + name.replace("`", "``") + "`"


def _safe(name: str) -> str:
    plain = name.replace("`", "'") or "_"
    return f"raw{plain}" if is_internal(plain) else plain


def _free(name: str, taken: set[str]) -> str:
    number = 1
    candidate = name
    while candidate.lower() in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
