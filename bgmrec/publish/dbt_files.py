"""Files for dbt, derived from the contracts: the published tables as a source, and who reads them as exposures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bgmrec.publish.contracts import Contract

SOURCE = "bgmrec"
_HEAD = "# Made by jobs/dbt_files.py from the contracts of the published tables; make it again instead of editing it.\n"


def sources(contracts: Sequence[Contract], database: str, *, with_views: bool) -> str:
    """`sources.yml`: each table and its view of the newest date, with columns, types and tests.

    Args:
        contracts: of the published tables.
        database: of the catalogue; dbt calls it the schema of the source.
        with_views: whether the tables have views: only Spark's catalogue has them.
    """
    tables = []
    for contract in contracts:
        tables += [_table(contract), _current(contract)] if with_views else [_table(contract)]
    source = {"name": SOURCE, "description": "Tables that bgmrec publishes every night.", "schema": database}
    return _HEAD + _yaml({"version": 2, "sources": [{**source, "tables": tables}]})


def exposures(contracts: Sequence[Contract], readers: Mapping[str, str], owner: str, *, with_views: bool) -> str:
    """`exposures.yml`: one exposure for each reader of all tables.

    Args:
        contracts: of the published tables.
        readers: name → description of what reads their newest version.
        owner: of the exposures.
        with_views: whether the tables have views, which are then what is read.
    """
    names = [contract.current if with_views else contract.table for contract in contracts]
    depends_on = [f"source('{SOURCE}', '{name}')" for name in names]
    entries = [
        {
            "name": name,
            "type": "application",
            "owner": {"name": owner},
            "description": description,
            "depends_on": depends_on,
        }
        for name, description in readers.items()
    ]
    return _HEAD + _yaml({"version": 2, "exposures": entries})


def _table(contract: Contract) -> dict[str, Any]:
    return {
        "name": contract.table,
        "description": f"{contract.meaning}. One partition per logical date (ds); a rerun of a date replaces it.",
        "config": {"meta": {"keys": ["ds", *contract.keys]}},
        "columns": _columns(contract),
    }


def _current(contract: Contract) -> dict[str, Any]:
    return {
        "name": contract.current,
        "description": f"{contract.meaning}. View of the newest published date.",
        "config": {"meta": {"keys": list(contract.keys)}},
        "columns": _columns(contract),
    }


def _columns(contract: Contract) -> list[dict[str, Any]]:
    return [
        {
            "name": field.name,
            "description": field.metadata["comment"],
            "data_type": field.dataType.simpleString(),
            **({} if field.nullable else {"data_tests": ["not_null"]}),
        }
        for field in contract.schema
    ]


def _yaml(document: Mapping[str, Any]) -> str:
    """A document as YAML: sections by indentation, texts in quotes."""
    return "".join(f"{line}\n" for line in _lines(document))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, Mapping | list):
                yield f"{key}:"
                yield from (f"  {line}" for line in _lines(inner))
            else:
                yield f"{key}: {_scalar(inner)}"
    else:
        for inner in value:
            first, *rest = _lines(inner) if isinstance(inner, Mapping) else [_scalar(inner)]
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)


def _scalar(value: Any) -> str:
    """A number, or a text in double quotes, as JSON has them; plain words like yes and null are no texts in YAML."""
    return json.dumps(value, ensure_ascii=False)
