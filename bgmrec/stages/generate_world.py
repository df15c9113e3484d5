"""Generates a world of background music: raw logs and crawl dumps, as an application writes them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from pyspark.sql import DataFrame, SparkSession

from bgmrec.config import Settings, load_settings
from bgmrec.config.runtime import WorldSettings
from bgmrec.errors import InputError
from bgmrec.runtime.command import logical_date
from bgmrec.runtime.logs import Progress
from bgmrec.storage import files, one_step
from bgmrec.storage.tables import Tables
from bgmrec.synthetic.world import World, generate_world, plan_of

_OPTIONS = {
    "users": "number of users over all days",
    "items": "number of items over all days",
    "events": "rows of the log, without the exact duplicates among the dirty rows",
    "days": "days of the log",
    "partitions": "partitions to write with; has no influence on the rows",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Adds options for the settings of the world; they win over --config and --set.

    Args:
        parser: of the job.
    """
    for name, text in _OPTIONS.items():
        default = WorldSettings.model_fields[name].default
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"{text} (world.{name}, by default {default})")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of all random numbers (seed)")
    parser.add_argument(
        "--first-day", type=logical_date, metavar="YYYY-MM-DD", help="first day of the log (world.first_day)"
    )
    parser.add_argument("--out", metavar="DIR", help="folder of the world (paths.data)")


def settings_of(arguments: Namespace) -> Settings:
    """The settings, with the options over them.

    Args:
        arguments: `config`, `overrides` and the options of `add_arguments`.
    """
    options = {f"world.{name}": getattr(arguments, name) for name in [*_OPTIONS, "first_day"]}
    options |= {"seed": arguments.seed, "paths.data": arguments.out}
    overrides = [f"{key}={value}" for key, value in options.items() if value is not None]
    return load_settings(arguments.config, [*arguments.overrides, *overrides])


def run_generator(arguments: Namespace, progress: Progress) -> None:
    """Writes the world that the arguments describe.

    Args:
        arguments: as in `settings_of`.
        progress: shows the progress.
    """
    settings = settings_of(arguments)
    from bgmrec.runtime.session import build_session  # starting Java is slow: settings are refused before it

    spark = build_session(settings.spark)
    last_day = generate(spark, settings, progress)
    progress.done("generate_world", path=settings.paths.data, last_day=last_day)


def generate(spark: SparkSession, settings: Settings, progress: Progress) -> str:
    """Writes the world.

    Args:
        spark: the session.
        settings: `paths.data`, `world` and `seed`.
        progress: shows the progress.

    Returns:
        the last day, which is the newest --ds with a log

    Raises:
        InputError: the folder has files that are no generated world.
    """
    out = Tables(spark, settings.paths.data)
    _clear(spark, out)
    plan = plan_of(settings.world, settings.seed)
    _write(generate_world(spark, settings.world, settings.seed), out, progress)
    out.write_json("world", {"seed": settings.seed, **settings.world.model_dump(mode="json")})
    one_step.write_bytes(spark, out.path("_SUCCESS"), b"")
    return str(plan.last_day)


def _clear(spark: SparkSession, out: Tables) -> None:
    if out.read_json("world") is None and files.children(spark, out.root):
        raise InputError(
            "the folder for the world has other files",
            where=out.root,
            expected="no folder, an empty one, or a generated world, which is replaced",
            found="files without world.json",
            hint="choose another --out, or delete the folder",
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
