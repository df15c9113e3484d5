"""The protocols by name: how each prepares its data, and the last day whose ratings train.

To add one: write a function in prepare.py and name it in PROTOCOLS (see README.md in this folder).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from bgmrec.config.study import StudySettings
from bgmrec.errors import SettingsError
from bgmrec.run.state import Run
from bgmrec.storage import columns as c
from bgmrec.study.prepare import (
    kuairand_music_days,
    movielens_cold,
    movielens_random,
    own_cold,
    own_days,
    own_given,
    own_random,
)
from bgmrec.study.trial import EvaluationSet, Trial


@dataclass(frozen=True)
class Protocol:
    """A protocol.

    Args:
        prepare: writes the split and the features; returns the data of the evaluation.
        data_set: folder in conf/ that holds its models; None: the settings of the command line define all.
        days: last training day by evaluated part; None: --ds says how far the ratings go.
        by_fraction: whether the share of training ratings varies.
        by_days: whether the last days up to --ds are evaluated.
        is_cold: whether cold items and cold users are reported separately.
    """

    prepare: Callable[[Trial, Run], EvaluationSet]
    data_set: str | None = None
    days: dict[str, date] | None = None
    by_fraction: bool = False
    by_days: bool = False
    is_cold: bool = False

    def last_day(self, trial: Trial, settings: StudySettings, ds: date | None) -> date:
        """The logical date of a trial: its last training day.

        Args:
            trial: what is measured.
            settings: `[study]`.
            ds: of the command line.

        Raises:
            SettingsError: the protocol needs --ds, which is missing.
        """
        if self.days is not None:
            return self.days[trial.part]
        if ds is None:
            raise SettingsError(
                f"the protocol {trial.protocol} needs the last day of the ratings",
                where="--ds",
                expected="--ds YYYY-MM-DD",
                found="no --ds",
                hint="give the date of the newest ratings that the study may read",
            )
        if not self.by_days:
            return ds
        return ds - timedelta(days=settings.test_days + (settings.valid_days if trial.part == c.VALID else 0))


PROTOCOLS = {
    "ml-1m-random": Protocol(
        movielens_random, "ml-1m", {c.TEST: date(2003, 3, 1), c.VALID: date(2003, 3, 1)}, by_fraction=True
    ),
    "ml-1m-cold": Protocol(
        movielens_cold, "ml-1m", {c.TEST: date(2003, 3, 1), c.VALID: date(2003, 3, 1)}, is_cold=True
    ),
    "kuairand-music-days": Protocol(
        kuairand_music_days, "kuairand", {c.TEST: date(2022, 5, 4), c.VALID: date(2022, 5, 1)}
    ),
    "random": Protocol(own_random, by_fraction=True),
    "given": Protocol(own_given),
    "days": Protocol(own_days, by_days=True),
    "cold": Protocol(own_cold, is_cold=True),
}
