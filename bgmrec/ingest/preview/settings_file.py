"""Guesses → the text of a settings file, with a comment on every line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bgmrec.ingest.preview.columns import RawColumn
from bgmrec.ingest.preview.fields import ARTISTS, GROUPS, TITLES, FieldGuess, field_called
from bgmrec.ingest.preview.lines import chosen, noted, setting, sql, toml
from bgmrec.ingest.preview.log import EntityFiles, Group, RatingLog
from bgmrec.ingest.preview.paths import common_folder, source_paths

HELD_OUT_SHARE = 0.05  # of the ratings that validate, at least
MAX_VALID_DAYS = 30  # for this share; a log that needs more has few recent ratings
# a model that ranks well on small logs; jobs/tune.py searches better ones
_IMPLICIT = {"bias": False, "unobserved_weight": 0.05, "user_reg": 1.0, "item_reg": 1.0, "reg_exponent": 0.5}
_INPUTS = {
    "one_hot": "one input per value",
    "multi_hot": "one input per value, several at once",
    "number": "the number, standardised",
    "log_number": "its logarithm, standardised",
    "vector": "the numbers, standardised",
}


@dataclass(frozen=True)
class Preview:
    """All that was found.

    Args:
        logs: the rating logs.
        items: the catalogues of items.
        users: the catalogues of users.
        root: where results go.
        out: the settings file; None: standard output.
    """

    logs: list[RatingLog]
    items: list[EntityFiles]
    users: list[EntityFiles]
    root: str
    out: Path | None = None

    @property
    def groups(self) -> list[Group]:
        parts: tuple[RatingLog | EntityFiles, ...] = (*self.logs, *self.items, *self.users)
        return [part.group for part in parts]

    @property
    def explicit(self) -> bool:
        return self.logs[0].rating is not None

    @property
    def folder(self) -> Path:
        return common_folder([sample.path for group in self.groups for sample in group.samples])

    @property
    def days(self) -> Counter[date]:
        return sum((log.days for log in self.logs), Counter())

    @property
    def last_day(self) -> date | None:
        """The newest day in the rows that were read."""
        return max(self.days, default=None)


def settings_text(preview: Preview) -> str:
    """The whole file.

    Args:
        preview: what was detected.
    """
    names = " and ".join(dict.fromkeys(group.samples[0].path.name for group in preview.groups))
    ds = preview.last_day or "YYYY-MM-DD"
    lines = [
        f"# Written by jobs/new_config.py after a look at {names}. Check the lines marked guess: they may be wrong.",
        f"# The run: python jobs/nightly.py --config conf/base.toml --config {preview.out or 'THIS_FILE'} --ds {ds}",
        "",
        *_model(preview),
        "",
        *_ratings(preview),
        *_entities("items", preview.items, preview.folder),
        *_entities("users", preview.users, preview.folder),
    ]
    return "\n".join(lines) + "\n"


def _model(preview: Preview) -> Iterator[str]:
    rows = sum(sample.n_rows for log in preview.logs for sample in log.group.samples)
    rank = 16 if rows < 50_000 else 32 if rows < 5_000_000 else 64
    yield setting("paths", {"root": preview.root, "data": str(preview.folder)}, "results; the folder of the files")
    if preview.explicit:
        column = _rating_column(preview)
        low, high = min(column.numbers), max(column.numbers)
        yield setting("factorize", {"mode": "explicit", "rank": rank}, "ratings are predicted", guess=True)
        good = low + 0.75 * (high - low)
        yield setting(
            "evaluate", {"clip": [low, high], "relevant_rating": good}, "the scale; what a good rating is", guess=True
        )
    else:
        model = {"mode": "implicit", "rank": rank, **_IMPLICIT}
        yield setting("factorize", model, "plays are ranked", guess=True)
        yield setting("evaluate", {"relevant_rating": 1.0, "baselines": ["popularity"]}, "every held-out play is a hit")
        yield setting("train", {"metric": "ndcg"}, "the best round has the best lists")
    yield from _split(preview)
    if not any(catalogue.fields for catalogue in preview.items):
        yield setting("item_encoder", {"kind": "none"}, "nothing is known of the items but their ratings")
    yield from _report(preview)


def _rating_column(preview: Preview) -> RawColumn:
    rating = preview.logs[0].rating
    assert rating is not None
    return rating.column


def _split(preview: Preview) -> Iterator[str]:
    """Validation by time where days are known, on as many of the last ones as hold enough ratings."""
    days = preview.days
    if len(days) < 3:
        yield setting("split", {"method": "random"}, "no times of several days: a tenth of the ratings validates")
        return
    last, number, total = max(days), 1, days.total()
    while sum(days[last - timedelta(days=n)] for n in range(number)) < HELD_OUT_SHARE * total:
        number += 1
    share = sum(days[last - timedelta(days=n)] for n in range(number)) / total
    if number > MAX_VALID_DAYS:
        yield setting("split", {"method": "random"}, "few ratings of the last days: a tenth validates", guess=True)
    elif number > 1:
        yield setting(
            "split", {"valid_days": number}, f"the last days validate: {share:.0%} of the ratings", guess=True
        )


def _report(preview: Preview) -> Iterator[str]:
    fields = [field for catalogue in preview.items for field in catalogue.fields]
    title = field_called(fields, TITLES, ("text", "string")) or next((f for f in fields if f.type == "text"), None)
    artist = field_called(fields, ARTISTS, ("string", "list"))
    group = field_called(fields, GROUPS, ("string", "list"))
    report: dict[str, Any] = {"enabled": True}
    if title:
        report["title_field"] = title.name
    if artist and artist is not title:
        report["label_fields"] = [artist.name]
    if group and group is not title:
        report["group_field"] = group.name
    yield setting("report", report, "item fields that readers know music by", guess=len(report) > 1)


def _ratings(preview: Preview) -> Iterator[str]:
    yield "[ratings]"
    if preview.explicit:
        numbers = _rating_column(preview).numbers
        yield setting("policy", "last", "of a repeated user and item the newest rating counts")
        yield setting("minimum", min(numbers), "lower ratings are rejected", guess=True)
        yield setting("maximum", max(numbers), "higher ratings are rejected", guess=True)
    else:
        yield setting("policy", "sum", "weights of a repeated user and item are added")
    for number, log in enumerate(preview.logs):
        yield from ("", "[[ratings.sources]]")
        yield from _source(log.group, preview.folder, "log", number)
        yield chosen("user_id", log.user, sql(log.user.column), f"{log.user.column.n_distinct:,} different values")
        yield chosen("item_id", log.item, sql(log.item.column), f"{log.item.column.n_distinct:,} different values")
        yield from _values(log)


def _values(log: RatingLog) -> Iterator[str]:
    if log.rating:
        yield chosen("rating", log.rating, sql(log.rating.column), "the rating")
    if log.weight:
        numbers = log.weight.column.numbers
        yield chosen("weight", log.weight, sql(log.weight.column), f"how often: {min(numbers):g} to {max(numbers):g}")
    if log.like:
        column = sql(log.like.column)
        yes = f"cast({column} as string) in ('1', 'true', 'True')"
        yield chosen("where", log.like, yes, "other rows say nothing")
    if log.time and log.time.column.time:
        format_, days = log.time.column.time, log.days
        comment = ", ".join(filter(None, (format_.name, f"{min(days)} to {max(days)}" if days else "", format_.note)))
        yield chosen("rated_at", log.time, format_.expression.format(column=sql(log.time.column)), comment)


def _source(group: Group, folder: Path, fallback: str, number: int) -> Iterator[str]:
    first = group.samples[0]
    where = source_paths([sample.path for sample in group.samples], folder)
    stem = re.sub(r"\W+", "_", first.path.name.split(".")[0], flags=re.ASCII).strip("_")
    name = stem if re.match("[A-Za-z]", stem) and not number else f"{fallback}_{number + 1}"
    yield setting("name", name, "in logs and summaries")
    yield setting("format", first.format, "columns: " + ", ".join(column.name for column in group.columns))
    yield setting("paths", where.paths, "{data} is paths.data" + (", {ds} a day" if where.lookback_days else ""))
    if where.lookback_days:
        yield setting("lookback_days", where.lookback_days, "days up to --ds that are read", guess=True)
        yield setting("allow_missing_days", True, "a day without a file is no error", guess=True)
    if first.options:
        yield setting("options", first.options, "; ".join(first.guesses) or "as given", guess=bool(first.guesses))
    if not first.header:
        yield setting("columns", list(first.columns), "no header was found; names that you may change here", guess=True)


def _entities(section: str, catalogues: Sequence[EntityFiles], folder: Path) -> Iterator[str]:
    if not catalogues:
        return
    fields = list({field.name.lower(): field for catalogue in catalogues for field in catalogue.fields}.values())
    if fields:
        yield from ("", f"[{section}]", *_listed("fields", [_field(field) for field in fields]))
    for number, catalogue in enumerate(catalogues):
        yield from ("", f"[[{section}.sources]]")
        yield from _source(catalogue.group, folder, section, number)
        yield chosen("id", catalogue.id, sql(catalogue.id.column))
        for column, reason in catalogue.left_out.items():
            yield re.sub(r"\s+", " ", f"# left out: {column} ({reason})")
    yield from _features(section.removesuffix("s"), fields)


def _listed(key: str, entries: Sequence[tuple[dict[str, Any], str]]) -> Iterator[str]:
    """A list of tables, one a line with its comment."""
    start = f"{key} = ["
    for number, (entry, comment) in enumerate(entries):
        before = start if number == 0 else " " * len(start)
        yield noted(f"{before}{toml(entry)}{']' if number == len(entries) - 1 else ','}", comment, guess=True)


def _field(field: FieldGuess) -> tuple[dict[str, Any], str]:
    entry: dict[str, Any] = {"name": field.name, "type": field.type}
    expression = field.column.time.expression if field.type == "timestamp" and field.column.time else "{column}"
    text = expression.format(column=sql(field.column))
    if text not in (field.name, f"to_timestamp({field.name})"):
        entry["expression"] = text
    if field.separator:
        entry["separator"] = field.separator
    return entry, field.note


def _features(side: str, fields: Sequence[FieldGuess]) -> Iterator[str]:
    texts = [field.name for field in fields if field.type == "text"]
    inputs = [field for field in fields if field.feature]
    if texts or inputs:
        yield from ("", f"[{side}_features]")
    if texts:
        yield setting("document", {"fields": texts}, "texts that the encoder reads", guess=True)
    yield from _listed("features", [_input(field) for field in inputs])


def _input(field: FieldGuess) -> tuple[dict[str, Any], str]:
    size = {"size": field.size} if field.size else {}
    return {"field": field.name, "kind": field.feature, **size}, _INPUTS[str(field.feature)]
