"""One result of a study, and what it is judged on.

No job of its own: a part of study.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Trial:
    """One result of a study.

    Args:
        protocol: by its name on the command line.
        model: a settings file below conf/<data set>/, or its path.
        fraction: of the ratings that train; none where the protocol has none.
        seed: of split and model.
        part: test or valid: what is judged.
        side_information: real, permuted or none.
        leak: whether the user encoder reads held-out ratings.
    """

    protocol: str
    model: str
    fraction: float | None
    seed: int
    part: str
    side_information: str
    leak: bool


class Parts(NamedTuple):
    """What a trial is judged on: ratings to predict or targets to hit, and the candidates of the lists."""

    held_out: DataFrame | None
    targets: DataFrame | None
    catalogue: DataFrame
