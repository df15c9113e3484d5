"""Shows what a night made as readable tables: what it published, users, tracks, or a run's own account."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import zip_longest
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.config import load_settings
from bgmrec.errors import InputError
from bgmrec.evaluate.table import aligned, main_rows, metrics_table
from bgmrec.report.facts import people as people_facts
from bgmrec.report.facts.data import ratings_per
from bgmrec.report.facts.gather import SIMILAR, people, read_by_ids, sampled_people
from bgmrec.report.facts.item_names import LABEL, TITLE, item_names
from bgmrec.report.numbers import count, seconds, significant
from bgmrec.report.score_text import NOT_APART, sum_text
from bgmrec.run.state import STAGES, Run
from bgmrec.runtime.command import add_ds, logical_date, write_line
from bgmrec.runtime.logs import Progress
from bgmrec.stages.job import start_run
from bgmrec.storage import columns as c
from bgmrec.storage.models import StoredModel

WIDTH = 52  # characters per column of a user's two lists


def tables_text(run: Run) -> Iterator[str]:
    """Where readers find what was published."""
    manifest = run.versions.manifest(str(run.ds)) or {"tables": {}}
    for table, facts in manifest["tables"].items():
        yield f"{table}: {facts['rows']:,} rows"
        yield f"  by path       {facts['location']}"
        if run.settings.publish.catalog != "none":
            yield f"  by catalogue  SELECT * FROM {run.settings.publish.database}.{table} WHERE ds = '{run.ds}'"


def user_text(person: dict[str, Any], implicit: bool) -> Iterator[str]:
    """A user's history beside the list made for them."""
    yield f"user {person[c.USER_ID]} ({person[c.SOURCE] or 'no list'}, {count(person['ratings'])} ratings)"
    if person["profile"]:
        yield "  " + ", ".join(f"{name} {value}" for name, value in person["profile"].items())
    left = [
        f"{row['day'] or ''}  {'' if implicit else format(row[c.RATING], '.1f') + '  '}{_called(row)}"
        for row in person["history"]
    ]
    right = [f"{row[c.POSITION]:2d}. {row[c.SCORE]:6.3f}  {_called(row)}" for row in person["list"]]
    yield f"  {'heard (day, music)':<{WIDTH}}recommended (score, music)"
    for one, other in zip_longest(left, right, fillvalue=""):
        yield f"  {one[: WIDTH - 2]:<{WIDTH}}{other[: WIDTH + 10]}".rstrip()


def why_text(person: dict[str, Any], draws: int) -> Iterator[str]:
    """What carries each score of a user's list; of a sampler's `draws`, why nothing is said."""
    if draws:
        yield f"  {NOT_APART}"
    explained = [row for row in person["list"] if row.get("why")]
    if explained:
        yield "  what carries the scores"
    for row in explained:
        yield f"  {row[c.POSITION]:2d}. {sum_text(row)}"
        named = ", ".join(f"{one[TITLE]} (+{significant(one['part'], 2)})" for one in row["why"]["top"])
        if named:
            yield f"      because of {named}"


def item_text(run: Run, stored: StoredModel, item_id: str, names: DataFrame) -> Iterator[str]:
    """What is known of a track, who gets it, and what is near it.

    Raises:
        InputError: the night knows no such track.
    """
    found = names.where(f.col(c.ITEM_ID) == item_id).collect()
    if not found:
        raise _unknown("item", item_id, run)
    ratings = run.work.read("ratings").where(f.col(c.ITEM_ID) == item_id)
    lists = read_by_ids(run, stored, "recommendations").where(f.col(c.ITEM_ID) == item_id)
    seen, shown, position = ratings.count(), *lists.agg(f.count("*"), f.avg(c.POSITION)).collect()[0]
    yield f"item {item_id}: {_called(found[0].asDict())}"
    fields = run.work.read("items").where(f.col(c.ITEM_ID) == item_id).collect()
    for row in fields:
        known = {name: str(value)[:80] for name, value in row.asDict().items() if value is not None}
        yield "  " + ", ".join(f"{name} {value}" for name, value in known.items() if name != c.ITEM_ID)
    yield f"  {count(seen)} ratings; in {count(shown)} lists" + (
        f", at position {position:.1f} on average" if shown else ""
    )
    similar = read_by_ids(run, stored, "similar_items")
    wanted = people_facts.as_table([item_id], similar, c.ITEM_ID)
    yield "  near it (cosine, music)"
    for one in people_facts.near(similar, wanted, names, SIMILAR).get(item_id, []):
        yield f"  {one[c.POSITION]:2d}. {one[c.SCORE]:6.3f}  {_called(one)}"


def run_text(run: Run, run_id: str) -> Iterator[str]:
    """What a run did, out of its summary.

    Raises:
        InputError: there is no such run.
    """
    summary = run.root.read_json(f"summaries/{run_id}")
    if summary is None:
        raise InputError(
            f"no run {run_id}",
            where=run.root.path("summaries"),
            expected="the name of a summary there, without .json",
            hint="list that folder, or give the paths.root of the run",
        )
    result = summary.get("result", {})
    yield f"run {run_id}: " + ("published" if result.get("published") else f"not published: {result.get('error', '')}")
    spent, memory = summary.get("seconds", {}), summary.get("peak_memory_mb", {})
    stages = [[s, "", seconds(spent[s]), count(memory.get(s))] for s in STAGES if s in spent]
    yield aligned([["stage", "", "time", "peak MB"], *stages])
    rows = {name: facts for name, facts in summary.items() if isinstance(facts, dict) and "rows_in" in facts}
    if rows:
        states = ("rows_in", "kept", "rejected", "duplicate", "filtered", "after_window")
        yield aligned(
            [["rows", "", *states], *([n, "", *(count(r.get(s, 0)) for s in states)] for n, r in rows.items())]
        )
    metrics = summary.get("metrics", {})
    heads = list(dict.fromkeys(head for own in metrics.values() for head in own))
    if heads:
        yield aligned(
            [["model", "", *heads], *([m, "", *(significant(own.get(h)) for h in heads)] for m, own in metrics.items())]
        )
    if "report" in summary:
        yield f"report: {summary['report']}"


def _called(row: dict[str, Any]) -> str:
    title = str(row[TITLE] or row[c.ITEM_ID])
    return f"{title} · {row[LABEL]}" if row.get(LABEL) else title


def _unknown(kind: str, id_: str, run: Run) -> InputError:
    return InputError(
        f"the night of {run.ds} knows no {kind} {id_!r}",
        where=f"{kind}_index of run {run.run_id}",
        hint=f"check the id; jobs/show.py without --{kind} shows some",
    )


def show(run: Run, users: int, user_ids: Sequence[str], item_ids: Sequence[str]) -> None:
    """Prints users and tracks that are asked for, or the night as a whole."""
    stored, implicit = run.models.load(run.model_id), run.settings.factorize.mode == "implicit"
    names = item_names(run.work.read("items"), stored.table("item_index"), run.settings.report)
    lists, draws = read_by_ids(run, stored, "recommendations"), run.settings.bayes.draws
    asked = bool(user_ids or item_ids)
    if not asked:
        write_line("\n".join(["", *tables_text(run), ""]))
        user_ids = sampled_people(run, lists, ratings_per(run.work.read("ratings"), c.USER_ID), users)
    for person in people(run, stored, names, lists, list(user_ids)) if user_ids else []:
        if not (person["list"] or person["history"] or person["profile"]):
            raise _unknown("user", person[c.USER_ID], run)
        write_line("\n".join([*user_text(person, implicit), *(why_text(person, draws) if asked else ()), ""]))
    for item_id in item_ids:
        write_line("\n".join([*item_text(run, stored, item_id, names), ""]))
    metrics = None if asked else run.work.read_json("metrics")
    if metrics:
        write_line(metrics_table(main_rows(metrics)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the job."""
    add_ds(parser, required=False)
    parser.add_argument("--users", type=int, default=3, metavar="N", help="how many sample users to show, about")
    for name, what in (("user", "this user"), ("item", "this track")):
        parser.add_argument(
            f"--{name}", action="append", default=[], metavar="ID", help=f"show {what}; repeatable", dest=f"{name}_ids"
        )
    parser.add_argument("--run", metavar="ID", help="show this run; --ds is not needed", dest="run_id")


def checked(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuses a command line that names neither a date nor a run."""
    if arguments.ds is None and arguments.run_id is None:
        parser.error("one of --ds and --run is needed")


def run_show(arguments: argparse.Namespace, progress: Progress) -> None:
    """Prints what the arguments ask for."""
    settings = load_settings(arguments.config, arguments.overrides)
    if arguments.run_id is None:
        show(start_run(settings, arguments.ds, progress), arguments.users, arguments.user_ids, arguments.item_ids)
    else:
        # the run's date stands in its name, and its account needs no other
        run = start_run(settings, arguments.ds or _date_of(arguments.run_id), progress)
        write_line("\n\n".join(run_text(run, arguments.run_id)))


def _date_of(run_id: str) -> date:
    try:
        return logical_date(run_id[:10])
    except argparse.ArgumentTypeError:
        raise InputError(f"{run_id!r} names no run", expected="YYYY-MM-DD-NNN", where="--run") from None
