"""Builds the problem that the rounds solve from settings, sizes and written blocks."""

from __future__ import annotations

from bgmrec.config.model import FactorizeSettings
from bgmrec.factorize.blocks.prepare import DataSizes
from bgmrec.factorize.kernels.terms import Regularisation
from bgmrec.storage.tables import Tables
from bgmrec.train.refit import Encoder
from bgmrec.train.rounds import Problem, Side


def make_problem(
    store: Tables,
    sizes: DataSizes,
    settings: FactorizeSettings,
    user_encoder: Encoder | None,
    item_encoder: Encoder | None,
) -> Problem:
    """The problem over the rating blocks that `prepare.write_blocks` wrote.

    Args:
        store: has `user_rating_blocks` and `item_rating_blocks`.
        sizes: sizes of the data.
        settings: `[factorize]`.
        user_encoder: gives the users' prior means; None: they are zero.
        item_encoder: gives the items' prior means; None: they are zero.
    """
    exponent = settings.reg_exponent
    user = Regularisation(settings.user_reg, settings.user_bias_reg, exponent)
    item = Regularisation(settings.item_reg, settings.item_bias_reg, exponent)
    return Problem(
        shape=sizes.shape(settings),
        user=Side("user", sizes.users, sizes.user_blocks, store.read("user_rating_blocks"), user, user_encoder),
        item=Side("item", sizes.items, sizes.item_blocks, store.read("item_rating_blocks"), item, item_encoder),
        unobserved_weight=settings.unobserved_weight if settings.mode == "implicit" else 0.0,
        cg_steps=settings.cg_steps,
        broadcast_bytes=settings.broadcast_bytes,
    )
