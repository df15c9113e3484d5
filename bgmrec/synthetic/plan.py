"""The numbers of a world, and who has arrived by which day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

ITEMS_PER_ARTIST = 8
VIDEOS_PER_ITEM = 4  # at most; most music has fewer
# a video application's week, from Monday
_WEEKDAY_WEIGHTS = (0.95, 0.9, 0.95, 1.0, 1.15, 1.35, 1.3)


@dataclass(frozen=True)
class Arrivals:
    """Entities 0..total-1 in order of arrival: all but the new ones are there on day 0, the new ones come evenly."""

    total: int
    new_share: float
    days: int

    @property
    def old(self) -> int:
        return max(1, self.total - round(self.new_share * self.total))

    def day_of(self, ids: np.ndarray) -> np.ndarray:
        """(rows,) ids -> (rows,) the day from 0 on which each appears."""
        new = max(1, self.total - self.old)
        return np.where(ids < self.old, 0, 1 + (ids - self.old) * (self.days - 1) // new)

    def by(self, day: np.ndarray) -> np.ndarray:
        """(rows,) days -> (rows,) how many have appeared by then."""
        return self.old - (-day * (self.total - self.old) // (self.days - 1))


@dataclass(frozen=True)
class Plan:
    """Everything that a row of the world depends on, besides its id."""

    seed: int
    users: int
    items: int
    events: int
    days: int
    first_day: date
    dirty_share: float
    new_user_share: float
    new_item_share: float
    rated_share: float
    drift: float

    @property
    def artists(self) -> int:
        return max(1, self.items // ITEMS_PER_ARTIST)

    @property
    def user_arrivals(self) -> Arrivals:
        return Arrivals(self.users, self.new_user_share, self.days)

    @property
    def item_arrivals(self) -> Arrivals:
        return Arrivals(self.items, self.new_item_share, self.days)

    @property
    def last_day(self) -> date:
        return self.first_day + timedelta(days=self.days - 1)

    def dates(self) -> list[str]:
        """The days as ISO text."""
        return [str(self.first_day + timedelta(days=day)) for day in range(self.days)]

    def day_of_event(self, ids: np.ndarray) -> np.ndarray:
        """(rows,) event ids -> (rows,) days: ids rise with the days, weekends have more of them."""
        weekdays = (self.first_day.weekday() + np.arange(self.days)) % 7
        weights = np.asarray(_WEEKDAY_WEIGHTS)[weekdays]
        ends = np.floor(np.cumsum(weights) / weights.sum() * self.events + 0.5).astype(np.int64)
        return np.minimum(np.searchsorted(ends, ids, side="right"), self.days - 1)


def scattered(positions: np.ndarray, n: int) -> np.ndarray:
    """A fixed permutation of 0..n-1, so that popularity does not follow the order of arrival."""
    step = max(1, int(0.618 * n))
    while math.gcd(step, n) != 1:
        step += 1
    return (positions * step + n // 3) % n
