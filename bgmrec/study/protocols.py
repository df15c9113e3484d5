"""The protocols by name: how each is prepared, and which day is the last one that trains.

No job of its own: a part of study.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from bgmrec.config.study import StudySettings
from bgmrec.errors import SettingsError
from bgmrec.run.state import Run
from bgmrec.storage import columns as c
from bgmrec.study.parts import (
    cold_ratings,
    later_days,
    published_cold,
    published_music,
    published_ratings,
    random_ratings,
)
from bgmrec.study.trial import Parts, Trial


@dataclass(frozen=True)
class Protocol:
    """How a protocol's parts are made.

    Args:
        prepare: writes the split and the features; returns what is judged.
        data_set: folder below conf/ with its models; none: the command line's settings say all.
        days: last day that trains, by judged part; none: --ds says how far the ratings go.
        by_fraction: whether training fractions are varied.
        by_days: whether the last days up to --ds are judged.
        is_cold: whether cold items and users are judged apart.
    """

    prepare: Callable[[Trial, Run], Parts]
    data_set: str | None = None
    days: dict[str, date] | None = None
    by_fraction: bool = False
    by_days: bool = False
    is_cold: bool = False

    def last_day(self, trial: Trial, settings: StudySettings, ds: date | None) -> date:
        """The logical date of a trial: the last day that trains.

        Raises:
            SettingsError: the protocol has no days of its own, and none is given.
        """
        if self.days is not None:
            return self.days[trial.part]
        if ds is None:
            raise SettingsError(
                f"the protocol {trial.protocol} needs the last day of the ratings",
                where="--ds",
                expected="--ds YYYY-MM-DD",
                found="nothing",
            )
        if not self.by_days:
            return ds
        return ds - timedelta(days=settings.test_days + (settings.valid_days if trial.part == c.VALID else 0))


PROTOCOLS = {
    "ml-1m-random": Protocol(
        published_ratings, "ml-1m", {c.TEST: date(2003, 3, 1), c.VALID: date(2003, 3, 1)}, by_fraction=True
    ),
    "ml-1m-cold": Protocol(
        published_cold, "ml-1m", {c.TEST: date(2003, 3, 1), c.VALID: date(2003, 3, 1)}, is_cold=True
    ),
    "kuairand-music-days": Protocol(published_music, "kuairand", {c.TEST: date(2022, 5, 4), c.VALID: date(2022, 5, 1)}),
    "random": Protocol(random_ratings, by_fraction=True),
    "days": Protocol(later_days, by_days=True),
    "cold": Protocol(cold_ratings, is_cold=True),
}
