"""Tables of measured results in a Markdown document, written from a file of JSON lines.

A block stands between two marks. Its first word names the table, `key=value` conditions choose the rows; several
values are separated by commas:

    <!-- results: ml-1m-random fraction=0.8 side_information=real,none -->
    … rewritten …
    <!-- end of results -->
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bgmrec.errors import InputError
from bgmrec.runtime.provenance import provenance_text

# marks are lines of their own: text may mention them
_START = re.compile(r"^<!-- results: (?P<label>[^\n]*?) -->$", re.MULTILINE)
_END = "<!-- end of results -->"
_BLOCK = re.compile(rf"{_START.pattern}\n(?P<body>.*?)^{_END}$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block of a document.

    Args:
        name: of the table.
        conditions: key → the values of rows that the block shows.
    """

    name: str
    conditions: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def accepts(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has one of the values of every condition.

        Args:
            row: of a table.
        """
        return all(key in row and str(row[key]) in values for key, values in self.conditions.items())


@dataclass
class Notes:
    """Numbers measurements, so that rows of a table can point to theirs."""

    texts: list[str] = field(default_factory=list)

    def numbers(self, measurements: Iterable[Mapping[str, Any]]) -> str:
        """The numbers of measurements, by comma.

        Args:
            measurements: as `runtime.provenance` describes them.
        """
        texts = dict.fromkeys(provenance_text(measured) for measured in measurements)
        self.texts += [text for text in texts if text not in self.texts]
        return ", ".join(str(self.texts.index(text) + 1) for text in texts)

    def markdown(self) -> str:
        """A numbered list below a heading that unfolds it; empty without measurements."""
        lines = [f"{number}. {text}" for number, text in enumerate(self.texts, 1)]
        heading = ["<details><summary>Column “measured”: date, version, machine and command</summary>"]
        return "\n".join([*heading, "", *lines, "", "</details>"]) if lines else ""


def read_results(path: Path) -> list[dict[str, Any]]:
    """The results in a file of JSON lines; none where there is no file.

    Args:
        path: of the file.

    Raises:
        InputError: a line is not a JSON object.
    """
    if not path.exists():
        return []
    return [_parsed(line, f"{path}, line {number}") for number, line in _lines(path) if line.strip()]


def append_result(path: Path, result: Mapping[str, Any]) -> None:
    """Adds one result as a line.

    Args:
        path: of the file, which is made where it is missing.
        result: what JSON can hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as out:
        out.write(json.dumps(result, ensure_ascii=False) + "\n")


def rewrite_blocks(document: Path, render: Callable[[Block], str]) -> int:
    """Writes every block of a document again; returns their number.

    Args:
        document: the Markdown file.
        render: makes the text of a block.

    Raises:
        InputError: the document is missing, holds no block, or a block has no end.
    """
    if not document.is_file():
        raise InputError(
            "the document for the tables of results is missing",
            where=str(document),
            expected="a Markdown file with blocks <!-- results: NAME --> … <!-- end of results -->",
            found="no file",
            hint="check --table",
        )
    text = document.read_text(encoding="utf-8")
    blocks = list(_BLOCK.finditer(text))
    starts = len(_START.findall(text))
    if not blocks or starts != len(blocks) or any(_START.search(block["body"]) for block in blocks):
        raise InputError(
            "the document's blocks of results are not complete",
            where=str(document),
            expected="at least one <!-- results: NAME -->, and <!-- end of results --> after each",
            found=f"{starts} starts, {text.count(_END)} ends",
            hint="add the missing marks, each on a line of its own",
        )
    rewritten = _BLOCK.sub(lambda match: _rewritten(match, render), text)
    partial = document.with_name(f".{document.name}.partial")
    partial.write_text(rewritten, encoding="utf-8")
    os.replace(partial, document)
    return len(blocks)


def parse_block(label: str) -> Block:
    """The block of a mark's text.

    Args:
        label: `NAME key=value,value …`.

    Raises:
        InputError: it has no name, or a condition without `=`.
    """
    name, *conditions = label.split() or [""]
    pairs = [condition.partition("=") for condition in conditions]
    if not name or not all(key and values for key, _, values in pairs):
        raise InputError(
            "the mark of a block of results cannot be read",
            where=f"<!-- results: {label} -->",
            expected="<!-- results: NAME key=value … -->, without blanks in key and value",
            found=label or "no name",
        )
    return Block(name, {key: frozenset(values.split(",")) for key, _, values in pairs})


def no_such_table(block: Block, names: Iterable[str]) -> InputError:
    """The error of a block that no table has the name of.

    Args:
        block: of the document.
        names: of the tables.
    """
    return InputError(
        "a block of results names an unknown table",
        where=f"<!-- results: {block.name} … -->",
        expected=f"one of {', '.join(sorted(names))}",
        found=block.name,
    )


def no_rows(block: Block) -> InputError:
    """The error of a block whose conditions no result fulfils.

    Args:
        block: of the document.
    """
    conditions = " ".join(f"{key}={','.join(sorted(values))}" for key, values in block.conditions.items())
    return InputError(
        "no result belongs into a block of results",
        where=f"<!-- results: {block.name} {conditions} -->",
        expected="at least one result in the file of --json",
        found="none",
        hint="correct the conditions, or measure what the block shows",
    )


def markdown_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table without the columns that are empty in all rows.

    Args:
        heading: of the columns.
        rows: one cell per column.
    """
    rows = list(rows)
    used = [column for column in range(len(heading)) if any(row[column] for row in rows)]
    lines = [[heading[column] for column in used], ["---"] * len(used)]
    lines += [[row[column].replace("|", "\\|") for column in used] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(value: float, digits: int) -> str:
    """A number with so many decimals, without the zero before the point.

    Args:
        value: the number.
        digits: decimals.
    """
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _rewritten(match: re.Match[str], render: Callable[[Block], str]) -> str:
    label = match["label"]
    return f"<!-- results: {label} -->\n\n{render(parse_block(label)).strip()}\n\n{_END}"


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    return enumerate(path.read_text(encoding="utf-8").splitlines(), 1)


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        result = json.loads(line)
    except ValueError:
        result = None
    if not isinstance(result, dict):
        raise InputError(
            "a result cannot be read",
            where=where,
            expected="a JSON object on one line",
            found=line[:100],
            hint="the line was probably cut off by an interruption: delete it",
        )
    return result
