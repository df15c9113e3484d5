"""conf/README.md lists every setting, with what the models say of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bgmrec.config import Settings, reference
from bgmrec.config.base import Section

CONF = Path(__file__).parents[2] / "conf"


def sections(section: type[Section] = Section) -> set[type[Section]]:
    return {one for below in section.__subclasses__() for one in {below, *sections(below)}}


def test_the_committed_file_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--check"]) == 0
    assert reference.main([]) == 0
    assert capsys.readouterr().out == (CONF / "README.md").read_text(encoding="utf-8")


def test_a_changed_file_is_refused_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "README.md"
    monkeypatch.setattr(reference, "FILE", old)
    assert reference.main(["--check"]) == 1
    old.write_text(reference.reference().replace("factors", "factor"))
    assert reference.main(["--check"]) == 1
    assert "python -m bgmrec.config.reference > conf/README.md" in capsys.readouterr().err


def test_every_key_has_a_row_and_a_description() -> None:
    text = reference.reference()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \| (.+) \|$", text, re.MULTILINE)
    names = {name for name, *_ in rows}
    assert all(len(description) > 10 for *_, description in rows)
    for section in sections():
        for name, key in section.model_fields.items():
            is_section = isinstance(key.annotation, type) and issubclass(key.annotation, Section)
            assert is_section or name in names, f"{section.__name__}.{name}"


@pytest.mark.parametrize(
    "row",
    [
        "| `rank` | whole number from 1 to 512 | `32` | – |",
        "| `first_epochs` | whole number of at least 0 | `4` / `10` | epochs |",
        '| `max_shrink_share` | number from 0 to 1, or "off" | `0.3` | share |',
        '| `format` | "csv", "jsonl" or "parquet" | *required* | – |',
        '| `use_gpu` | true or false, or "auto" | `"auto"` | – |',
        "| `contact` | string | *not set* | – |",
        "| `clip` | list of 2 numbers | *not set* | rating |",
        "| `paths` | list of strings, at least 1 entry | *required* | – |",
        "| `broadcast_bytes` | whole number of at least 0 | `268_435_456` | bytes |",
    ],
)
def test_a_row_says_type_default_and_unit(row: str) -> None:
    assert row in reference.reference()


def test_sections_of_one_kind_share_a_table() -> None:
    text = reference.reference()
    assert "## `[user_encoder.fit]`, `[item_encoder.fit]`" in text
    assert "## `[[users.sources]]`, `[[items.sources]]`" in text
    assert "## `[recommend.allow]`, `[recommend.deny]`" in text


def test_descriptions_are_part_of_the_models() -> None:
    assert Settings.model_fields["seed"].description
