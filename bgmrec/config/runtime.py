"""Settings of where and how a job runs: paths, lock, Spark, the generated world."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from bgmrec.config.base import AtLeastOne, Items, MayBeBlank, Name, NonNegative, Section, Share, Unit, Users
from bgmrec.config.export import Address


class PathSettings(Section):
    """`[paths]`: where bgmrec writes, and where raw data lies."""

    root: str = "build/bgmrec"
    """Folder, local or of any file system that Spark knows, below which bgmrec keeps working tables, models, published
    tables and summaries. On a cluster a URI (hdfs://, s3a://) or a path that all machines share."""

    data: str = "build/world"
    """Stands for `{data}` in the paths of sources."""


class RuntimeSettings(Section):
    """`[runtime]`: what keeps two runs of one logical date apart."""

    lock: Literal["file", "postgres", "none"] = "file"
    """`file`: a file below `paths.root`, on a file system that guarantees it (jobs/README.md); on others the run is
    refused. `postgres`: a row of a PostgreSQL table. `none`: nothing; the scheduler must never start two runs of a date
    at once. All jobs below one root need the same value."""

    lock_address: Address = None
    """Connection string of libpq for `postgres`, for example `"host=db dbname=ops user=bgmrec password=${PGPASSWORD}"`.
    `${NAME}` is taken from the environment; a password in plain text is refused."""

    lock_schema: Name = "bgmrec"
    """Schema of the table `run_locks`; both are created if they are missing."""


class SparkSettings(Section):
    """`[spark]`: the Spark session. What spark-submit sets wins over this section."""

    master: str | None = None
    """Spark master under plain Python, for example `local[8]`. Not set: `local[2]`. spark-submit sets its own."""

    shuffle_partitions: Annotated[AtLeastOne, Unit("partitions")] = 4
    """Tasks of a shuffle: 2 to 3 times the cores of the cluster. The default suits 2 cores."""

    conf: Annotated[dict[str, str], MayBeBlank()] = {}
    """Any Spark setting, for example `"spark.driver.memory" = "4g"`; wins over bgmrec's own defaults
    (bgmrec/runtime/session.py gives their reasons). On the command line: `--set
    'spark.conf."spark.driver.memory"=4g'`."""


class WorldSettings(Section):
    """`[world]`: the generated BGM world of `make demo`, the tests and the benchmarks."""

    users: Users = 2000
    """Users with events."""

    items: Items = 600
    """Music tracks."""

    events: Annotated[AtLeastOne, Unit("events")] = 60_000
    """Events (plays and ratings) over all days."""

    days: Annotated[AtLeastOne, Unit("days")] = Field(14, ge=2)
    """Days of the log."""

    first_day: date = date(2025, 3, 1)
    """First day of the log. With 14 days the last one is 2025-03-14, the logical date of the demo."""

    rated_share: Share = 0.6
    """Share of the plays that end with a rating."""

    drift: Annotated[NonNegative, Unit("log-odds")] = 1.0
    """How far fashion moves the popularity of a genre up and down over the days. 0: no fashion."""

    dirty_share: Share = 0.01
    """Share of broken or hostile rows in the log and the crawls."""

    new_user_share: Share = 0.15
    """Share of the users that appear after the first day, evenly over the days."""

    new_item_share: Share = 0.15
    """The same for tracks: these are the cold items."""

    partitions: Annotated[AtLeastOne, Unit("tasks")] = 4
    """Spark tasks that generate a table, and files of it; the rows do not depend on it."""
