"""What the served user factors were solved from, as tables: whoever takes scores apart starts here."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame

from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.terms import Regularisation


@dataclass(frozen=True)
class Solved:
    """The last user half step and the items that are scored.

    Args:
        ratings: `schemas.RATING_BLOCKS` of the user side.
        priors: `schemas.FACTOR_BLOCKS` of the users' prior means; none: they are zero.
        before: the item factors that users were solved with.
        served: the item factors that scores are made of.
        user_blocks, item_blocks: blocks of either side.
        shape, regularisation: of the model and of its users.
        unobserved_weight: implicit mode's alpha0; 0 in explicit mode.
    """

    ratings: DataFrame
    priors: DataFrame | None
    before: DataFrame
    served: DataFrame
    user_blocks: int
    item_blocks: int
    shape: ModelShape
    regularisation: Regularisation
    unobserved_weight: float
