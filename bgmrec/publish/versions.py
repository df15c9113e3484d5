"""Versions of the published tables: written beside the version that readers see, then promoted.

Layout below `<root>/published`:

    <table>/ds=2025-01-31/run_id=<run>/part-….parquet   one immutable version per run; other formats: formats/base.py
    _manifests/runs/<run>.json                          the run's record: its tables, its model, its metrics
    _manifests/2025-01-31.json                          manifest: the record that is published for the date
    _manifests/latest.json                              copy of the manifest of the newest published date

promotion.py changes what readers see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame

from bgmrec.errors import PublishingError
from bgmrec.publish.catalogue import Catalogue
from bgmrec.publish.commits import FORMAT, Commits
from bgmrec.publish.contracts import CONTRACTS
from bgmrec.publish.formats.base import PARQUET, version_folder, version_folders
from bgmrec.publish.formats.lakehouse import Lakehouse
from bgmrec.publish.locations import delete_checksums, reader_location
from bgmrec.storage import columns as c
from bgmrec.storage import files, one_step
from bgmrec.storage.schemas import TABLES
from bgmrec.storage.tables import Tables

MANIFESTS = "_manifests"
LATEST = "latest"


@dataclass(frozen=True)
class Versions:
    """The published tables below one root.

    Args:
        tables: the folder `<root>/published`.
        database: database of the session's catalogue that shows the tables too; None: files only.
        mode: permissions of published files and manifests, for example 640; None: those of the file system.
        format: of the tables; None: plain Parquet.
    """

    tables: Tables
    database: str | None
    mode: str | None = None
    format: Lakehouse | None = None

    @property
    def manifests(self) -> Tables:
        """The folder of the manifests."""
        return self.tables.below(MANIFESTS)

    @property
    def records(self) -> Tables:
        """The folder of the runs' records."""
        return self.manifests.below("runs")

    @property
    def catalogue(self) -> Catalogue | None:
        """The catalogue that shows the tables; None: files only."""
        return None if self.database is None else Catalogue(self.tables.spark, self.database)

    @property
    def commits(self) -> Commits | None:
        """The tables as tables of their format; None: plain Parquet."""
        return None if self.format is None else Commits(self.tables, self.format)

    @property
    def format_name(self) -> str:
        """The format as `publish.format` names it."""
        return PARQUET if self.format is None else self.format.name

    def manifest(self, ds: str) -> dict[str, Any] | None:
        """The record that is published for a logical date, with `replaced` (run id) and `rolled_back`.

        Args:
            ds: logical date, YYYY-MM-DD.
        """
        return self.manifests.read_json(ds)

    def latest(self) -> dict[str, Any] | None:
        """The manifest of the newest published date."""
        return self.manifests.read_json(LATEST)

    def record(self, run_id: str) -> dict[str, Any] | None:
        """What a run published, whether readers still see it or not: `ds`, `run_id`, `tables`, `model`, metrics.

        Args:
            run_id: of the run.
        """
        return self.records.read_json(run_id)

    def runs(self, ds: str = "*") -> list[str]:
        """Ids of the runs that have a record, of one logical date or of all, ascending.

        Args:
            ds: logical date, YYYY-MM-DD; `*`: all of them.
        """
        paths = files.children(self.tables.spark, self.records.root, f"{ds}-*.json")
        return [path.rsplit("/", 1)[-1].removesuffix(".json") for path in paths]

    def dates(self) -> list[str]:
        """Published logical dates, ascending."""
        paths = files.children(self.tables.spark, self.manifests.root, "????-??-??.json")
        return [path.rsplit("/", 1)[-1].removesuffix(".json") for path in paths]

    def dates_after(self, ds: str) -> list[str]:
        """Later dates that readers see, by a manifest, in the catalogue or in a table of a format, ascending.

        Args:
            ds: logical date, YYYY-MM-DD.
        """
        dates = set(self.dates())
        if self.catalogue is not None:
            for table in filter(self.catalogue.has, CONTRACTS):
                dates |= set(self.catalogue.partitions(table))
        if self.commits is not None:
            dates |= self.commits.dates()
        return sorted(date for date in dates if date > ds)

    def manifest_before(self, ds: str) -> dict[str, Any] | None:
        """The manifest of the newest earlier published date.

        Args:
            ds: logical date, YYYY-MM-DD.
        """
        earlier = [date for date in self.dates() if date < ds]
        return self.manifest(earlier[-1]) if earlier else None

    def read(self, table: str, ds: str) -> DataFrame:
        """The published version of a table.

        Args:
            table: name of the table.
            ds: logical date, YYYY-MM-DD.

        Raises:
            PublishingError: nothing is published for the date.
        """
        manifest = self.manifest(ds)
        if manifest is None:
            raise PublishingError(
                f"nothing is published for {ds}",
                where=self.manifests.root,
                expected=f"the manifest {ds}.json",
                found=f"published dates: {', '.join(self.dates()) or 'none'}",
                hint=f"run jobs/nightly.py --ds {ds}",
            )
        return self.read_version(table, manifest["run_id"])

    def read_version(self, table: str, run_id: str) -> DataFrame:
        """The version of a run, whether readers see it or not.

        Args:
            table: name of the table.
            run_id: of the run.
        """
        return self.tables.spark.read.schema(TABLES[table]).parquet(files.literal(self.folder(table, run_id)))

    def folder(self, table: str, run_id: str) -> str:
        """The folder of a version, as Spark and the catalogue take it.

        Args:
            table: name of the table.
            run_id: of the run; it begins with its logical date.
        """
        record = self.record(run_id)
        format_name = self.format_name if record is None else record.get(FORMAT, PARQUET)
        return files.absolute(self.tables.spark, self.tables.path(version_folder(table, run_id, format_name)))

    def stage(self, df: DataFrame, table: str, ds: str, run_id: str) -> str:
        """Writes a version that no reader sees yet; returns its location as readers take it.

        Args:
            df: the rows.
            table: name of the table.
            ds: logical date, YYYY-MM-DD.
            run_id: of the run.

        Raises:
            PublishingError: the run has published before; its version is immutable.
        """
        if self.record(run_id) is not None:
            raise PublishingError(
                f"run {run_id} has published its tables before; they are never overwritten",
                where=self.records.path(run_id),
                expected="no record of the run",
                hint="start jobs/nightly.py or the job of a stage: they give a repeated run a new number",
            )
        version = version_folder(table, run_id, self.format_name)
        self.tables.write(df, version, TABLES[table])
        folder = files.absolute(self.tables.spark, self.tables.path(version))
        delete_checksums(folder)
        if self.mode is not None:
            files.set_mode(self.tables.spark, folder, self.mode)
        return reader_location(folder, files.absolute(self.tables.spark, "/"))

    def missing(self, record: dict[str, Any]) -> list[str]:
        """Locations of a record without a complete table.

        Args:
            record: of a run.
        """
        folders = [self.folder(table, record["run_id"]) for table in record["tables"]]
        return [folder for folder in folders if not files.exists(self.tables.spark, f"{folder}/_SUCCESS")]

    def stored(self, table: str) -> list[str]:
        """Runs that have a folder of the table, in whatever format.

        Args:
            table: name of the table.
        """
        spark = self.tables.spark
        dates = files.children(spark, self.tables.path(table), f"{c.DS}=*")
        folders = [path.rsplit("/", 1)[-1] for date in dates for path in files.children(spark, date)]
        return [name.removeprefix(f"{c.RUN_ID}=") for name in folders if not name.startswith((".", "_"))]

    def delete_version(self, table: str, run_id: str) -> None:
        """Deletes the files of a version, in whatever format.

        Args:
            table: name of the table.
            run_id: of a run that no manifest names.
        """
        for folder in version_folders(table, run_id):
            one_step.delete_table(self.tables.spark, self.tables.path(folder))

    def purge(self, run_id: str) -> None:
        """Deletes the versions of a run that no manifest names, then its record.

        Args:
            run_id: of the run.
        """
        record = self.record(run_id) or {"tables": {}}
        for table in record["tables"]:
            self.delete_version(table, run_id)
        files.delete(self.tables.spark, f"{self.records.path(run_id)}.json")
