"""Documents and layout: lengths, links, words, and settings that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from bgmrec.config import Settings

PROJECT = Path(__file__).parents[2]
_GENERATED = {"build", "dist", "shared", "node_modules"}
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_KEY = re.compile(r"^\[{0,2}([a-z_]+(?:\.[a-z_0-9]+)*)\]{0,2}(?: = .*)?$")
# in two parts, so that this file does not hold them
FORBIDDEN = ["hea" + "rd", "jud" + "ged", "an" + "ew", "from no" + "thing", "go" + " on"]


def project_files(*patterns: str) -> list[Path]:
    """Files of the project; hidden folders, environments and what commands write are left out."""
    paths = [path for pattern in patterns for path in PROJECT.rglob(pattern)]
    inside = [path.relative_to(PROJECT) for path in paths]
    return sorted(p for p in inside if not any(part[0] == "." or part in _GENERATED for part in p.parts))


DOCUMENTS = project_files("*.md")


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 250


def test_the_layout_is_small_at_the_top() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in (PROJECT / "jobs").glob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 60} == {}
    assert len(list((PROJECT / "bgmrec").glob("*.py"))) <= 3


def test_the_example_is_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (PROJECT / "conf" / "examples").iterdir()}
    pictures = {name: size for name, size in sizes.items() if name.endswith(".png")}
    assert sum(sizes.values()) - sum(pictures.values()) < 200_000
    assert all(size < 200_000 for size in pictures.values())


def test_every_job_is_in_the_list_of_jobs() -> None:
    jobs = {path.stem for path in (PROJECT / "jobs").glob("*.py")}
    rows = re.findall(r"^\| (`.*?) \|", section(PROJECT / "README.md", "Jobs"), re.MULTILINE)
    assert set(_CODE.findall("\n".join(rows))) == jobs


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_relative_links_resolve(document: Path) -> None:
    text = _FENCE.sub("", (PROJECT / document).read_text(encoding="utf-8"))
    broken = [link for link in _LINK.findall(text) if "://" not in link and not resolves(document, link)]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("conf/README.md", True),
        ("jobs/README.md#what-a-run-writes", True),
        ("#jobs", True),
        ("#no-such-heading", False),
        ("conf/README.md#no-such-heading", False),
        ("no-such-file.md", False),
    ],
)
def test_the_check_of_links_finds_broken_ones(link: str, expected: bool) -> None:
    assert resolves(Path("README.md"), link) is expected


def test_words_of_the_house_stay_out() -> None:
    words = re.compile(r"\b(" + "|".join(FORBIDDEN) + r")\b", re.IGNORECASE)
    lines = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path in project_files("*.py", "*.toml", "*.md", "*.html", "Makefile")
        for number, line in enumerate((PROJECT / path).read_text(encoding="utf-8").splitlines(), 1)
        if words.search(line)
    ]
    assert not lines, "\n".join(lines)


# the changelog also names keys that were removed
@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path.name == "README.md"], ids=str)
def test_settings_named_in_documents_exist(document: Path) -> None:
    unknown = [key for key in settings_keys((PROJECT / document).read_text(encoding="utf-8")) if not exists(key)]
    assert not unknown, "\n".join(unknown)


def test_the_check_of_settings_finds_unknown_keys() -> None:
    text = (
        "`factorize.rank`, `[publish.gate]`, `[[ratings.sources]]`, `spark.driver.memory`, `train.py`, `train.no_key`"
    )
    assert [key for key in settings_keys(text) if not exists(key)] == ["train.no_key"]
    assert settings_keys("`train.metric = x`, `[no_section]`") == ["train.metric"]


def section(document: Path, heading: str) -> str:
    text = document.read_text(encoding="utf-8")
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def resolves(document: Path, link: str) -> bool:
    """Whether a relative link leads to a file and, after #, to a heading of it."""
    target, _, anchor = link.partition("#")
    path = (PROJECT / document).parent / target if target else PROJECT / document
    if not path.exists():
        return False
    return not anchor or anchor in anchors(path)


@cache
def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of headings."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for heading in _HEADING.findall(text):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        number = next(n for n in range(len(names) + 1) if (f"{plain}-{n}" if n else plain) not in names)
        names.add(f"{plain}-{number}" if number else plain)
    return names


def settings_keys(text: str) -> list[str]:
    """What stands in backticks and begins with a section of the settings: `section.key`, `[section]`."""
    keys = [match.group(1) for code in _CODE.findall(text) if (match := _KEY.match(code))]
    return [
        key
        for key in keys
        if "." in key
        and key.split(".")[0] in Settings.model_fields
        and key.rsplit(".", 1)[1] not in ("py", "toml", "md", "html", "json", "jsonl", "csv", "db")
        and not (key.startswith("spark.") and key.split(".")[1] not in ("conf", "master"))  # a setting of Spark's own
    ]


def exists(key: str) -> bool:
    """Whether a path of names leads through the settings models; what lies inside free tables is free."""
    kind: Any = Settings
    for name in key.split("."):
        model = next(models_in(kind), None)
        if model is None:
            return "dict" in str(kind)
        if name not in model.model_fields:
            return False
        kind = model.model_fields[name].annotation
    return True


def models_in(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for inner in get_args(kind):
        yield from models_in(inner)
