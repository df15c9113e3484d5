"""Shows the results of a run as text: published tables, users, tracks, or the summary of the run."""

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
from bgmrec.evaluate.table import main_rows, metrics_table
from bgmrec.evaluate.text import aligned, cut, pad, plain
from bgmrec.ingest.unicode_forms import in_form
from bgmrec.report.facts import people as people_facts
from bgmrec.report.facts.data import ratings_per
from bgmrec.report.facts.gather import SIMILAR, described_users, read_by_ids, sampled_people
from bgmrec.report.facts.item_names import LABEL, TITLE, item_names
from bgmrec.report.numbers import count, seconds, significant
from bgmrec.report.score_text import NO_PARTS, NO_TITLES, sum_text
from bgmrec.run.state import STAGES, Run
from bgmrec.runtime.command import add_ds, logical_date, write_line
from bgmrec.runtime.logs import Progress
from bgmrec.stages.job import start_run
from bgmrec.storage import columns as c
from bgmrec.storage.models import StoredModel

WIDTH = 52  # terminal columns of a user's history; the list beside it may be a little wider


def tables_text(run: Run) -> Iterator[str]:
    """Published tables of a run, and where to read them.

    Args:
        run: the run.
    """
    manifest = run.versions.manifest(str(run.ds)) or {"tables": {}}
    for table, facts in manifest["tables"].items():
        yield f"{table}: {facts['rows']:,} rows"
        yield f"  by path       {facts['location']}"
        if "version" in facts:
            yield f"  by {manifest['format']:<11}{facts['table']}, version {facts['version']}"
        if run.settings.publish.catalog != "none":
            yield f"  by catalogue  SELECT * FROM {run.settings.publish.database}.{table} WHERE ds = '{run.ds}'"


def user_text(person: dict[str, Any], implicit: bool) -> Iterator[str]:
    """A user's history beside the list made for them.

    Args:
        person: of `gather.described_users`.
        implicit: implicit mode, in which the ratings are not shown.
    """
    yield f"user {plain(person[c.USER_ID])} ({person[c.SOURCE] or 'no list'}, {count(person['ratings'])} ratings)"
    if person["profile"]:
        yield plain("  " + ", ".join(f"{name} {value}" for name, value in person["profile"].items()))
    history = [
        f"{row['day'] or '':10}  {'' if implicit else format(row[c.RATING], '.1f') + '  '}{_track_text(row)}"
        for row in person["history"]
    ]
    entries = [f"{row[c.POSITION]:2d}. {row[c.SCORE]:6.3f}  {_track_text(row)}" for row in person["list"]]
    head = f"{_shown(len(history), person['ratings'])} (day, {'' if implicit else 'rating, '}track)"
    for left, right in zip_longest([head, *history], ["recommended (score, track)", *entries], fillvalue=""):
        yield f"  {pad(cut(left, WIDTH - 2), WIDTH)}{cut(right, WIDTH + 10)}".rstrip()


def _shown(shown: int, of: int) -> str:
    return f"history, {count(shown)} of {count(of)} shown" if shown < of else "history"


def why_text(person: dict[str, Any], draws: int) -> Iterator[str]:
    """The parts of each score of a user's list.

    Args:
        person: of `gather.described_users`.
        draws: draws of the sampler; above 0 the parts are not known, and a sentence says so.
    """
    if draws:
        yield f"  {NO_PARTS}"
    explained = [row for row in person["list"] if row.get("why")]
    if explained:
        yield "  parts of the scores"
    for row in explained:
        yield f"  {row[c.POSITION]:2d}. {sum_text(row)}"
        ratings = ", ".join(f"{plain(top[TITLE])} (+{significant(top['part'], 2)})" for top in row["why"]["top"])
        if ratings:
            yield f"      because of {ratings}"


def item_text(run: Run, stored: StoredModel, item_id: str, names: DataFrame) -> Iterator[str]:
    """A track's side information, how often it is recommended, and its similar tracks.

    Args:
        run: the run.
        stored: its model.
        item_id: id of the track.
        names: of `item_names`.

    Raises:
        InputError: the run has no such track.
    """
    name_rows = names.where(f.col(c.ITEM_ID) == item_id).collect()
    if not name_rows:
        raise _unknown("item", item_id, run)
    ratings = run.work.read("ratings").where(f.col(c.ITEM_ID) == item_id)
    lists = read_by_ids(run, stored, "recommendations").where(f.col(c.ITEM_ID) == item_id)
    rated, listed, position = ratings.count(), *lists.agg(f.count("*"), f.avg(c.POSITION)).collect()[0]
    yield f"item {item_id}: {_track_text(name_rows[0].asDict())}"
    fields = run.work.read("items").where(f.col(c.ITEM_ID) == item_id).collect()
    for row in fields:
        values = {name: cut(plain(value), 80) for name, value in row.asDict().items() if value is not None}
        yield "  " + ", ".join(f"{name} {value}" for name, value in values.items() if name != c.ITEM_ID)
    yield f"  {count(rated)} ratings; in {count(listed)} lists" + (
        f", at position {position:.1f} on average" if listed else ""
    )
    similar = read_by_ids(run, stored, "similar_items")
    item = people_facts.as_table([item_id], similar, c.ITEM_ID)
    yield "  similar tracks (cosine, track)"
    for other in people_facts.similar_by_item(similar, item, names, SIMILAR).get(item_id, []):
        yield f"  {other[c.POSITION]:2d}. {other[c.SCORE]:6.3f}  {_track_text(other)}"


def run_text(run: Run, run_id: str) -> Iterator[str]:
    """The summary of a run: result, stages, rows, metrics, report.

    Args:
        run: any run with the same `paths.root`.
        run_id: the run to show.

    Raises:
        InputError: there is no such run.
    """
    summary = run.root.read_json(f"summaries/{run_id}")
    if summary is None:
        raise InputError(
            f"there is no run {run_id}",
            where=f"--run; {run.root.path('summaries')}",
            expected="the name of a file in that folder, without .json",
            found=run_id,
            hint="list the folder; the settings must have the paths.root of the run",
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
    heads = list(dict.fromkeys(head for values in metrics.values() for head in values))
    if heads:
        yield aligned(
            [
                ["model", "", *heads],
                *([model, "", *(significant(values.get(h)) for h in heads)] for model, values in metrics.items()),
            ]
        )
    if "report" in summary:
        yield f"report: {summary['report']}"


def _track_text(row: dict[str, Any]) -> str:
    title = row[TITLE] or row.get(c.ITEM_ID) or row[c.SIMILAR_ITEM_ID]
    return plain(f"{title} · {row[LABEL]}" if row.get(LABEL) else title)


def _unknown(kind: str, id_: str, run: Run) -> InputError:
    return InputError(
        f"run {run.run_id} has no {kind} {id_!r}",
        where=f"--{kind}; {kind}_index of the run",
        expected=f"a {kind}_id of the rating log or the side information",
        found=id_,
        hint=f"jobs/show.py --ds {run.ds} without --{kind} shows sample users and their tracks with ids",
    )


def show(run: Run, users: int, user_ids: Sequence[str], item_ids: Sequence[str]) -> None:
    """Prints the given users and tracks; without any, the published tables, sample users and the metrics.

    Args:
        run: the run.
        users: size of the sample of users, about.
        user_ids: users to print.
        item_ids: tracks to print.

    Raises:
        InputError: the run has no such user or track.
    """
    stored, implicit = run.models.load(run.model_id), run.settings.factorize.mode == "implicit"
    names = item_names(run.work.read("items"), stored.table("item_index"), run.settings.report)
    lists, draws = read_by_ids(run, stored, "recommendations"), run.settings.bayes.draws
    by_id = bool(user_ids or item_ids)
    user_ids, item_ids = (in_form(ids, run.settings.ids.unicode_form) for ids in (user_ids, item_ids))
    if not run.settings.report.title_field:
        write_line(f"{NO_TITLES}\n")
    if not by_id:
        write_line("\n".join(["", *tables_text(run), ""]))
        user_ids = sampled_people(run, lists, ratings_per(run.work.read("ratings"), c.USER_ID), users)
    for person in described_users(run, stored, names, lists, list(user_ids)) if user_ids else []:
        if not (person["list"] or person["history"] or person["profile"]):
            raise _unknown("user", person[c.USER_ID], run)
        write_line("\n".join([*user_text(person, implicit), *(why_text(person, draws) if by_id else ()), ""]))
    for item_id in item_ids:
        write_line("\n".join([*item_text(run, stored, item_id, names), ""]))
    metrics = None if by_id else run.work.read_json("metrics")
    if metrics and metrics["model"] == stored.run_id and metrics["rows"]:  # a model may not be evaluated yet
        write_line(metrics_table(main_rows(metrics["rows"])))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the job.

    Args:
        parser: parser of the job.
    """
    add_ds(parser, required=False)
    parser.add_argument("--users", type=int, default=3, metavar="N", help="number of sample users, about")
    for name, what in (("user", "this user"), ("item", "this track")):
        parser.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="ID",
            help=f"show {what}; can be repeated",
            dest=f"{name}_ids",
        )
    parser.add_argument("--run", metavar="ID", help="show the summary of this run; needs no --ds", dest="run_id")


def checked(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuses a command line with neither a date nor a run.

    Args:
        parser: parser of the job.
        arguments: its arguments.
    """
    if arguments.ds is None and arguments.run_id is None:
        parser.error("--ds or --run is required")


def run_show(arguments: argparse.Namespace, progress: Progress) -> None:
    """Prints what the arguments name.

    Args:
        arguments: arguments of the job.
        progress: progress log.

    Raises:
        InputError: there is no such run, user or track.
    """
    settings = load_settings(arguments.config, arguments.overrides)
    if arguments.run_id is None:
        show(start_run(settings, arguments.ds, progress), arguments.users, arguments.user_ids, arguments.item_ids)
    else:
        # the id of a run begins with its date
        run = start_run(settings, arguments.ds or _date_of(arguments.run_id), progress)
        write_line("\n\n".join(run_text(run, arguments.run_id)))


def _date_of(run_id: str) -> date:
    try:
        return logical_date(run_id[:10])
    except argparse.ArgumentTypeError:
        raise InputError(
            f"{run_id!r} is not the id of a run",
            where="--run",
            expected="YYYY-MM-DD-NNN, for example 2025-03-14-001",
            found=run_id,
            hint="the ids are the names of the files in <paths.root>/summaries, without .json",
        ) from None
