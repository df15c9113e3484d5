"""Blocks of results in a Markdown document: which are found, what is refused, and what is left as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgmrec.errors import InputError
from bgmrec.report.result_blocks import (
    Block,
    Notes,
    append_result,
    figure,
    markdown_table,
    parse_block,
    read_results,
    rewrite_blocks,
)

DOCUMENT = """# Title

<!-- results: days -->
stale
<!-- end of results -->

Text | with | bars. Text that mentions `<!-- results: NAME -->` and `<!-- end of results -->`.

<!-- results: cold part=test,valid model=deep -->
<!-- end of results -->
Last line.
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "README.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_block_is_rewritten_and_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path, DOCUMENT)
    assert rewrite_blocks(path, lambda block: f"table of {block.name} \\1") == 2
    text = path.read_text(encoding="utf-8")
    assert "<!-- results: days -->\n\ntable of days \\1\n\n<!-- end of results -->\n\nText | with | bars. Text" in text
    assert "stale" not in text and text.startswith("# Title\n") and text.endswith("Last line.\n")
    assert rewrite_blocks(path, lambda block: f"table of {block.name} \\1") == 2
    assert path.read_text(encoding="utf-8") == text, "a second time changes nothing"
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]


def test_a_block_that_cannot_be_made_leaves_the_document(tmp_path: Path) -> None:
    path = write(tmp_path, DOCUMENT)

    def fails(block: Block) -> str:
        if block.name == "cold":
            raise InputError("no")
        return "new"

    with pytest.raises(InputError):
        rewrite_blocks(path, fails)
    assert path.read_text(encoding="utf-8") == DOCUMENT


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# No block\n", "0 starts, 0 ends"),
        ("<!-- results: days -->\nno end\n", "1 starts, 0 ends"),
        ("<!-- results: a -->\n<!-- results: b -->\n<!-- end of results -->\n", "2 starts, 1 ends"),
    ],
)
def test_incomplete_blocks_are_refused(tmp_path: Path, text: str, found: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match="not complete") as refused:
        rewrite_blocks(path, lambda _: "")
    assert refused.value.found == found and refused.value.where == str(path)
    assert path.read_text(encoding="utf-8") == text


def test_a_missing_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        rewrite_blocks(tmp_path / "none.md", lambda _: "")


def test_conditions_choose_rows_by_their_text() -> None:
    block = parse_block("cold part=test,valid fraction=0.8")
    assert block.name == "cold"
    assert block.accepts({"part": "valid", "fraction": 0.8, "other": 1})
    assert not block.accepts({"part": "train", "fraction": 0.8})
    assert not block.accepts({"part": "test"}), "a row without the key"
    for label in ("", "cold part", "cold =test", "cold part="):
        with pytest.raises(InputError, match="cannot be read"):
            parse_block(label)


def test_results_are_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.jsonl"
    assert read_results(path) == []
    append_result(path, {"model": "größer"})
    append_result(path, {"model": "b"})
    assert read_results(path) == [{"model": "größer"}, {"model": "b"}]
    path.write_text(path.read_text() + '{"model": "c')
    with pytest.raises(InputError) as refused:
        read_results(path)
    assert refused.value.where == f"{path}, line 3" and refused.value.found == '{"model": "c'


def test_columns_without_cells_are_left_out() -> None:
    table = markdown_table(["a", "b", "c"], [["1", "", "x|y"], ["2", "", ""]])
    assert table == "| a | c |\n| --- | --- |\n| 1 | x\\|y |\n| 2 |  |"


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(0.81889, 4, ".8189"), (1.0176, 4, "1.0176"), (-0.05, 2, "-.05"), (0.0, 3, ".000")]
)
def test_figures_have_no_zero_before_the_point(value: float, digits: int, text: str) -> None:
    assert figure(value, digits) == text


def test_measurements_are_numbered_once() -> None:
    notes = Notes()
    first, second = ({"date": date, "command": "c"} for date in ("2025-03-14", "2025-03-15"))
    assert [notes.numbers([first]), notes.numbers([second, first]), notes.numbers([])] == ["1", "2, 1", ""]
    assert notes.markdown().count("\n1. ") == notes.markdown().count("\n2. ") == 1
    assert Notes().markdown() == ""
