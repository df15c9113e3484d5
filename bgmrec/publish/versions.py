"""Published tables: written beside what readers see, then switched to.

Layout below `<root>/published`:

    <table>/ds=2025-01-31/run_id=<run>/part-….parquet   one immutable version per run
    _manifests/runs/<run>.json                          what a run published: tables, model, metrics
    _manifests/2025-01-31.json                          the run that is published for the date, and the replaced one
    _manifests/latest.json                              the newest published date: its tables and its model

A manifest is one file, replaced atomically for all tables and the model together; readers by path take locations
from it. Readers through the catalogue see the partition's location, switched right after. Nothing is deleted here: a
version that was replaced stays, so that a query under way can end and a rollback finds it, until jobs/retain.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from bgmrec.errors import PublishingError
from bgmrec.publish.catalogue import Catalogue
from bgmrec.publish.contracts import CONTRACTS
from bgmrec.storage import columns as c
from bgmrec.storage import files
from bgmrec.storage.schemas import TABLES
from bgmrec.storage.tables import Tables

MANIFESTS = "_manifests"
LATEST = "latest"


@dataclass(frozen=True)
class Versions:
    """The published tables below one root.

    Args:
        tables: the place `<root>/published`.
        database: of the session's catalogue that shows them too; none: files only.
        mode: of published files and manifests, 640 for example; none: as the file system gives it.
    """

    tables: Tables
    database: str | None
    mode: str | None = None

    @property
    def manifests(self) -> Tables:
        return self.tables.below(MANIFESTS)

    @property
    def records(self) -> Tables:
        return self.manifests.below("runs")

    @property
    def catalogue(self) -> Catalogue | None:
        return None if self.database is None else Catalogue(self.tables.spark, self.database)

    def manifest(self, ds: str) -> dict[str, Any] | None:
        """What is published for a logical date: a run's record, the run that it `replaced`, whether it was chosen."""
        return self.manifests.read_json(ds)

    def latest(self) -> dict[str, Any] | None:
        """The manifest of the newest published date."""
        return self.manifests.read_json(LATEST)

    def record(self, run_id: str) -> dict[str, Any] | None:
        """What a run published, whether readers still see it or not: `ds`, `run_id`, `tables`, `model` and facts."""
        return self.records.read_json(run_id)

    def runs(self, ds: str = "*") -> list[str]:
        """Runs that have a record, of one date or of all, rising."""
        found = files.glob(self.tables.spark, f"{self.records.root}/{ds}-*.json")
        return [path.rsplit("/", 1)[-1].removesuffix(".json") for path in found]

    def dates(self) -> list[str]:
        """Published logical dates, rising."""
        found = files.glob(self.tables.spark, f"{self.manifests.root}/????-??-??.json")
        return [path.rsplit("/", 1)[-1].removesuffix(".json") for path in found]

    def manifest_before(self, ds: str) -> dict[str, Any] | None:
        """What is published for the newest earlier logical date."""
        earlier = [date for date in self.dates() if date < ds]
        return self.manifest(earlier[-1]) if earlier else None

    def read(self, table: str, ds: str) -> DataFrame:
        """The published version of a table.

        Raises:
            PublishingError: nothing is published for the date.
        """
        manifest = self.manifest(ds)
        if manifest is None:
            raise PublishingError(
                f"nothing is published for {ds}",
                where=self.manifests.root,
                found=f"published dates: {', '.join(self.dates()) or 'none'}",
                hint=f"run jobs/nightly.py --ds {ds}",
            )
        return self.tables.spark.read.schema(TABLES[table]).parquet(manifest["tables"][table]["location"])

    def stage(self, df: DataFrame, table: str, ds: str, run_id: str) -> str:
        """Writes a version that nobody sees yet; returns its location.

        Raises:
            PublishingError: the run was published already; its version is immutable.
        """
        if self.record(run_id) is not None:
            raise PublishingError(
                f"run {run_id} was published already and cannot be written over",
                where=self.records.path(run_id),
                hint="a run that is made again gets a new number: begin it by jobs/nightly.py or the job of a stage",
            )
        version = self.tables.below(table).below(f"{c.DS}={ds}")
        version.write(df, f"{c.RUN_ID}={run_id}", TABLES[table])
        location = files.absolute(self.tables.spark, version.path(f"{c.RUN_ID}={run_id}"))
        if self.mode is not None:
            files.set_mode(self.tables.spark, location, self.mode)
        return location

    def promote(self, record: dict[str, Any], *, rolled_back: bool = False) -> None:
        """Makes a run's versions the published ones of its date, and `latest` where no later date is published.

        Interrupted anywhere, it ends in the same state when it is called again.

        Args:
            record: `ds`, `run_id`, `tables` (table → `location`, `rows`) and whatever else should be known.
            rolled_back: somebody chose this version; the manifest says so.

        Raises:
            PublishingError: the catalogue refused; everything is put back.
        """
        ds, run_id = record["ds"], record["run_id"]
        before = self.manifest(ds)
        replaced = _replaced(before, run_id)
        with self._put_back(ds, before):
            self._write(self.records, run_id, record)
            self._write(self.manifests, ds, {**record, "replaced": replaced, "rolled_back": rolled_back})
            self._point()
            self._show(ds)

    def missing(self, record: dict[str, Any]) -> list[str]:
        """Locations of a record that hold no whole table any more."""
        locations = [facts["location"] for facts in record["tables"].values()]
        return [store for store in locations if not files.exists(self.tables.spark, f"{store}/_SUCCESS")]

    def unpublish_after(self, ds: str) -> list[str]:
        """Takes all later dates away from readers, so that `latest` is this one; returns them.

        Their versions and records stay: `switch` with a record of theirs brings them back.
        """
        later = [date for date in self.dates() if date > ds]
        for date in later:
            files.delete(self.tables.spark, f"{self.manifests.path(date)}.json")
        self._point()
        self._show(ds)
        if self.catalogue is not None:
            for table in filter(self.catalogue.has, CONTRACTS):
                for date in self.catalogue.partitions(table):
                    if date > ds:
                        self.catalogue.drop_partition(table, date)
        return later

    def unpublish(self, ds: str) -> None:
        """Takes a date away from readers, first from the catalogue; its versions and records stay.

        `latest` is not looked at: it must name another date.
        """
        if self.catalogue is not None:
            for table in filter(self.catalogue.has, CONTRACTS):
                self.catalogue.drop_partition(table, ds)
        files.delete(self.tables.spark, f"{self.manifests.path(ds)}.json")

    def purge(self, run_id: str) -> None:
        """Deletes the versions of a run that no manifest names, then its record."""
        record = self.record(run_id) or {"tables": {}}
        for facts in record["tables"].values():
            files.delete(self.tables.spark, facts["location"])
        files.delete(self.tables.spark, f"{self.records.path(run_id)}.json")

    def _point(self) -> None:
        """`latest` follows the newest manifest; where another date is published meanwhile, it follows that one."""
        while (newest := self._newest()) != self.latest():
            if newest is None:
                files.delete(self.tables.spark, f"{self.manifests.path(LATEST)}.json")
            else:
                self._write(self.manifests, LATEST, newest)

    def _newest(self) -> dict[str, Any] | None:
        dates = self.dates()
        return self.manifest(dates[-1]) if dates else None

    def _write(self, store: Tables, name: str, document: dict[str, Any]) -> None:
        store.write_json(name, document)
        if self.mode is not None:
            files.set_mode(self.tables.spark, f"{store.path(name)}.json", self.mode)

    def _show(self, ds: str) -> None:
        """The catalogue follows the manifest of a date, and `latest`."""
        manifest, catalogue = self.manifest(ds), self.catalogue
        if catalogue is None or manifest is None:
            return
        for table, facts in manifest["tables"].items():
            catalogue.prepare(CONTRACTS[table], files.absolute(self.tables.spark, self.tables.path(table)))
            catalogue.set_partition(table, ds, facts["location"])
        shown = None
        while (latest := self.latest()) is not None and latest["ds"] != shown:
            for table in filter(catalogue.has, latest["tables"]):
                catalogue.set_current(CONTRACTS[table], latest["ds"])
            shown = latest["ds"]

    @contextmanager
    def _put_back(self, ds: str, before: dict[str, Any] | None) -> Iterator[None]:
        """Where the catalogue refuses, readers get what they had."""
        try:
            yield
        except (PySparkException, PublishingError) as error:
            if before is None:
                files.delete(self.tables.spark, f"{self.manifests.path(ds)}.json")
            else:
                self._write(self.manifests, ds, before)
            self._point()
            self._show_before(ds, before)
            raise PublishingError(
                f"the catalogue refused to switch {self.database} to another version of {ds}",
                where=f"database {self.database}",
                found=str(error).splitlines()[0],
                hint="check the metastore, then run the same command again; the former partitions stay published",
            ) from error

    def _show_before(self, ds: str, before: dict[str, Any] | None) -> None:
        catalogue = self.catalogue
        if catalogue is None:
            return
        for table in CONTRACTS:
            with suppress(PySparkException):  # the one that refused may refuse again
                if before is not None and table in before["tables"]:
                    catalogue.set_partition(table, ds, before["tables"][table]["location"])
                else:
                    catalogue.drop_partition(table, ds)


def _replaced(before: dict[str, Any] | None, run_id: str) -> str | None:
    """The run that a rollback of this one goes back to."""
    if before is None:
        return None
    replaced = before["replaced"] if before["run_id"] == run_id else before["run_id"]
    return None if replaced is None else str(replaced)
