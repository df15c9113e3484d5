"""Generates a world of background music: raw logs and crawl dumps as an application would leave them.

Under --out:

  events/ds=YYYY-MM-DD/      JSON lines: user_id, video_id, event, rating, play_ms, duration_ms, liked, time
  videos/                    CSV: video_id, music_id ("0" or empty where the music is not known)
  crawl/users/date=…/        JSON lines of the crawls of that day, several of the same user over the days
  crawl/items/date=…/        the same for music, with title, artist, genre, mood, tempo and description
  truth/users, truth/items   Parquet: the taste, character and bias that the ratings were made of
  world.json                 what it was made with; then _SUCCESS

Ratings and plays depend on both sides and on chance; popularity has a long tail, genres go in and out of
fashion, users and music arrive every day, and a share of the rows is dirty in every way. The same seed and
sizes give the same rows, whatever the number of partitions.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession

from bgmrec import files
from bgmrec.config import Settings, load_settings
from bgmrec.config.runtime import WorldSettings
from bgmrec.errors import InputError
from bgmrec.job import arg_parser, guarded, logical_date, progress_for
from bgmrec.logs import Progress
from bgmrec.synthetic.world import World, generate_world, plan_of
from bgmrec.tables import Tables

_OPTIONS = {
    "users": "users over all days",
    "items": "music over all days",
    "events": "rows of the log, less the exact duplicates among the dirty rows",
    "days": "days of the log",
    "partitions": "partitions to write with; changes no row",
}


def parser() -> ArgumentParser:
    """The common arguments, and the world's own for what is said most often; they win over --config and --set."""
    result = arg_parser("generate_world", __doc__)
    for name, text in _OPTIONS.items():
        default = WorldSettings.model_fields[name].default
        result.add_argument(f"--{name}", type=int, metavar="N", help=f"{text} (world.{name}, by default {default})")
    result.add_argument("--seed", type=int, metavar="N", help="everything random derives from it (seed)")
    result.add_argument(
        "--first-day", type=logical_date, metavar="YYYY-MM-DD", help="first day of the log (world.first_day)"
    )
    result.add_argument("--out", metavar="DIR", help="where the world is written (paths.data)")
    return result


def settings_of(arguments: Namespace) -> Settings:
    """The settings with the options put over them."""
    over = {f"world.{name}": getattr(arguments, name) for name in [*_OPTIONS, "first_day"]}
    over |= {"seed": arguments.seed, "paths.data": arguments.out}
    given = [f"{key}={value}" for key, value in over.items() if value is not None]
    return load_settings(arguments.config, [*arguments.overrides, *given])


def generate(spark: SparkSession, settings: Settings, progress: Progress) -> str:
    """Makes the world and writes it; returns the last day, the newest --ds that has a log.

    Raises:
        InputError: the place holds something that no generator wrote.
    """
    out = Tables(spark, settings.paths.data)
    _clear(spark, out)
    plan = plan_of(settings.world, settings.seed)
    _write(generate_world(spark, settings.world, settings.seed), out, progress)
    out.write_json("world", {"seed": settings.seed, **settings.world.model_dump(mode="json")})
    files.write_bytes(spark, out.path("_SUCCESS"), b"")
    return str(plan.last_day)


def _clear(spark: SparkSession, out: Tables) -> None:
    if out.read_json("world") is None and files.glob(spark, out.path("*")):
        raise InputError(
            "the folder for the world is not empty and holds no world",
            where=out.root,
            expected="an empty folder, none, or a world to replace",
            cure="choose another --out, or delete the folder",
        )
    files.delete(spark, out.path("_SUCCESS"))
    for part in ("events", "videos", "crawl", "truth"):
        files.delete(spark, out.path(part))


def _write(world: World, out: Tables, progress: Progress) -> None:
    def text(df: DataFrame, day: str, name: str) -> None:
        df.select(day, "line").write.partitionBy(day).text(out.path(name))
        progress.done("generate_world", part=name)

    text(world.events, "ds", "events")
    text(world.user_crawls, "date", "crawl/users")
    text(world.item_crawls, "date", "crawl/items")
    world.videos.write.option("header", "true").csv(out.path("videos"))
    out.write(world.true_users, "truth/users")
    out.write(world.true_items, "truth/items")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    progress = progress_for(arguments.log_format)

    def body() -> None:
        settings = settings_of(arguments)
        from bgmrec.session import build_session  # starting Java is slow: settings are refused before it

        spark = build_session(settings.spark)
        last_day = generate(spark, settings, progress)
        progress.done("generate_world", path=settings.paths.data, last_day=last_day)

    return guarded(body)


if __name__ == "__main__":
    sys.exit(main())
