"""What all Spark jobs share: session, lock and run of a logical date, and the frame of a job of one stage."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import urlparse

from pyspark.sql import SparkSession

from bgmrec.config import Settings, load_settings
from bgmrec.publish.formats.choose import refuse_unusable
from bgmrec.run.lock import Lock, locked
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.command import add_ds, arg_parser, run_command
from bgmrec.runtime.failures import known_failure
from bgmrec.runtime.logs import Progress, logger
from bgmrec.runtime.secrets import WithoutSecrets
from bgmrec.stages.outcome import failed_start_reported, failures_reported


def start_run(settings: Settings, ds: date, progress: Progress, force_publish: str | None = None) -> Run:
    """The run of a logical date in a new session, without its lock: for jobs that only read.

    Args:
        settings: of the run.
        ds: the logical date.
        progress: of the job.
        force_publish: the reason for publishing although the gate refuses; None: the gate applies.
    """
    return Run(settings, ds, start_session(settings), progress, Summary(), force_publish)


def start_session(settings: Settings) -> SparkSession:
    """The Spark session, with the catalogue that the settings ask for.

    Args:
        settings: `[spark]`, `[paths]` and `[publish]` of them.

    Raises:
        SettingsError: this machine cannot write the format of the published tables.
    """
    from bgmrec.runtime.session import build_session  # Java starts slowly: settings are refused before it
    from bgmrec.runtime.sql_functions import register_functions

    if secrets := refuse_unusable(settings):
        for handler in logger.handlers:
            handler.addFilter(WithoutSecrets(secrets))
    hive = settings.publish.catalog == "hive"
    spark = build_session(settings.spark, _catalog_conf(settings) if hive else None, hive=hive)
    register_functions(spark)
    logging.getLogger("py4j").setLevel(logging.ERROR)
    return spark


@contextmanager
def locked_run(settings: Settings, ds: date, progress: Progress, force_publish: str | None = None) -> Iterator[Run]:
    """The run of a logical date, which no other process may change inside.

    Args:
        settings: of the run.
        ds: the logical date.
        progress: of the job.
        force_publish: the reason for publishing although the gate refuses; None: the gate applies.

    Raises:
        BusyError: another process is at work on the date.
    """
    run = start_run(settings, ds, progress, force_publish)
    with date_lock(run, str(ds)) as lock:
        yield replace(run, lock=lock)


def date_lock(run: Run, ds: str) -> AbstractContextManager[Lock]:
    """The lock of a logical date, held inside: no other process may change its working or published tables.

    Args:
        run: below whose root the date lies; its own date may be another one.
        ds: the logical date.

    Raises:
        BusyError: another process holds the lock.
    """
    return locked(run.root.below("work").below("_locks").below(f"ds={ds}"))


@contextmanager
def reported_run(settings: Settings, ds: date, progress: Progress, force_publish: str | None = None) -> Iterator[Run]:
    """The same, and its failures are reported: by a summary, metrics and a push to the gateway.

    Args:
        settings: of the run.
        ds: the logical date.
        progress: of the job.
        force_publish: the reason for publishing although the gate refuses; None: the gate applies.

    Raises:
        BusyError: another process is at work on the date.
    """
    with ExitStack() as stack:
        with failed_start_reported(settings, ds):
            run = stack.enter_context(locked_run(settings, ds, progress, force_publish))
        with failures_reported(run):
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
    """Runs a job of one stage: arguments, settings, run, exit status.

    Args:
        name: of the job and of its stage.
        description: of the job, for its help.
        stage: the work.
        argv: the arguments; None: those of the process.
    """
    parser = arg_parser(name, description)
    add_ds(parser)

    def with_run(arguments: Namespace, progress: Progress) -> None:
        settings = load_settings(arguments.config, arguments.overrides)
        with reported_run(settings, arguments.ds, progress) as run:
            run_stage(run, name, stage)

    return run_command(parser, with_run, argv)


def run_stage(run: Run, name: str, stage: Callable[[Run], None]) -> None:
    """Runs one stage, with its marks in the run's state, its figures in the summary and its line in the log.

    Args:
        run: of the logical date.
        name: of the stage.
        stage: the work.

    Raises:
        BgmrecError: the stage raised it, or another exception that `known_failure` explains.
    """
    run.begin(name)
    with run.timed(name):
        try:
            stage(run)
        except Exception as error:
            failure = known_failure(error)
            if failure is None or failure is error:
                raise
            raise failure from error
    run.finish(name)
    run.progress.done(name, run_id=run.run_id, seconds=run.summary.facts["seconds"][name])
