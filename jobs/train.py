"""Learns the model of one logical date and stores it under models/<run_id>.

Rounds of user half step, item half step, refit of both encoders and validation, stopped early on the best
validation value; a checkpoint after every round lets an interrupted training go on. The best round's model is what
jobs/evaluate.py judges. train.final_rounds more half steps on all ratings, the validation ones too, make the
model that is served.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from ranking import FactorModel, heard_blocks, ndcg_validator
from recommend import shown_items

from bgmrec import columns as c
from bgmrec.job import run_job
from bgmrec.run import Run, fingerprint
from bgmrec.tables import Tables
from bgmrec.train.checkpoint import Checkpoints, TrainState
from bgmrec.train.encoders import make_item_encoder, make_user_encoder
from bgmrec.train.finish import final_rounds, judged_facts, store_model
from bgmrec.train.prepare import Sizes, measure, write_blocks, write_pair_blocks
from bgmrec.train.problem import make_problem
from bgmrec.train.rounds import BLOCKS_PER_BATCH, Problem, Validate, factors, run_rounds
from bgmrec.train.start import write_start
from bgmrec.train.validation import rmse_validator


@dataclass(frozen=True)
class Learned:
    """What the rounds leave behind.

    Args:
        problem: that was solved.
        state: of the training.
        best: folder of the best round.
        sizes: of the night.
        heard: `schemas.RATING_BLOCKS` of the training ratings, user side.
    """

    problem: Problem
    state: TrainState
    best: Tables
    sizes: Sizes
    heard: DataFrame


def stage(run: Run) -> None:
    """Writes the model and, for the evaluation, the best round's factors."""
    learned = learn(run)
    best = learned.state.history[learned.state.best_round - 1]
    facts = {"rounds": learned.state.round, "best_round": learned.state.best_round, "valid": best["valid"]}
    run.summary.add("train", **facts)
    _finish(run, learned)


def learn(run: Run) -> Learned:
    """All rounds, from where an interrupted training stopped."""
    settings, scratch = run.settings, run.scratch("train")
    ratings = run.work.read("ratings_split")
    index = (run.work.read("user_index"), run.work.read("item_index"))
    sizes = measure(scratch, ratings, *index, settings.factorize, settings.train.minimum_ratings)
    run.progress.update("train", users=sizes.users, items=sizes.items, ratings=sizes.train, step="preparing")
    problem = _problem(run, ratings.where(f.col(c.PART) == c.TRAIN), sizes)
    checkpoints = Checkpoints(scratch)
    warm = write_start(
        checkpoints.place(0),
        sizes.items,
        sizes.item_blocks,
        problem.shape,
        seed=settings.seed,
        scale=settings.factorize.init_scale,
        previous=run.previous_model() if settings.train.warm_start else None,
    )
    run.summary.add("train", warm_start=warm)
    state = run_rounds(
        problem,
        checkpoints,
        rounds=settings.train.rounds,
        patience=settings.train.patience,
        validate=_validator(run, ratings, sizes, problem) if sizes.valid else None,
        progress=run.progress,
    )
    heard = heard_blocks(run, scratch, ratings.where(f.col(c.PART) == c.TRAIN), sizes)
    return Learned(problem, state, checkpoints.place(state.best_round), sizes, heard)


def _problem(run: Run, train: DataFrame, sizes: Sizes) -> Problem:
    scratch, fitted = run.scratch("train"), run.work.document("fitted_features")
    write_blocks(scratch, train, sizes)
    item_features, tokens = run.work.read("item_features"), run.work.read("item_tokens")
    return make_problem(
        scratch,
        sizes,
        run.settings.factorize,
        make_user_encoder(scratch, run.settings, sizes, run.work.read("user_features"), train),
        make_item_encoder(scratch, run.settings, sizes, item_features, tokens, fitted["vocabulary"], train),
    )


def _validator(run: Run, ratings: DataFrame, sizes: Sizes, problem: Problem) -> Validate:
    settings, scratch = run.settings, run.scratch("train")
    valid = ratings.where(f.col(c.PART) == c.VALID)
    write_pair_blocks(scratch, "valid_rating_blocks", valid, sizes)
    if settings.train.metric == "rmse":
        return rmse_validator(
            scratch.read("valid_rating_blocks"),
            problem.shape,
            item_blocks=sizes.item_blocks,
            broadcast_bytes=settings.factorize.broadcast_bytes,
            clip=settings.evaluate.clip,
            blocks_per_batch=BLOCKS_PER_BATCH,
        )
    train = ratings.where(f.col(c.PART) == c.TRAIN)
    return ndcg_validator(
        run,
        train,
        heard_blocks(run, scratch, train, sizes),
        valid.where(f.col(c.RATING) >= settings.evaluate.relevant_rating).select(c.USER_IDX, c.ITEM_IDX),
        shown_items(run, run.work.read("item_index")),
        lambda users, items: FactorModel(users, items, problem.shape, sizes.user_blocks, sizes.item_blocks),
        settings.train.metric_k,
    )


def _finish(run: Run, learned: Learned) -> None:
    """The judged factors, the served ones, and the model store."""
    settings, problem, sizes, best = run.settings, learned.problem, learned.sizes, learned.best
    for side in ("user", "item"):
        run.work.write(factors(best, side), f"judged_{side}_factors")
    run.work.write_json("judged", judged_facts(problem, sizes))
    run.progress.update("train", step="final rounds", ratings=sizes.train + sizes.valid)
    write_blocks(run.work, run.work.read("ratings_split"), sizes)
    everything = make_problem(run.work, sizes, settings.factorize, problem.user.encoder, problem.item.encoder)
    served = final_rounds(everything, best, run.scratch("train"), settings.train.final_rounds if sizes.valid else 0)
    store_model(
        run.models,
        run.run_id,
        served=served,
        best=best,
        work=run.work,
        problem=problem,
        sizes=sizes,
        facts={
            "ds": str(run.ds),
            "mode": settings.factorize.mode,
            "fingerprint": fingerprint(settings),
            "best_round": learned.state.best_round,
            "history": list(learned.state.history),
            "settings": settings.model_dump(mode="json"),
        },
    )


def main(argv: Sequence[str] | None = None) -> int:
    return run_job("train", __doc__, stage, argv)


if __name__ == "__main__":
    sys.exit(main())
