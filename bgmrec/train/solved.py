"""What the served user factors were solved from, for whoever explains a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.terms import Regularisation
from bgmrec.factorize.solved import Solved
from bgmrec.run.state import Run
from bgmrec.storage.models import StoredModel
from bgmrec.storage.tables import Tables
from bgmrec.train.checkpoint import Checkpoints


@dataclass(frozen=True)
class ServedFrom:
    """The folders of what the served user factors were solved from, for whoever takes a score apart.

    Args:
        ratings: has `user_rating_blocks`.
        items: has `item_half_step`, the item factors of that moment: the served ones are newer by half a round.
        priors: has `user_prior`, unless there was no encoder yet.
    """

    ratings: Tables
    items: Tables
    priors: Tables


def served_from(work: Tables, scratch: Tables, facts: dict[str, Any], final: int) -> ServedFrom:
    """Where the night's user factors come from.

    Without final rounds the best round's own factors are served, and the round before it may be gone: then its own
    item factors and prior means stand for those that it was solved from, nearly the same.

    Args:
        work: working tables of the night.
        scratch: of its training.
        facts: of the stored model.
        final: train.final_rounds.
    """
    best, before = (Checkpoints(scratch).of_round(number) for number in (facts["best_round"], facts["best_round"] - 1))
    if facts["valid"] and final:
        return ServedFrom(work, scratch.below(f"final-{final - 1}") if final > 1 else best, best)
    known = before if before.exists("item_half_step") else best
    return ServedFrom(scratch, known, known)


def solved_tables(run: Run, stored: StoredModel) -> Solved:
    """What the served user factors were solved from."""
    facts, own = stored.facts, run.settings.factorize
    origin = served_from(run.work, run.scratch("train"), facts, run.settings.train.final_rounds)
    return Solved(
        ratings=origin.ratings.read("user_rating_blocks"),
        priors=origin.priors.read("user_prior") if origin.priors.exists("user_prior") else None,
        before=origin.items.read("item_half_step"),
        served=stored.table("item_factors"),
        user_blocks=facts["user_blocks"],
        item_blocks=facts["item_blocks"],
        shape=ModelShape(**facts["shape"]),
        regularisation=Regularisation(own.user_reg, own.user_bias_reg, own.reg_exponent),
        unobserved_weight=own.unobserved_weight if own.mode == "implicit" else 0.0,
    )
