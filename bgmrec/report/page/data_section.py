"""The data of the run, and what has changed since the previous run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.figure import Figure as Drawing

from bgmrec.report.drift import Change, changes
from bgmrec.report.numbers import count, share, signed, significant
from bgmrec.report.page import draw
from bgmrec.report.page.draw import Line
from bgmrec.report.page.input_tables import input_tables
from bgmrec.report.page.parts import Figure, PageSection, Table, Tile, Titled, figure

_STATES = {
    "kept": "kept",
    "rejected": "rejected",
    "duplicate": "exact duplicate",
    "filtered": "left out by the source's where",
    "after_window": "after the logical date",
}
_KINDS = {"rating": "ratings", "user": "users", "item": "tracks"}


def data_section(facts: dict[str, Any]) -> PageSection:
    """The section on the data.

    Args:
        facts: facts of the report.
    """
    data, run, summary = facts["data"], facts["run"], facts["summary"]
    blocks: list[Figure | Titled] = [*_rows(summary), *input_tables(summary), *_drift(facts)]
    blocks += [*_days(data), *_values(data), *_curves(data), *_coverage(data), *_ages(summary), *_rejects(data)]
    ratings = run["train"] + run["valid"]
    cells = run["users"] * run["items"]
    lead = (
        f"{count(ratings)} ratings of {count(run['users'])} users for {count(run['items'])} tracks: "
        f"{share(ratings / cells)} of all pairs of a user and a track."
    )
    return PageSection("data", "Data", lead, list(_tiles(facts)), blocks, list(_missing(facts)))


def _tiles(facts: dict[str, Any]) -> Iterator[Tile]:
    counts = facts["summary"].get("ingest_ratings") or {}
    if counts:
        evaluated = counts["rejected"] + counts["kept"]
        yield Tile("rows of rating logs read", count(counts["rows_in"]))
        yield Tile("of the rating rows rejected", share(counts["rejected"] / evaluated if evaluated else 0.0))
    built = facts["summary"].get("build_features") or {}
    if "user_index_new" in built:
        yield Tile("new users", count(built["user_index_new"]), f"of {count(built['user_index'])}")
        yield Tile("new tracks", count(built["item_index_new"]), f"of {count(built['item_index'])}")


def _rows(summary: Mapping[str, Any]) -> Iterator[Figure]:
    sources = {
        f"{_KINDS[kind]}: {name}": states
        for kind, section in (("rating", "ingest_ratings"), ("user", "ingest_users"), ("item", "ingest_items"))
        for name, states in ((summary.get(section) or {}).get("sources") or {}).items()
    }
    if not sources:
        return
    totals = {name: sum(states.values()) or 1 for name, states in sources.items()}
    used = [state for state in _STATES if any(states[state] for states in sources.values())]

    def body(drawing: Drawing) -> None:
        ax = drawing.subplots()
        shares = {_STATES[s]: [100 * states[s] / totals[name] for name, states in sources.items()] for s in used}
        draw.stacked(ax, list(sources), shares, x_label="share of the rows, %")

    yield figure(
        "rows",
        "How many rows of each source were used?",
        "; ".join(
            f"{name}: {count(totals[name])} rows, {share(states['kept'] / totals[name])} kept, "
            f"{share(states['rejected'] / totals[name])} rejected"
            for name, states in sources.items()
        ),
        Table(
            ["source", "rows in", *(_STATES[state] for state in used)],
            [
                [name, count(totals[name]), *(count(states[state]) for state in used)]
                for name, states in sources.items()
            ],
        ),
        body,
        height=1.2 + 0.36 * len(sources),
        note="Rejected: a value is missing or wrong. Exact duplicate: equal to another row. Rejected rows are listed "
        "below with their reasons.",
    )


def _drift(facts: dict[str, Any]) -> Iterator[Titled]:
    before = facts["runs"]["before"]
    if before is None:
        return
    rows = changes(before, {"data": facts["data"], "run": facts["run"]})
    yield Titled(
        f"What has changed since the run of {before['ds']}?",
        Table(["", "before", "now", "change", ""], [_change(row) for row in rows], words=1),
        note="Distance: the share of the ratings (users, tracks) that would need another value to make the two "
        "distributions equal. ▲: a change of more than 10 %.",
    )


def _change(change: Change) -> list[str]:
    text = share if change.is_share else count
    before, now = ("", "") if change.before is None else (text(change.before), text(change.now or 0.0))
    moved = share(change.moved) if change.before is None else signed(100 * change.moved) + " %"
    return [change.name, before, now, moved, "▲" if abs(change.moved) > 0.1 else ""]


def _days(data: dict[str, Any]) -> Iterator[Figure]:
    days = data["days"]
    if len(days) < 2:
        return
    if len(days) > 92:
        months: dict[str, int] = {}
        for row in days:
            months[row["day"][:7]] = months.get(row["day"][:7], 0) + row["n"]
        days = [{"day": month, "n": n} for month, n in months.items()]
    most = max(days, key=lambda row: row["n"])

    def body(drawing: Drawing) -> None:
        ax = drawing.subplots()
        positions = list(range(len(days)))
        draw.columns(ax, positions, [row["n"] for row in days], width=0.8, x_label="", y_label="ratings")
        step = max(1, math.ceil(len(days) / 6))
        ax.set_xticks(positions[::-step], [row["day"] for row in days][::-step], rotation=30, ha="right")

    unit = "month" if len(days[0]["day"]) == 7 else "day"
    yield figure(
        "days",
        f"Ratings by {unit}",
        f"Ratings by {unit} from {days[0]['day']} to {days[-1]['day']}; most on {most['day']}: {count(most['n'])}.",
        Table([unit, "ratings"], [[row["day"], count(row["n"])] for row in days]),
        body,
    )


def _values(data: dict[str, Any]) -> Iterator[Figure]:
    values = data["values"]
    if len(values) < 2:
        return
    single = values[0]["low"] == values[0]["high"]
    total = sum(row["n"] for row in values)
    middle = [(row["low"] + row["high"]) / 2 for row in values]
    width = 0.8 * min((b - a for a, b in pairwise(middle)), default=1.0)
    names = [
        significant(r["low"]) if single else f"{significant(r['low'])} to {significant(r['high'])}" for r in values
    ]
    most = max(range(len(values)), key=lambda at: values[at]["n"])
    yield figure(
        "values",
        "Ratings by value",
        f"Distribution of {count(total)} ratings; the most frequent is {names[most]} with "
        f"{share(values[most]['n'] / total)}.",
        Table(
            ["rating", "ratings", "share"],
            [[name, count(row["n"]), share(row["n"] / total)] for name, row in zip(names, values, strict=True)],
        ),
        lambda drawing: draw.columns(
            drawing.subplots(), middle, [r["n"] for r in values], width=width, x_label="rating", y_label="ratings"
        ),
    )


def _curves(data: dict[str, Any]) -> Iterator[Figure]:
    sides = {"users": data["per_user"], "tracks": data["per_item"]}
    if not all(sides.values()):
        return
    above = {name: _at_least(bins) for name, bins in sides.items()}

    def body(drawing: Drawing) -> None:
        series = [Line(name, [x for x, _ in rows], [100 * y for _, y in rows]) for name, rows in above.items()]
        draw.lines(
            drawing.subplots(),
            series,
            x_label="ratings",
            y_label="share with at least as many, %",
            log_x=True,
            log_y=True,
        )

    half = {name: max((x for x, y in rows if y >= 0.5), default=rows[0][0]) for name, rows in above.items()}
    yield figure(
        "activity",
        "How unevenly are the ratings spread over users and tracks?",
        "Share of users and of tracks by their least number of ratings. Half of the users have at least "
        f"{count(half['users'])}, half of the tracks at least {count(half['tracks'])}.",
        Table(
            ["", "at least so many ratings", "share"],
            [[name, count(x), share(y)] for name, rows in above.items() for x, y in rows],
        ),
        body,
        height=3.1,
        note="A point at (100, 20 %) means: 20 % have 100 ratings or more.",
    )


def _at_least(bins: Sequence[Mapping[str, float]]) -> list[tuple[float, float]]:
    total = sum(row["n"] for row in bins)
    remaining, rows = total, []
    for row in bins:
        rows.append((row["ratings"], remaining / total))
        remaining -= row["n"]
    return rows


def _coverage(data: dict[str, Any]) -> Iterator[Figure]:
    for side, fields in data["coverage"].items():
        if not fields:
            continue
        name = "users" if side == "users" else "tracks"
        order = sorted(fields, key=lambda field: -fields[field]["entities"])
        shown = order[:16]
        series = {
            f"of rated {name}": [100 * fields[n]["entities"] for n in shown],
            "of ratings": [100 * fields[n]["ratings"] for n in shown],
        }
        least = order[-1]
        yield figure(
            f"coverage-{name}",
            f"How complete is the side information of {name}?",
            f"Share of rated {name} with a value, by field; lowest for {least}: {share(fields[least]['entities'])}.",
            Table(
                ["field", f"of rated {name}", "of ratings"],
                [[field, share(fields[field]["entities"]), share(fields[field]["ratings"])] for field in order],
            ),
            lambda drawing, shown=shown, series=series: draw.bars(  # type: ignore[misc]
                drawing.subplots(), shown, series, x_label="share with a value, %"
            ),
            height=1.1 + 0.26 * len(shown),
            note=f"Of rated {name}: share with a value. Of ratings: share of the ratings whose {name[:-1]} has a value."
            + ("" if len(shown) == len(order) else f" The chart shows 16 of {len(order)} fields; the table has all."),
        )


def _ages(summary: Mapping[str, Any]) -> Iterator[Titled]:
    rows = []
    for kind, name in (("users", "users"), ("items", "tracks")):
        ages = (summary.get(f"ingest_{kind}") or {}).get("age_days")
        if ages:
            rows.append([name, *(significant(ages[key], 2) for key in ("newest", "median", "oldest"))])
    if rows:
        yield Titled(
            "How old is the side information?",
            Table(["days since it was crawled", "newest", "median", "oldest"], rows),
        )


def _rejects(data: dict[str, Any]) -> Iterator[Titled]:
    rows = [
        [_KINDS[kind], row["source"], row["reason"], "\n".join(row["examples"]), count(row["rows"])]
        for kind, rejected in data["rejects"].items()
        for row in rejected
    ]
    if rows:
        yield Titled(
            "Which rows were rejected, and why?",
            Table(["kind", "source", "reason", "examples", "rows"], rows, words=4),
            wide=True,
            note="Exact duplicates of a rejected row count once.",
        )


def _missing(facts: dict[str, Any]) -> Iterator[str]:
    ingested = facts["summary"].get("ingest_ratings") or {}
    if not ingested.get("changes"):
        yield "No comparison of the input with the runs before: none of them has a profile of the same sources."
    if facts["runs"]["before"] is None:
        yield "No comparison with the previous run: it has no report of this version of bgmrec."
    if len(facts["data"]["values"]) == 1:
        yield "All ratings have the same value, so there is no chart of values."
    if not facts["data"]["days"]:
        yield "The ratings have no times, so there is no chart of days."
