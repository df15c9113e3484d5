"""Prints conf/README.md, the reference of all settings, from the models; `--check` compares it with the file."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bgmrec.config.schema import section_in, type_text, unit_of
from bgmrec.config.settings import Settings

FILE = Path(__file__).resolve().parents[2] / "conf" / "README.md"
COMMAND = "python -m bgmrec.config.reference > conf/README.md"

_INTRODUCTION = f"""\
# Settings

This file is generated from the models in bgmrec/config/ by `{COMMAND}`. `make lint` checks
that it is up to date.

A job reads TOML files and command-line overrides:

    python jobs/nightly.py --config conf/base.toml --config my.toml --set factorize.rank=64 --ds 2025-03-14

- **Files** are merged in the given order, key by key: a later file wins, and what it leaves out stays. Lists are
  replaced as a whole, also lists of sections such as `[[ratings.sources]]`. `conf/base.toml` states the defaults; a
  command works without it.
- **`--set KEY=VALUE`** wins over the files. The value is read as TOML, and as a string where it is not TOML:
  `--set train.metric=ndcg`, `--set 'evaluate.ks=[10, 50]'`. A part of the key with dots needs quotes:
  `--set 'spark.conf."spark.driver.memory"=8g'`. Entries of a list cannot be set alone; set the whole list.
- **Checks** run before Spark starts. An unknown key, a wrong type, an impossible value or keys that do not agree end
  the job with exit status 2; the message names the key, the file and line, what was expected and what was found. Names
  of fields, features and baselines must be declared, names in a list differ, and no text is blank.
- **Secrets** do not belong in settings. `${{NAME}}` in an address or header is replaced by the environment variable
  NAME; a password in plain text is refused.
- **Environment variables**: `JAVA_HOME` (Java to use; otherwise the bundled one), `BGMREC_PSEUDONYM_KEY` (key, at least
  16 characters, of the SQL function `pseudonym(user_id)` and of `hash_id` in crawls), `NUMBA_CACHE_DIR` (compiled
  kernels), `HADOOP_CONF_DIR` (YARN and HDFS).
- **SQL expressions** in sources are Spark SQL and trusted input, like code.

| file | content |
|---|---|
| `base.toml` | the defaults |
| `examples/` | a small log, a catalogue, and what `jobs/new_config.py` writes for them: `make example` |
| `demo.toml` | the generated world of `make demo`: ranks what users will like |
| `demo-ratings.toml` | over `demo.toml`: predicts ratings |
| `demo-large.toml` | over `demo.toml`: ten million events, rank 64 |
| `demo-crawl.toml` | over `demo.toml`: more cold music, and side information from a crawl |
| `ml-1m.toml`, `kuairand.toml` | MovieLens 1M and KuaiRand-Pure; models of their studies: `ml-1m/`, `kuairand/` |
| `crawl/*.toml` | sources of side information |
| `openlineage.toml` | Spark's lineage listener |

In the tables below, *required* marks a key without a default, and *not set* one that is empty by default. A share is a
number from 0 to 1. Where one table describes several sections, their defaults are separated by " / ".
"""


@dataclass
class _Place:
    """One section of the settings: its header in TOML, and its values by default (None: in a list, without any)."""

    header: str
    values: BaseModel | None


@dataclass
class _Table:
    """All sections of one model."""

    model: type[BaseModel]
    places: list[_Place] = field(default_factory=list)


def reference() -> str:
    """The text of conf/README.md."""
    tables: dict[type[BaseModel], _Table] = {}
    for model, place in _places(Settings, "", Settings(), False):
        tables.setdefault(model, _Table(model)).places.append(place)
    return "\n".join([_INTRODUCTION, *(_section(table) for table in tables.values() if _keys(table.model))])


def _places(
    model: type[BaseModel], path: str, values: BaseModel | None, in_list: bool
) -> Iterator[tuple[type[BaseModel], _Place]]:
    header = (f"[[{path}]]" if in_list else f"[{path}]") if path else "top level"
    yield model, _Place(header, values)
    for name, key in model.model_fields.items():
        section = section_in(key.annotation)
        if section is not None:
            inner = getattr(values, name) if values is not None and not _is_list(key) else None
            yield from _places(section, f"{path}.{name}" if path else name, inner, _is_list(key))


def _is_list(key: FieldInfo) -> bool:
    return get_origin(key.annotation) is list


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys with values; sections within a section have a table of their own."""
    return {
        name: key for name, key in model.model_fields.items() if section_in(key.annotation) is None or _is_list(key)
    }


def _section(table: _Table) -> str:
    rows = [
        [
            f"`{name}`",
            type_text(key.annotation, key.metadata),
            _default(name, key, table.places),
            unit_of(key) or "–",
            _described(table.model, name, key),
        ]
        for name, key in _keys(table.model).items()
    ]
    headers = ", ".join(f"`{place.header}`" if place.header[0] == "[" else place.header for place in table.places)
    lines = [f"## {headers}", "", _summary(table.model), "", "| key | type | default | unit | description |"]
    return "\n".join([*lines, "|---|---|---|---|---|", *map(_row, rows), ""])


def _summary(model: type[BaseModel]) -> str:
    """The model's docstring without the names of its sections, which are the heading."""
    text = re.sub(r"^(`\[[^`]*`( / )?)+: ", "", inspect.cleandoc(model.__doc__ or ""))
    return text[:1].upper() + text[1:]


def _described(model: type[BaseModel], name: str, key: FieldInfo) -> str:
    if not key.description:
        raise AssertionError(f"{model.__name__}.{name} has no description: add a string below the field")
    return " ".join(key.description.split())


def _default(name: str, key: FieldInfo, places: Sequence[_Place]) -> str:
    if key.is_required():
        return "*required*"
    values = [getattr(place.values, name) if place.values is not None else key.default for place in places]
    texts = ["*not set*" if value is None else f"`{_toml(value)}`" for value in values]
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)


def _toml(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000:
        return f"{value:_}"
    if isinstance(value, float):
        return f"{value:g}" if value >= 1e15 or value <= -1e15 else repr(value)
    return json.dumps(value, ensure_ascii=False)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(arguments: Sequence[str]) -> int:
    """Prints the reference, or with `--check` says whether conf/README.md is the same; returns the exit status.

    Args:
        arguments: of the command line.
    """
    text = reference()
    if list(arguments) != ["--check"]:
        sys.stdout.write(text)
        return 0
    if FILE.is_file() and FILE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{FILE} does not match the models in bgmrec/config/. Run: {COMMAND}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
