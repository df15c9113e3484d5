"""Settings of ids, and of the profile by which each run's input is compared with the runs before."""

from __future__ import annotations

from typing import Annotated, Literal

from bgmrec.config.base import AtLeastOne, FactorOrOff, NonNegativeOrOff, Section, ShareOrOff, Unit


class IdSettings(Section):
    """`[ids]`: how a source's value becomes an id, besides what holds for every source."""

    unicode_form: Literal["none", "nfc"] = "none"
    """`nfc`: ids of ratings, users, items and item lists, and keys of joins, that differ only by their Unicode normal
    form (é as one character, or as e and an accent) are one id, in the composed form. `none`: they are different ids,
    and a warning counts them."""


class ProfileSettings(Section):
    """`[profile]`: how much the input of a run may differ from the runs before. `"off"` disables a bound.

    A run is compared with the median of the runs before. Changes that chance explains in so few rows do not count.
    `publish.gate.input_changes` says what a change beyond a bound does.
    """

    runs: Annotated[AtLeastOne, Unit("runs")] = 7
    """Compare with so many runs before, the newest ones."""

    max_psi: NonNegativeOrOff = 0.25
    """Population stability index of the values of a field. Below 0.1 a distribution is taken for the same, above 0.25
    for another one."""

    max_share_change: ShareOrOff = 0.2
    """How far a share may rise or fall: rows rejected, nulls of a field, new ids, ids outside ASCII, rows of the most
    frequent id, files in an encoding that no run before had."""

    max_factor: FactorOrOff = 3.0
    """How many times as many, or as few, the rows kept and the distinct ids may be."""
