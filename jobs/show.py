"""Shows what a night published: where the tables are, the metrics, and users' histories beside their lists.

Reads the working tables of the same logical date for titles and histories, so run it after
jobs/nightly.py with the same settings.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as f

from bgmrec import columns as c
from bgmrec.config import load_settings
from bgmrec.errors import SettingsError
from bgmrec.evaluate.table import main_rows, metrics_table
from bgmrec.job import add_ds, arg_parser, guarded, progress_for, start_run
from bgmrec.run import Run

WIDTH = 46  # characters per column of a user's two lists
TITLE = "title"


def tables_text(run: Run) -> Iterator[str]:
    """Where readers find what was published."""
    manifest = run.shelf.manifest(str(run.ds)) or {"tables": {}}
    for table, facts in manifest["tables"].items():
        yield f"{table}: {facts['rows']:,} rows"
        yield f"  by path       {facts['location']}"
        if run.settings.publish.catalog != "none":
            yield f"  by catalogue  SELECT * FROM {run.settings.publish.database}.{table} WHERE ds = '{run.ds}'"


def sample_users(lists: DataFrame, ratings: DataFrame, users: int) -> list[str]:
    """Users of every source: the most active warm ones, then cold ones, ties by id."""
    counts = ratings.groupBy(c.USER_ID).agg(f.count(f.lit(1)).alias("n"))
    known = lists.select(c.USER_ID, c.SOURCE).distinct().join(counts, c.USER_ID, "left").fillna(0, ["n"])
    warm = known.where(f.col(c.SOURCE) == c.WARM).orderBy(f.desc("n"), c.USER_ID).limit(users)
    rest = known.where(f.col(c.SOURCE) != c.WARM).orderBy(c.SOURCE, c.USER_ID).limit(1)
    return [row[c.USER_ID] for row in warm.unionByName(rest).collect()]


def described(items: DataFrame, fields: Sequence[str]) -> DataFrame:
    """item_id and `title`: the item's title where it has one, then the values of the fields."""
    if unknown := [name for name in fields if name not in items.columns]:
        raise SettingsError(
            "items have no such field", where="--field", found=unknown[0], expected=", ".join(items.columns)
        )
    title = f.coalesce(f.col(TITLE), f.col(c.ITEM_ID)) if TITLE in items.columns else f.col(c.ITEM_ID)
    named = f.concat_ws(", ", *(f.col(name).cast("string") for name in fields))
    return items.select(
        c.ITEM_ID, f.concat(title, f.when(named != "", f.concat(f.lit(" · "), named)).otherwise("")).alias(TITLE)
    )


def user_text(run: Run, user_id: str, lists: DataFrame, ratings: DataFrame, titles: DataFrame) -> Iterator[str]:
    """A user's history beside the list made for them."""
    best_first = [f.desc(c.RATING), f.desc_nulls_last(c.RATED_AT), f.col(c.ITEM_ID)]
    heard = ratings.where(f.col(c.USER_ID) == user_id).join(titles, c.ITEM_ID, "left").orderBy(*best_first)
    shown = lists.where(f.col(c.USER_ID) == user_id).join(titles, c.ITEM_ID, "left").orderBy(c.POSITION)
    left = [f"{row[c.RATING]:4.1f}  {_title(row)}" for row in heard.limit(10).collect()]
    rows = shown.limit(10).collect()
    right = [f"{row[c.POSITION]:2d}. {row[c.SCORE]:6.3f}  {_title(row)}" for row in rows]
    yield f"user {user_id} ({rows[0][c.SOURCE] if rows else 'no list'})"
    yield f"  {'heard (rating, music)':<{WIDTH}}recommended (score, music)"
    for one, other in zip_longest(left, right, fillvalue=""):
        yield f"  {one[: WIDTH - 2]:<{WIDTH}}{other[:WIDTH]}".rstrip()


def _title(row: Row) -> str:
    return str(row[TITLE] or row[c.ITEM_ID])


def show(run: Run, users: int, user_ids: Sequence[str], fields: Sequence[str]) -> None:
    """Prints the three parts."""
    lists = run.shelf.read("recommendations", str(run.ds))
    ratings, titles = run.work.read("ratings"), described(run.work.read("items"), fields)
    print("\n".join(["", *tables_text(run), ""]))
    for user_id in user_ids or sample_users(lists, ratings, users):
        print("\n".join([*user_text(run, user_id, lists, ratings, titles), ""]))
    metrics = run.work.read_json("metrics")
    if metrics:
        print(metrics_table(main_rows(metrics)))


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("show", __doc__)
    add_ds(parser)
    parser.add_argument("--users", type=int, default=3, help="how many warm users to show, besides one cold user")
    parser.add_argument(
        "--user", action="append", default=[], metavar="ID", help="show this user; repeatable", dest="user_ids"
    )
    parser.add_argument(
        "--field", action="append", default=[], metavar="NAME", help="an item field beside the title; repeatable"
    )
    arguments: argparse.Namespace = parser.parse_args(argv)
    progress = progress_for(arguments.log_format)

    def body() -> None:
        settings = load_settings(arguments.config, arguments.overrides)
        show(start_run(settings, arguments.ds, progress), arguments.users, arguments.user_ids, arguments.field)

    return guarded(body)


if __name__ == "__main__":
    sys.exit(main())
