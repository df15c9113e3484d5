"""One measurement of a study, and the data that it is evaluated on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Trial:
    """One measurement of a study.

    Args:
        protocol: name on the command line.
        model: name of a settings file in conf/<data set>/, or its path.
        fraction: share of the ratings that train; None where the protocol fixes it.
        seed: of split and model.
        part: test or valid: the held-out part that the model is evaluated on.
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


class EvaluationSet(NamedTuple):
    """The data that a trial is evaluated on.

    Args:
        held_out: ratings to predict: user_idx, item_idx, rating; None: lists only.
        targets: hits that lists should contain: user_idx, item_idx; None: rating errors only.
        catalogue: candidates of the lists: item_idx, group_idx.
    """

    held_out: DataFrame | None
    targets: DataFrame | None
    catalogue: DataFrame
