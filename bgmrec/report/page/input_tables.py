"""What each source delivered in the run, and how it differs from the runs before: from the summary of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bgmrec.report.numbers import count, share, significant
from bgmrec.report.page.parts import Table, Titled

_SECTIONS = {"ingest_ratings": "ratings", "ingest_users": "users", "ingest_items": "tracks"}
_VALUES = 5  # most frequent values that are shown

Sources = list[tuple[str, Mapping[str, Any]]]  # (kind and source, profile)


def input_tables(summary: Mapping[str, Any]) -> Iterator[Titled]:
    """The tables of the profile; none where the run has no profile.

    Args:
        summary: of the run.
    """
    sources = [
        (f"{kind}: {name}", profile)
        for section, kind in _SECTIONS.items()
        for name, profile in ((summary.get(section) or {}).get("profile") or {}).items()
    ]
    if sources:
        yield from _changes(summary)
        yield _deliveries(sources)
        yield _fields(sources)


def _changes(summary: Mapping[str, Any]) -> Iterator[Titled]:
    rows = []
    for section, kind in _SECTIONS.items():
        for change in (summary.get(section) or {}).get("changes") or []:
            rows.append((not change["beyond"], -_of_bound(change), f"{kind}: {change['source']}", change))
    if rows:
        shown = sorted(rows, key=lambda row: row[:3])[: max(10, sum(not row[0] for row in rows))]
        yield Titled(
            "Does the input differ from the runs before?",
            Table(
                ["source", "what", "before", "now", "change", "bound", ""],
                [[source, change["what"], *_numbers(change)] for _, _, source, change in shown],
                words=2,
            ),
            wide=True,
            note="Before: the median of the runs before. The stability index compares the values of a field: below "
            "0.1 they are distributed alike, above 0.25 otherwise. ▲: beyond the bound of the settings [profile] and "
            f"more than chance explains. {len(shown)} of {len(rows)} compared numbers are shown, the nearest to their "
            "bounds first.",
        )


def _of_bound(change: Mapping[str, Any]) -> float:
    return float(change["measured"]) / change["bound"] if change["bound"] else 0.0


def _numbers(change: Mapping[str, Any]) -> list[str]:
    is_share, is_index = change["what"].startswith("share"), change["before"] is None
    text = share if is_share else count
    before, now = ("", "") if is_index else (text(change["before"]), text(change["now"]))
    if is_share:
        moved, bound = (f"{100 * value:.1f} points" for value in (change["measured"], change["bound"] or 0.0))
    else:
        unit = "" if is_index else " ×"
        moved, bound = (significant(value) + unit for value in (change["measured"], change["bound"] or 0.0))
    return [before, now, moved, "off" if change["bound"] is None else bound, "▲" if change["beyond"] else ""]


def _deliveries(sources: Sources) -> Titled:
    rows = []
    for name, profile in sources:
        encodings = ", ".join(f"{encoding} ({count(n)})" for encoding, n in profile["encodings"].items())
        states = profile["rows"]
        for id_name, ids in profile["ids"].items():
            new, largest = ids["new_share"], ids["largest_share"]
            rows.append(
                [
                    *(name, f"{profile['format']} {encodings}".strip(), id_name),
                    *(count(profile["files"]), count(profile["bytes"]), count(states["kept"])),
                    *(count(states["rejected"]), count(ids["distinct"]), "" if new is None else share(new)),
                    *("" if largest is None else share(largest), count(ids["non_ascii"])),
                ]
            )
    heads = ["source", "format, files by encoding", "id", "files", "bytes", "kept", "rejected"]
    heads += ["distinct ids", "new ids", "rows of the most frequent id", "rows with an id outside ASCII"]
    return Titled(
        "What did each source deliver?",
        Table(heads, rows, words=3),
        wide=True,
        note="Files of the logical date, and those whose path names no date; with exact duplicates. ids of more "
        "than 100,000 rows are estimated within about 5 %. New ids: share of the ids that the previous published run "
        "does not know.",
    )


def _fields(sources: Sources) -> Titled:
    rows = []
    for name, profile in sources:
        kept = profile["rows"]["kept"]
        for field, facts in profile["fields"].items():
            values = ", ".join(f"{label} ({count(n)})" for label, n in facts["top"][:_VALUES])
            numbers = (facts["low"], facts["median"], facts["high"])
            rows.append([name, field, values, share(facts["nulls"] / kept if kept else 0.0), *map(_value, numbers)])
    return Titled(
        "What is in the fields?",
        Table(["source", "field", "most frequent values", "nulls", "lowest", "median", "highest"], rows, words=3),
        wide=True,
        note="Values in parentheses: their number in a sample of about 100,000 rows. Of texts the median is that of "
        "their length, of vectors that of their size; of times the values are hours of the day (UTC).",
    )


def _value(value: float | str | None) -> str:
    if value is None:
        return ""
    return value.replace("T", " ") if isinstance(value, str) else significant(value)
