"""What users get: how lists spread over the catalogue, and the map of the items they are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from bgmrec.evaluate.slices import level_order
from bgmrec.evaluate.table import MODEL
from bgmrec.report.facts.lists import NEVER
from bgmrec.report.numbers import count, share, significant
from bgmrec.report.page import draw
from bgmrec.report.page.parts import Figure, Section, Table, Tile, Titled, figure
from bgmrec.report.page.style import SERIES, short
from bgmrec.storage import columns as c

SOURCES = {
    c.WARM: "from their ratings",
    c.COLD: "from side information",
    c.POPULAR: "popular music, as nothing is known",
}
OTHER = "others"
_UNPUBLISHED = {"recommendations": "These lists", "similar_items": "The tracks near a track"}


def lists_section(facts: dict[str, Any]) -> Section:
    own, run = facts["lists"], facts["run"]
    total = sum(own["sources"].values())
    said = ", ".join(
        f"{share(own['sources'][source] / total)} {text}"
        for source, text in SOURCES.items()
        if own["sources"].get(source)
    )
    lead = f"{count(total)} of {count(run['users'])} users have a list: {said}." if total else "Nobody has a list."
    blocks: list[Figure | Titled] = []
    missing = []
    if own.get("popularity"):
        blocks += [_popularity(own), _of_lists(facts)]
    else:
        missing.append("Nothing on coverage and popularity: no ratings were held out, so that no lists were compared.")
    blocks += _map(facts["map"])
    missing += [
        f"{what} were made, but no reader gets them: publish.tables leaves {table} out."
        for table, what in _UNPUBLISHED.items()
        if table not in run["published"]
    ]
    return Section("lists", "What users get", lead, list(_tiles(facts)), blocks, missing)


def _tiles(facts: dict[str, Any]) -> Iterator[Tile]:
    own, rows, k = facts["lists"], facts["quality"]["rows"], facts["lists"].get("k")
    for metric, name in (("coverage", "of the catalogue is shown"), ("gini", "Gini of exposure")):
        found = {row["model"]: row["result"] for row in rows if row["metric"] == metric and row["k"] == k}
        if MODEL in found:
            text = share if metric == "coverage" else significant
            others = ", ".join(f"{m} {text(v)}" for m, v in found.items() if m != MODEL)
            yield Tile(name, text(found[MODEL]), others)
    if MODEL in own.get("of_lists", {}):
        yield Tile(
            "diversity within a list", significant(own["of_lists"][MODEL]["diversity"], 2), "0 alike, 1 unrelated"
        )
        yield Tile("novelty, bits", significant(own["of_lists"][MODEL]["novelty"]), "the more, the less known")


def _popularity(own: dict[str, Any]) -> Figure:
    table = {(row["of"], row["slice"]): row["share"] for row in own["popularity"]}
    names = sorted({row["slice"] for row in own["popularity"]}, key=level_order)
    parts = list(dict.fromkeys(row["of"] for row in own["popularity"]))
    values = {part: [table.get((part, name), 0.0) for name in names] for part in parts}
    labels = [_slice_label(name) for name in names]
    shown = {part: [100 * value for value in values[part]] for part in ("ratings", MODEL) if part in values}
    titles = {"ratings": "training ratings", MODEL: f"places in {MODEL}'s lists"}
    top = labels[-1]

    def body(drawing: Drawing) -> None:
        named = {titles[part]: values for part, values in shown.items()}
        draw.bars(drawing.subplots(), labels, named, x_label="share, %")

    return figure(
        "popularity",
        "Does it only repeat what is popular?",
        f"Share of training ratings and of list places by popularity of the music. {top}: "
        f"{share(values['ratings'][-1])} of the ratings, {share(values[MODEL][-1])} of the places.",
        Table(
            [
                "popularity of the music",
                *(titles.get(part, f"{part}'s places" if part != "catalogue" else part) for part in parts),
            ],
            [[label, *(share(values[part][at]) for part in parts)] for at, label in enumerate(labels)],
        ),
        body,
        height=3.6,
        note=f"Tenths of the music by its training ratings; places 1 to {own['k']} of the lists of users with held-out "
        "ratings.",
    )


def _slice_label(name: str) -> str:
    if name == NEVER:
        return NEVER
    number, _, of = name.partition(" of ")
    return f"tenth {number}" + (", least rated" if number == "1" else ", most rated" if number == of else "")


def _of_lists(facts: dict[str, Any]) -> Titled:
    own, rows = facts["lists"], facts["quality"]["rows"]
    catalogue = {
        (row["model"], row["metric"]): row["result"]
        for row in rows
        if row["metric"] in ("coverage", "gini") and row["k"] == own["k"]
    }
    measures = {
        "share of the catalogue shown": lambda m, _: share(catalogue.get((m, "coverage"))),
        "Gini of exposure (0: all alike)": lambda m, _: significant(catalogue.get((m, "gini"))),
        "novelty, bits": lambda _, found: significant(found["novelty"]),
        "training ratings of a track shown, median": lambda _, found: count(found["ratings"]),
        "diversity (1 − mean cosine)": lambda _, found: significant(found["diversity"], 2),
        "artists per list": lambda _, found: significant(found["labels"], 2),
        "share of the 10 most shown artists": lambda _, found: share(found["top_labels"]),
        "groups per list": lambda _, found: significant(found["groups"], 2),
    }
    models = sorted(own["of_lists"], key=lambda model: (model != MODEL, model))
    body = [[name, *(text(m, own["of_lists"][m]) for m in models)] for name, text in measures.items()]
    return Titled(
        "What is a list like?",
        Table(["means over lists", *models], body),
        note=f"Lists of {own['k']} of {count(own['listed_users'])} users with held-out ratings; catalogue shares over "
        "all of them. Artist: the first of report.label_fields; group: report.group_field.",
    )


def _map(own: dict[str, Any]) -> Iterator[Figure]:
    if not own:
        return
    points, groups = np.array(own["points"]), [group or OTHER for group in own["groups"]]
    first = [name for name, _ in Counter(g for g in groups if g != OTHER).most_common(len(SERIES))]
    named = {name: points[[group == name for group in groups]] for name in first}
    rest = points[[group not in first for group in groups]]
    drawn = {
        **({OTHER: rest} if len(rest) and not first else {}),
        **named,
        **({OTHER: rest} if len(rest) and first else {}),
    }
    middle = {name: found.mean(axis=0) for name, found in drawn.items()}

    def body(drawing: Drawing) -> None:
        axes = [f"direction {n} ({share(value)} of the variance)" for n, value in enumerate(own["shares"], 1)]
        draw.cloud(drawing.subplots(), drawn, x_label=axes[0], y_label=axes[1])

    yield figure(
        "map",
        "What has the model understood of the music?",
        f"{count(len(points))} tracks in the two directions in which their factors differ most, by group: "
        + ", ".join(short(name) for name in drawn),
        Table(
            ["group", "tracks", "middle, direction 1", "middle, direction 2"],
            [[name, count(len(drawn[name])), significant(m[0], 2), significant(m[1], 2)] for name, m in middle.items()],
        ),
        body,
        height=3.6,
        note="A point is a track; the model was not told which groups to keep together.",
    )
