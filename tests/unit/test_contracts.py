"""The contracts agree with the tables, with the settings and with bgmrec/publish/README.md."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from bgmrec.config.serving import PublishSettings
from bgmrec.publish import contracts, gate_table
from bgmrec.publish.contracts import CONTRACTS, Contract, columns_ddl
from bgmrec.storage import columns as c
from bgmrec.storage.schemas import TABLES

README = Path(__file__).parents[2] / "bgmrec" / "publish" / "README.md"


@pytest.mark.parametrize(
    ("start", "end", "document"),
    [
        ("<!-- python -m bgmrec.publish.contracts -->", "<!-- end of contracts -->", contracts.document),
        ("<!-- python -m bgmrec.publish.gate_table -->", "<!-- end of gate -->", gate_table.document),
    ],
    ids=["contracts", "gate"],
)
def test_the_readme_has_the_generated_sections(start: str, end: str, document: Callable[[], str]) -> None:
    """Rebuild: BGMREC_REBUILD_GOLDEN=1 .venv/bin/python -m pytest tests/unit/test_contracts.py."""
    before, _, rest = README.read_text().partition(f"{start}\n")
    section, mark, after = rest.partition(end)
    assert mark == end
    if os.environ.get("BGMREC_REBUILD_GOLDEN"):
        section = f"{document()}\n"
        README.write_text(f"{before}{start}\n{section}{end}{after}")
    assert section == f"{document()}\n"


def test_every_table_that_can_be_published_has_a_contract() -> None:
    (choices,) = get_args(PublishSettings.model_fields["tables"].annotation)
    assert set(get_args(choices)) == set(CONTRACTS)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_contract_is_about_the_table_that_is_written(contract: Contract) -> None:
    assert contract.schema is TABLES[contract.table]
    assert {c.DS, c.RUN_ID, *contract.keys} <= set(contract.required)
    assert all(field.metadata["comment"] for field in contract.schema)
    assert (c.SOURCE in contract.schema.names) == bool(contract.model_sources)


def test_ddl_quotes_what_a_comment_holds() -> None:
    ddl = columns_ddl(CONTRACTS["recommendations"])
    assert "`source` string COMMENT 'warm: from the user\\'s ratings; " in ddl
