"""The tables of the last user half step, from which scores are decomposed into reasons."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame

from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.terms import Regularisation


@dataclass(frozen=True)
class UserStep:
    """The inputs of the last user half step, and the item factors that are served.

    Args:
        ratings: `schemas.RATING_BLOCKS` of the user side.
        priors: `schemas.FACTOR_BLOCKS`, prior means of the users; None: they are zero.
        before: the item factors that the users were solved with.
        served: the item factors that scores are computed with.
        user_blocks: blocks of the user side.
        item_blocks: blocks of the item side.
        shape: shape of the model.
        regularisation: of the user side.
        unobserved_weight: alpha0 of implicit mode; 0 in explicit mode.
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
