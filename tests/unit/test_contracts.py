"""The contracts agree with themselves, with the README and with the settings."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from bgmrec.config.serving import PublishSettings
from bgmrec.publish.contracts import CONTRACTS, Contract, columns_ddl, document
from bgmrec.storage import columns as c
from bgmrec.storage.schemas import TABLES

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_shows_the_contracts() -> None:
    """Rebuild: replace what stands between the marks by the output of `python -m bgmrec.publish.contracts`."""
    shown = (
        README.read_text()
        .split("<!-- python -m bgmrec.publish.contracts -->\n")[1]
        .split("<!-- end of contracts -->")[0]
    )
    assert shown.strip() == document()


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
