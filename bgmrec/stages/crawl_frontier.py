"""Lists the ids of the rating log that lack side information, by priority: the crawl frontier."""

from __future__ import annotations

from argparse import Namespace

from bgmrec.config import load_settings
from bgmrec.ingest.frontier import by_priority, ids_without_side_info
from bgmrec.run.state import Run
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress
from bgmrec.stages.job import start_run
from bgmrec.storage import columns as c
from bgmrec.storage import files
from bgmrec.storage.schemas import entity_schema


def write_frontier(run: Run) -> dict[str, str]:
    """Writes the lists of items and users.

    Args:
        run: settings, logical date and tables; `ratings`, `users` and `items` must be there.

    Returns:
        the folders of the lists, by `items` and `users`
    """
    settings, folder = run.settings, run.root.below("frontier").below(f"ds={run.ds}")
    ratings = run.work.read("ratings")
    sides = {
        "items": (c.ITEM_ID, settings.items, settings.frontier.item_fields),
        "users": (c.USER_ID, settings.users, settings.frontier.user_fields),
    }
    for name, (id_column, entity, fields) in sides.items():
        entities = run.work.read(name, entity_schema(id_column, entity.fields))
        ids = ids_without_side_info(ratings, entities, id_column, fields)
        ranked = by_priority(ids, id_column, run.ds, settings.frontier.limit)
        # one file, because the order of the rows is the order of the crawl; frontier.limit bounds it
        ranked.coalesce(1).write.mode("overwrite").json(folder.path(name))
        written = run.spark.read.json(files.literal(folder.path(name)))
        run.progress.done("crawl_frontier", side=name, ids=written.count())
    return {name: folder.path(name) for name in sides}


def print_frontier(arguments: Namespace, progress: Progress) -> None:
    """Writes both lists and prints their folders.

    Args:
        arguments: `config`, `overrides` and `ds`.
        progress: shows the progress.
    """
    settings = load_settings(arguments.config, arguments.overrides)
    for path in write_frontier(start_run(settings, arguments.ds, progress)).values():
        write_line(path)
