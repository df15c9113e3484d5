"""Finds the tables of the half step that the served user factors come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.terms import Regularisation
from bgmrec.factorize.user_step import UserStep
from bgmrec.run.state import Run
from bgmrec.storage.models import StoredModel
from bgmrec.storage.tables import Tables
from bgmrec.train.checkpoint import Checkpoints


@dataclass(frozen=True)
class UserStepFolders:
    """The folders with the inputs of the served user factors' half step.

    Args:
        ratings: has `user_rating_blocks`.
        items: has `item_half_step`, the item factors of that half step; the served ones are half a round newer.
        priors: has `user_prior`, unless there was no encoder yet.
    """

    ratings: Tables
    items: Tables
    priors: Tables


def user_step_folders(work: Tables, scratch: Tables, facts: dict[str, Any], final: int) -> UserStepFolders:
    """The folders that the run's served user factors come from.

    Without final rounds the best round's factors are served. If the round before it has been deleted, the best round's
    own item factors and prior means are used, which are nearly the same.

    Args:
        work: working tables of the run.
        scratch: scratch of the training.
        facts: facts of the stored model.
        final: `train.final_rounds`.
    """
    best, before = (
        Checkpoints(scratch).round_folder(number) for number in (facts["best_round"], facts["best_round"] - 1)
    )
    if facts["valid"] and final:
        return UserStepFolders(work, scratch.below(f"final-{final - 1}") if final > 1 else best, best)
    origin = before if before.exists("item_half_step") else best
    return UserStepFolders(scratch, origin, origin)


def last_user_step(run: Run, stored: StoredModel) -> UserStep:
    """The tables of the half step that the served user factors come from.

    Args:
        run: the run.
        stored: its stored model.
    """
    facts, factorize = stored.facts, run.settings.factorize
    folders = user_step_folders(run.work, run.scratch("train"), facts, run.settings.train.final_rounds)
    return UserStep(
        ratings=folders.ratings.read("user_rating_blocks"),
        priors=folders.priors.read("user_prior") if folders.priors.exists("user_prior") else None,
        before=folders.items.read("item_half_step"),
        served=stored.table("item_factors"),
        user_blocks=facts["user_blocks"],
        item_blocks=facts["item_blocks"],
        shape=ModelShape(**facts["shape"]),
        regularisation=Regularisation(factorize.user_reg, factorize.user_bias_reg, factorize.reg_exponent),
        unobserved_weight=factorize.unobserved_weight if factorize.mode == "implicit" else 0.0,
    )
