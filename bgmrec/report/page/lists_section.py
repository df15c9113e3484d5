"""The recommended lists: coverage, popularity and diversity, and a map of the items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from bgmrec.evaluate.slices import level_order
from bgmrec.evaluate.table import MODEL
from bgmrec.report.facts.lists import NEVER
from bgmrec.report.models import models_in
from bgmrec.report.numbers import count, share, significant
from bgmrec.report.page import draw
from bgmrec.report.page.parts import Figure, PageSection, Table, Tile, Titled, figure
from bgmrec.report.page.style import SERIES, short
from bgmrec.storage import columns as c

SOURCES = {
    c.WARM: "from their ratings",
    c.COLD: "from side information",
    c.POPULAR: "popular tracks, for lack of both",
}
OTHER = "others"
_UNPUBLISHED = {"recommendations": "The lists", "similar_items": "Similar tracks"}


def lists_section(facts: dict[str, Any]) -> PageSection:
    """The section on the lists.

    Args:
        facts: facts of the report.
    """
    lists, run = facts["lists"], facts["run"]
    total = sum(lists["sources"].values())
    by_source = ", ".join(
        f"{share(lists['sources'][source] / total)} {text}"
        for source, text in SOURCES.items()
        if lists["sources"].get(source)
    )
    lead = (
        f"{count(total)} of {count(run['users'])} users have a list: {by_source}." if total else "No user has a list."
    )
    blocks: list[Figure | Titled] = []
    missing = []
    if lists.get("popularity"):
        blocks += [_popularity(lists), _of_lists(facts)]
    else:
        missing.append("Coverage and popularity were not measured, because no ratings were held out.")
    blocks += _map(facts["map"])
    missing += [
        f"{what} are not published: publish.tables leaves {table} out."
        for table, what in _UNPUBLISHED.items()
        if table not in run["published"]
    ]
    return PageSection("lists", "Lists", lead, list(_tiles(facts)), blocks, missing)


def _tiles(facts: dict[str, Any]) -> Iterator[Tile]:
    lists, rows, k = facts["lists"], facts["quality"]["rows"], facts["lists"].get("k")
    for metric, name in (("coverage", "of the tracks are in some list"), ("gini", "Gini of exposure")):
        values = {row["model"]: row["result"] for row in rows if row["metric"] == metric and row["k"] == k}
        if MODEL in values:
            text = share if metric == "coverage" else significant
            others = ", ".join(f"{m} {text(v)}" for m, v in values.items() if m != MODEL)
            yield Tile(name, text(values[MODEL]), others)
    if MODEL in lists.get("of_lists", {}):
        yield Tile(
            "diversity within a list",
            significant(lists["of_lists"][MODEL]["diversity"], 2),
            "0: all alike, 1: unrelated",
        )
        yield Tile("novelty, bits", significant(lists["of_lists"][MODEL]["novelty"]), "higher: less known tracks")


def _popularity(lists: dict[str, Any]) -> Figure:
    table = {(row["of"], row["slice"]): row["share"] for row in lists["popularity"]}
    names = sorted({row["slice"] for row in lists["popularity"]}, key=level_order)
    parts = list(dict.fromkeys(row["of"] for row in lists["popularity"]))
    values = {part: [table.get((part, name), 0.0) for name in names] for part in parts}
    labels = [_slice_label(name) for name in names]
    shown = {part: [100 * value for value in values[part]] for part in ("ratings", MODEL) if part in values}
    titles = {"ratings": "training ratings", MODEL: f"entries of {MODEL}'s lists"}
    top = labels[-1]

    def body(drawing: Drawing) -> None:
        named = {titles[part]: values for part, values in shown.items()}
        draw.bars(drawing.subplots(), labels, named, x_label="share, %")

    return figure(
        "popularity",
        "Do the lists hold popular tracks only?",
        f"Share of training ratings and of list entries by popularity of the track. {top}: "
        f"{share(values['ratings'][-1])} of the ratings, {share(values[MODEL][-1])} of the list entries.",
        Table(
            [
                "popularity of the track",
                *(titles.get(part, f"entries of {part}" if part != "catalogue" else part) for part in parts),
            ],
            [[label, *(share(values[part][at]) for part in parts)] for at, label in enumerate(labels)],
        ),
        body,
        height=3.6,
        note="The rated tracks are sorted by their training ratings and cut into tenths. List entries: positions 1 to "
        f"{lists['k']} of the lists of users with held-out ratings.",
    )


def _slice_label(name: str) -> str:
    if name == NEVER:
        return NEVER
    number, _, of = name.partition(" of ")
    return f"tenth {number}" + (", least rated" if number == "1" else ", most rated" if number == of else "")


def _of_lists(facts: dict[str, Any]) -> Titled:
    lists, rows = facts["lists"], facts["quality"]["rows"]
    catalogue = {
        (row["model"], row["metric"]): row["result"]
        for row in rows
        if row["metric"] in ("coverage", "gini") and row["k"] == lists["k"]
    }
    measures = {
        "coverage: share of the tracks that are in some list": lambda m, _: share(catalogue.get((m, "coverage"))),
        "Gini of exposure (0: all tracks equally often)": lambda m, _: significant(catalogue.get((m, "gini"))),
        "novelty, bits": lambda _, of_list: significant(of_list["novelty"]),
        "training ratings of a listed track, median": lambda _, of_list: count(of_list["ratings"]),
        "diversity (1 − mean cosine of two tracks)": lambda _, of_list: significant(of_list["diversity"], 2),
        "artists per list": lambda _, of_list: significant(of_list["labels"], 2),
        "share of the 10 most frequent artists": lambda _, of_list: share(of_list["top_labels"]),
        "groups per list": lambda _, of_list: significant(of_list["groups"], 2),
    }
    models = models_in(lists["of_lists"])
    body = [[name, *(text(m, lists["of_lists"][m]) for m in models)] for name, text in measures.items()]
    return Titled(
        "What do the lists look like?",
        Table(["mean over lists", *models], body),
        note=f"The first {lists['k']} tracks of the lists of {count(lists['listed_users'])} sampled users with "
        "held-out ratings; coverage and Gini over the lists of all such users. Novelty: −log2 of the share of users "
        "who rated a track. Artist: the first of report.label_fields; group: report.group_field.",
    )


def _map(item_map: dict[str, Any]) -> Iterator[Figure]:
    if not item_map:
        return
    points, groups = np.array(item_map["points"]), [group or OTHER for group in item_map["groups"]]
    first = [name for name, _ in Counter(g for g in groups if g != OTHER).most_common(len(SERIES))]
    named = {name: points[[group == name for group in groups]] for name in first}
    rest = points[[group not in first for group in groups]]
    drawn = {
        **({OTHER: rest} if len(rest) and not first else {}),
        **named,
        **({OTHER: rest} if len(rest) and first else {}),
    }
    middle = {name: of_group.mean(axis=0) for name, of_group in drawn.items()}

    def body(drawing: Drawing) -> None:
        axes = [f"direction {n} ({share(value)} of the variance)" for n, value in enumerate(item_map["shares"], 1)]
        draw.cloud(drawing.subplots(), drawn, x_label=axes[0], y_label=axes[1])

    yield figure(
        "map",
        "Map of the tracks: which ones does the model regard as similar?",
        f"{count(len(points))} tracks in the two main directions of their factors, by group: "
        + ", ".join(short(name) for name in drawn),
        Table(
            ["group", "tracks", "mean, direction 1", "mean, direction 2"],
            [[name, count(len(drawn[name])), significant(m[0], 2), significant(m[1], 2)] for name, m in middle.items()],
        ),
        body,
        height=3.6,
        note="Each point is a track of a sample; near points have similar factors. The axes are the first two "
        "principal components. Colours: the field report.group_field.",
    )
