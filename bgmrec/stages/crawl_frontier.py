"""Lists the ids of the rating log that lack side information: the crawl frontier, the oldest and most used first."""

from __future__ import annotations

from argparse import Namespace

from bgmrec.config import load_settings
from bgmrec.ingest.frontier import lacking, most_wanted
from bgmrec.run.state import Run
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress
from bgmrec.stages.job import start_run
from bgmrec.storage import columns as c
from bgmrec.storage.schemas import entity_schema


def write_frontier(run: Run) -> dict[str, str]:
    """Writes both lists; their places."""
    settings, folder = run.settings, run.root.below("frontier").below(f"ds={run.ds}")
    ratings = run.work.read("ratings")
    sides = {
        "items": (c.ITEM_ID, settings.items, settings.frontier.item_fields),
        "users": (c.USER_ID, settings.users, settings.frontier.user_fields),
    }
    for name, (id_column, entity, fields) in sides.items():
        entities = run.work.read(name, entity_schema(id_column, entity.fields))
        ids = lacking(ratings, entities, id_column, fields)
        wanted = most_wanted(ids, id_column, run.ds, settings.frontier.limit)
        # one file: the order of the rows is the order of the crawl; the limit bounds it
        wanted.coalesce(1).write.mode("overwrite").json(folder.path(name))
        run.progress.done("crawl_frontier", side=name, ids=run.spark.read.json(folder.path(name)).count())
    return {name: folder.path(name) for name in sides}


def print_frontier(arguments: Namespace, progress: Progress) -> None:
    """Writes both lists and prints where they are."""
    settings = load_settings(arguments.config, arguments.overrides)
    for path in write_frontier(start_run(settings, arguments.ds, progress)).values():
        write_line(path)
