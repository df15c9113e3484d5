"""What all Spark jobs share: session, lock and run of a logical date, and the frame of a job of one stage."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import urlparse

from pyspark.sql import SparkSession

from bgmrec.config import Settings, load_settings
from bgmrec.publish.formats.choose import refuse_unusable
from bgmrec.run.lock import Lock, locked
from bgmrec.run.lock_documents import FileDocuments, PostgresDocuments
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.command import add_ds, arg_parser, run_command
from bgmrec.runtime.failures import known_failure
from bgmrec.runtime.logs import Progress, logger
from bgmrec.runtime.secrets import address_of, redact_logs
from bgmrec.stages.outcome import failed_start_reported, failures_reported
from bgmrec.storage import files, one_step

WITHOUT_LOCK = "this run has no lock: a second one of the same logical date would mix with it, and nothing would tell"


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

    redact_logs(refuse_unusable(settings))
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
        SettingsError: the file system guarantees too little; nothing was written.
    """
    run = start_run(settings, ds, progress, force_publish)
    one_step.check(run.spark, run.root.root)
    note_lock(run)
    with date_lock(run, str(ds)) as lock:
        yield replace(run, lock=lock)


def note_lock(run: Run) -> None:
    """Adds to the summary what keeps other runs away, and warns if nothing does.

    Args:
        run: about to take its lock.
    """
    kind = run.settings.runtime.lock
    run.summary.add("lock", kind=kind)
    if kind == "none":
        run.summary.add("lock", warning=WITHOUT_LOCK)
        logger.warning("%s (runtime.lock = none)", WITHOUT_LOCK)


def date_lock(run: Run, ds: str) -> AbstractContextManager[Lock | None]:
    """The lock of a logical date, held inside: no other process may change its working or published tables.

    Args:
        run: below whose root the date lies; its own date may be another one.
        ds: the logical date.

    Raises:
        BusyError: another process holds the lock.
        SettingsError: the file system cannot keep a lock; nothing was written.
    """
    runtime = run.settings.runtime
    folder = run.root.below("work").below("_locks").below(f"ds={ds}")
    if runtime.lock == "none":
        return nullcontext()
    if runtime.lock == "postgres":
        address, secrets = address_of(runtime.lock_address, "runtime.lock_address")
        name = files.absolute(run.spark, folder.root)
        return locked(PostgresDocuments(address, secrets, runtime.lock_schema, name))
    return locked(FileDocuments(folder))


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
