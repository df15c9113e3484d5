"""Settings of where and how a job runs: paths, Spark, the generated world."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from bgmrec.config.base import AtLeastOne, NonNegative, Section, Share


class PathSettings(Section):
    """`[paths]`: the root under which bgmrec keeps everything, and where raw data lies."""

    root: str = "build/bgmrec"
    data: str = "build/world"


class SparkSettings(Section):
    """`[spark]`: master and configuration; spark-submit's own settings win over `conf`."""

    master: str | None = None  # under plain Python; none: local[2]. spark-submit has a master of its own
    app_name: str = "bgmrec"
    shuffle_partitions: AtLeastOne = 4
    conf: dict[str, str] = {}


class WorldSettings(Section):
    """`[world]`: the generated BGM world."""

    users: AtLeastOne = 2000
    items: AtLeastOne = 600
    events: AtLeastOne = 60_000
    days: AtLeastOne = Field(14, ge=2)
    first_day: date = date(2025, 3, 1)
    rated_share: Share = 0.6  # of the plays end with a rating
    drift: NonNegative = 1.0  # how far fashion moves a genre's log-odds up and down over the days
    dirty_share: Share = 0.01  # of the log's rows, and of the crawls
    new_user_share: Share = 0.15  # of the users appear after the first day
    new_item_share: Share = 0.15
    partitions: AtLeastOne = 4
