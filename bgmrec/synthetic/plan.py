"""The sizes and shares of a world, and the days on which its entities arrive."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

ITEMS_PER_ARTIST = 8
VIDEOS_PER_ITEM = 4  # at most; most items have fewer
# activity of a video application by weekday, from Monday
_WEEKDAY_WEIGHTS = (0.95, 0.9, 0.95, 1.0, 1.15, 1.35, 1.3)


@dataclass(frozen=True)
class Arrivals:
    """Entities 0..total-1 in order of arrival: old ones exist on day 0, new ones arrive evenly over the days.

    Args:
        total: number of entities.
        new_share: share of new ones.
        days: of the world.
    """

    total: int
    new_share: float
    days: int

    @property
    def old(self) -> int:
        """Number of entities on day 0."""
        return max(1, self.total - round(self.new_share * self.total))

    def day_of(self, ids: np.ndarray) -> np.ndarray:
        """(rows,) the day of arrival of each entity, from 0.

        Args:
            ids: (rows,) entities.
        """
        new = max(1, self.total - self.old)
        return np.where(ids < self.old, 0, 1 + (ids - self.old) * (self.days - 1) // new)

    def by(self, day: np.ndarray) -> np.ndarray:
        """(rows,) the number of entities that have arrived by each day.

        Args:
            day: (rows,) days.
        """
        return self.old - (-day * (self.total - self.old) // (self.days - 1))


@dataclass(frozen=True)
class WorldPlan:
    """What every row of the world depends on, besides its id: the settings of `[world]` and the seed."""

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
        """Number of artists."""
        return max(1, self.items // ITEMS_PER_ARTIST)

    @property
    def user_arrivals(self) -> Arrivals:
        """Arrivals of the users."""
        return Arrivals(self.users, self.new_user_share, self.days)

    @property
    def item_arrivals(self) -> Arrivals:
        """Arrivals of the items."""
        return Arrivals(self.items, self.new_item_share, self.days)

    @property
    def last_day(self) -> date:
        """The last day of the log."""
        return self.first_day + timedelta(days=self.days - 1)

    def dates(self) -> list[str]:
        """The days as YYYY-MM-DD."""
        return [str(self.first_day + timedelta(days=day)) for day in range(self.days)]

    def day_of_event(self, ids: np.ndarray) -> np.ndarray:
        """(rows,) the day of each event; ids rise with the days, and weekends have more events.

        Args:
            ids: (rows,) events.
        """
        weekdays = (self.first_day.weekday() + np.arange(self.days)) % 7
        weights = np.asarray(_WEEKDAY_WEIGHTS)[weekdays]
        ends = np.floor(np.cumsum(weights) / weights.sum() * self.events + 0.5).astype(np.int64)
        return np.minimum(np.searchsorted(ends, ids, side="right"), self.days - 1)


def scattered(positions: np.ndarray, n: int) -> np.ndarray:
    """A fixed permutation of 0..n-1, so that popularity is independent of arrival.

    Args:
        positions: of any shape, in 0..n-1.
        n: number of positions.
    """
    step = max(1, int(0.618 * n))
    while math.gcd(step, n) != 1:
        step += 1
    return (positions * step + n // 3) % n
