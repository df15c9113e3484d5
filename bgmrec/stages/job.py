"""What every Spark job has in common: settings, session, stages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from urllib.parse import urlparse

from pyspark.sql import SparkSession

from bgmrec.config import Settings, load_settings
from bgmrec.errors import BgmrecError
from bgmrec.run.lock import held
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.command import add_ds, arg_parser, guarded, logical_date, progress_for
from bgmrec.runtime.faults import explained
from bgmrec.runtime.logs import Progress

__all__ = [
    "add_ds",
    "arg_parser",
    "guarded",
    "locked_run",
    "logical_date",
    "progress_for",
    "run_job",
    "run_stage",
    "start_run",
    "start_session",
]


def start_run(settings: Settings, ds: date, progress: Progress, force_publish: str | None = None) -> Run:
    """A night of a logical date in a new session."""
    return Run(settings, ds, start_session(settings), progress, Summary(), force_publish)


def start_session(settings: Settings) -> SparkSession:
    """Builds the session with the catalogue that the settings ask for."""
    from bgmrec.runtime.session import build_session  # starting Java is slow: settings are refused before it
    from bgmrec.runtime.sql_functions import register_functions

    hive = settings.publish.catalog == "hive"
    spark = build_session(settings.spark, _catalog_conf(settings) if hive else None, hive=hive)
    register_functions(spark)
    logging.getLogger("py4j").setLevel(logging.ERROR)
    return spark


@contextmanager
def locked_run(settings: Settings, ds: date, progress: Progress, force_publish: str | None = None) -> Iterator[Run]:
    """The run of a logical date, which nobody else works at meanwhile.

    Raises:
        BusyError: somebody does.
    """
    run = start_run(settings, ds, progress, force_publish)
    with held(run.root.below("work").below("_locks").below(f"ds={ds}")):
        yield run


def _catalog_conf(settings: Settings) -> dict[str, str]:
    """An embedded metastore below a local root; elsewhere the one of the site's hive-site.xml, as Spark finds it."""
    url = urlparse(settings.paths.root)
    if url.scheme not in ("", "file"):
        return {}
    root = Path(url.path).absolute()
    return {
        "spark.sql.warehouse.dir": str(root / "warehouse"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={root / 'metastore_db'};create=true",
        "spark.driver.extraJavaOptions": f"-Dderby.stream.error.file={root / 'derby.log'}",
    }


def run_job(name: str, description: str | None, stage: Callable[[Run], None], argv: Sequence[str] | None = None) -> int:
    """A job of one stage: arguments, settings, run, exit status."""
    parser = arg_parser(name, description)
    add_ds(parser)
    arguments = parser.parse_args(argv)
    progress = progress_for(arguments.log_format)

    def body() -> None:
        settings = load_settings(arguments.config, arguments.overrides)
        with locked_run(settings, arguments.ds, progress) as run:
            run_stage(run, name, stage)

    return guarded(body)


def run_stage(run: Run, name: str, stage: Callable[[Run], None]) -> None:
    """One stage with its marks, its seconds and its line in the log."""
    run.begin(name)
    with run.timed(name):
        try:
            stage(run)
        except Exception as error:
            known = None if isinstance(error, BgmrecError) else explained(error)
            if known is None:
                raise
            raise known from error
    run.finish(name)
    run.progress.done(name, run_id=run.run_id, seconds=run.summary.facts["seconds"][name])
