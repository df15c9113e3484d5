"""What the night was made of, and what has changed since the one before."""

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
from bgmrec.report.page.parts import Figure, Section, Table, Tile, Titled, figure

_STATES = {
    "kept": "kept",
    "rejected": "rejected",
    "duplicate": "exact duplicate",
    "filtered": "no rating by the source's where",
    "after_window": "after the logical date",
}
_KINDS = {"rating": "ratings", "user": "users", "item": "music"}


def data_section(facts: dict[str, Any]) -> Section:
    own, run, summary = facts["data"], facts["run"], facts["summary"]
    blocks: list[Figure | Titled] = [*_rows(summary), *_drift(facts)]
    blocks += [*_days(own), *_values(own), *_curves(own), *_coverage(own), *_freshness(summary), *_rejects(own)]
    known = run["train"] + run["valid"]
    cells = run["users"] * run["items"]
    lead = (
        f"{count(known)} ratings of {count(run['users'])} users for {count(run['items'])} tracks: "
        f"{share(known / cells)} of all pairs."
    )
    return Section("data", "Data", lead, list(_tiles(facts)), blocks, list(_missing(facts)))


def _tiles(facts: dict[str, Any]) -> Iterator[Tile]:
    counts = facts["summary"].get("ingest_ratings") or {}
    if counts:
        evaluated = counts["rejected"] + counts["kept"]
        yield Tile("raw rows read", count(counts["rows_in"]))
        yield Tile("of ratings rejected", share(counts["rejected"] / evaluated if evaluated else 0.0))
    built = facts["summary"].get("build_features") or {}
    if "user_index_new" in built:
        yield Tile("new users", count(built["user_index_new"]), f"of {count(built['user_index'])}")
        yield Tile("new tracks", count(built["item_index_new"]), f"of {count(built['item_index'])}")


def _rows(summary: Mapping[str, Any]) -> Iterator[Figure]:
    found = {
        f"{_KINDS[kind]}: {name}": states
        for kind, section in (("rating", "ingest_ratings"), ("user", "ingest_users"), ("item", "ingest_items"))
        for name, states in ((summary.get(section) or {}).get("sources") or {}).items()
    }
    if not found:
        return
    totals = {name: sum(states.values()) or 1 for name, states in found.items()}
    used = [state for state in _STATES if any(states[state] for states in found.values())]

    def body(drawing: Drawing) -> None:
        ax = drawing.subplots()
        shares = {_STATES[s]: [100 * states[s] / totals[name] for name, states in found.items()] for s in used}
        draw.stacked(ax, list(found), shares, x_label="share of the raw rows, %")

    yield figure(
        "rows",
        "What became of every raw row?",
        "; ".join(
            f"{name}: {count(totals[name])} rows, {share(states['kept'] / totals[name])} kept, "
            f"{share(states['rejected'] / totals[name])} rejected"
            for name, states in found.items()
        ),
        Table(
            ["source", "rows in", *(_STATES[state] for state in used)],
            [[name, count(totals[name]), *(count(states[state]) for state in used)] for name, states in found.items()],
        ),
        body,
        height=1.2 + 0.36 * len(found),
    )


def _drift(facts: dict[str, Any]) -> Iterator[Titled]:
    before = facts["runs"]["before"]
    if before is None:
        return
    found = changes(before, {"data": facts["data"], "run": facts["run"]})
    yield Titled(
        f"What has changed since {before['ds']}?",
        Table(["", "before", "now", "change", ""], [_change(one) for one in found], words=1),
        note="Distance: the share of ratings that would have to move to make the two distributions equal. ▲ marks "
        "changes of more than a tenth.",
    )


def _change(one: Change) -> list[str]:
    text = share if one.is_share else count
    before, now = ("", "") if one.before is None else (text(one.before), text(one.now or 0.0))
    moved = share(one.moved) if one.before is None else signed(100 * one.moved) + " %"
    return [one.name, before, now, moved, "▲" if abs(one.moved) > 0.1 else ""]


def _days(own: dict[str, Any]) -> Iterator[Figure]:
    days = own["days"]
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
        places = list(range(len(days)))
        draw.columns(ax, places, [row["n"] for row in days], width=0.8, x_label="", y_label="ratings")
        step = max(1, math.ceil(len(days) / 6))
        ax.set_xticks(places[::-step], [row["day"] for row in days][::-step], rotation=30, ha="right")

    unit = "month" if len(days[0]["day"]) == 7 else "day"
    yield figure(
        "days",
        f"When were they given? Ratings by {unit}",
        f"Ratings by {unit} from {days[0]['day']} to {days[-1]['day']}; most on {most['day']}: {count(most['n'])}.",
        Table([unit, "ratings"], [[row["day"], count(row["n"])] for row in days]),
        body,
    )


def _values(own: dict[str, Any]) -> Iterator[Figure]:
    values = own["values"]
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
        "Which ratings were given?",
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


def _curves(own: dict[str, Any]) -> Iterator[Figure]:
    sides = {"users": own["per_user"], "tracks": own["per_item"]}
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
        "How uneven are users and music?",
        "Share of users and of tracks with at least so many ratings. Half of the users have at least "
        f"{count(half['users'])}, half of the tracks at least {count(half['tracks'])}.",
        Table(
            ["", "ratings, at least", "share"],
            [[name, count(x), share(y)] for name, rows in above.items() for x, y in rows],
        ),
        body,
        height=3.1,
    )


def _at_least(bins: Sequence[Mapping[str, float]]) -> list[tuple[float, float]]:
    total = sum(row["n"] for row in bins)
    left, rows = total, []
    for row in bins:
        rows.append((row["ratings"], left / total))
        left -= row["n"]
    return rows


def _coverage(own: dict[str, Any]) -> Iterator[Figure]:
    for side, fields in own["coverage"].items():
        if not fields:
            continue
        named = "users" if side == "users" else "music"
        order = sorted(fields, key=lambda name: -fields[name]["entities"])
        shown = order[:16]
        series = {
            f"of rated {'users' if side == 'users' else 'tracks'}": [100 * fields[n]["entities"] for n in shown],
            "of ratings": [100 * fields[n]["ratings"] for n in shown],
        }
        least = order[-1]
        yield figure(
            f"coverage-{named}",
            f"How much is known of the {named}?",
            f"Share of rated {named} with a value, by field; least for {least}: {share(fields[least]['entities'])}.",
            Table(
                ["field", f"of rated {named}", "of ratings"],
                [[name, share(fields[name]["entities"]), share(fields[name]["ratings"])] for name in order],
            ),
            lambda drawing, shown=shown, series=series: draw.bars(  # type: ignore[misc]
                drawing.subplots(), shown, series, x_label="share with a value, %"
            ),
            height=1.1 + 0.26 * len(shown),
            note="" if len(shown) == len(order) else f"The first 16 of {len(order)} fields; the table has all.",
        )


def _freshness(summary: Mapping[str, Any]) -> Iterator[Titled]:
    rows = []
    for kind, name in (("users", "users"), ("items", "music")):
        ages = (summary.get(f"ingest_{kind}") or {}).get("age_days")
        if ages:
            rows.append([name, *(significant(ages[key], 2) for key in ("newest", "median", "oldest"))])
    if rows:
        yield Titled(
            "How old is what is known?",
            Table(["days since the newest crawl of each", "least", "median", "most"], rows),
        )


def _rejects(own: dict[str, Any]) -> Iterator[Titled]:
    rows = [
        [_KINDS[kind], row["source"], row["reason"], "\n".join(row["examples"]), count(row["rows"])]
        for kind, found in own["rejects"].items()
        for row in found
    ]
    if rows:
        yield Titled(
            "What was refused, and why?",
            Table(["of", "source", "reason", "examples", "rows"], rows, words=4),
            wide=True,
            note="Exact duplicates of a refused row count once.",
        )


def _missing(facts: dict[str, Any]) -> Iterator[str]:
    if facts["runs"]["before"] is None:
        yield "No comparison with the night before: none was reported on by this version of bgmrec."
    if len(facts["data"]["values"]) == 1:
        yield "Every rating has the same value, so that there is no distribution to show."
    if not facts["data"]["days"]:
        yield "The ratings have no times."
