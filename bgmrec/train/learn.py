"""Learns a model: all rounds, then all draws, from where an interrupted training stopped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.blocks.factors import solved_factors
from bgmrec.factorize.blocks.prepare import Sizes, measure, write_blocks, write_user_blocks
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.features.split import held_out_from
from bgmrec.features.trend import with_decay, with_trend
from bgmrec.recommend.candidates import candidate_items
from bgmrec.recommend.lists import FactorModel, seen_blocks
from bgmrec.run.state import Run
from bgmrec.runtime.session import BLOCKS_PER_BATCH
from bgmrec.sampler.feature_blocks import Known
from bgmrec.sampler.sample import sample
from bgmrec.storage import columns as c
from bgmrec.storage.models import StoredModel
from bgmrec.storage.tables import Tables
from bgmrec.train.checkpoint import Checkpoints, TrainState
from bgmrec.train.encoders import make_item_encoder, make_user_encoder
from bgmrec.train.finish import final_rounds
from bgmrec.train.linear import LinearEncoder, make_linear_encoder
from bgmrec.train.problem import make_problem
from bgmrec.train.rounds import AfterRound, Problem, Validate, run_rounds
from bgmrec.train.start import write_start
from bgmrec.train.validation import ndcg_validator, rmse_validator, write_hits

LEARNT_BY = ("factorize", "trend", "user_encoder", "item_encoder")  # settings that another model would come of


@dataclass(frozen=True)
class Learned:
    """What the rounds leave behind.

    Args:
        problem: that was solved.
        state: of the training.
        best: folder of the best round.
        sizes: of the night.
        factors: `user_factors` and `item_factors` to judge: the best round's, or the averaged draws'.
        shape: of them.
        valid: their validation value; none: nothing was validated.
        heard: `schemas.RATING_BLOCKS` of the training ratings, user side.
    """

    problem: Problem
    state: TrainState
    best: Tables
    sizes: Sizes
    factors: dict[str, DataFrame]
    shape: ModelShape
    valid: float | None
    seen: DataFrame


def learn(
    run: Run,
    scratch: Tables | None = None,
    after_round: AfterRound | None = None,
    leaked: DataFrame | None = None,
) -> Learned:
    """All rounds, then all draws, from where an interrupted training stopped.

    Args:
        run: the night, a study's or a trial's.
        scratch: keeps blocks, rounds and draws; none: the scratch of the run's train stage.
        after_round: told the state after every round.
        leaked: ratings that the user encoder reads instead of the training ones: a study that measures a leak gives
            them, no setting can.
    """
    settings, scratch = run.settings, scratch or run.scratch("train")
    ratings = run.work.read("ratings_split")
    index = (run.work.read("user_index"), run.work.read("item_index"))
    sizes = measure(scratch, ratings, *index, settings.factorize, settings.train.minimum_ratings)
    run.progress.update("train", users=sizes.users, items=sizes.items, ratings=sizes.train, step="preparing")
    train = ratings.where(f.col(c.PART) == c.TRAIN)
    problem = _problem(run, scratch, train, leaked, sizes)
    checkpoints = Checkpoints(scratch)
    previous = run.warm_model()
    warm = write_start(
        checkpoints.of_round(0),
        sizes.items,
        sizes.item_blocks,
        problem.shape,
        seed=settings.seed,
        scale=settings.factorize.init_scale,
        previous=previous,
    )
    encoders = _warm_encoders(run, checkpoints.of_round(0), problem, previous if warm else None)
    run.summary.add("train", warm_start=warm, warm_encoders=encoders)
    is_warm = previous is not None and warm and _learns_as(run, previous) and _all_warm(problem, encoders)
    rounds = settings.train.warm_rounds if is_warm else settings.train.rounds
    if sizes.valid:
        _write_held_out(run, scratch, ratings.where(f.col(c.PART) == c.VALID), sizes)
    # a warm night of one round has nothing to choose: evaluate judges its model by the same ratings
    chooses = sizes.valid and not (is_warm and rounds == 1)
    state = run_rounds(
        problem,
        checkpoints,
        rounds=rounds,
        patience=settings.train.patience,
        validate=_validator(run, scratch, train, sizes, problem.shape) if chooses else None,
        progress=run.progress,
        after_round=after_round,
    )
    seen = seen_blocks(run, scratch, train, sizes)
    best, shape = checkpoints.of_round(state.best_round), problem.shape
    made = {f"{side}_factors": solved_factors(best, side) for side in ("user", "item")}
    valid = state.history[state.best_round - 1]["valid"]
    if settings.bayes.draws:
        made, shape = _sampled(run, scratch.below("chain"), scratch, best, sizes)
        if sizes.valid:
            valid = _validator(run, scratch, train, sizes, shape)(made["user_factors"], made["item_factors"])
        run.progress.done("bayes", map=state.best_value, valid=valid)
    return Learned(problem, state, best, sizes, made, shape, valid, seen)


def _learns_as(run: Run, previous: StoredModel) -> bool:
    """Whether the settings still ask for the model that the earlier night learnt."""
    now, before = run.settings.model_dump(mode="json"), previous.facts["settings"]
    return all(now[name] == before.get(name) for name in LEARNT_BY)


def _all_warm(problem: Problem, encoders: list[str]) -> bool:
    return all(side.encoder is None or side.name in encoders for side in (problem.user, problem.item))


def _warm_encoders(run: Run, store: Tables, problem: Problem, previous: StoredModel | None) -> list[str]:
    """The encoders that go on from last night's weights: those that see the same features in the same places."""
    if previous is None or previous.tables.read_json("fitted_features") != run.work.document("fitted_features"):
        return []
    sides = (problem.user, problem.item)
    return [
        side.name
        for side in sides
        if side.encoder is not None
        and side.encoder.warm_start(previous.weights(side.encoder.file.removesuffix(".safetensors")), store)
    ]


def _sampled(
    run: Run, store: Tables, rated: Tables, best: Tables, sizes: Sizes
) -> tuple[dict[str, DataFrame], ModelShape]:
    """The averaged draws of a chain over the rating blocks in `rated`."""
    sampled = sample(store, Known(run.work, rated, best, sizes, run.settings), run.progress)
    return {"user_factors": sampled.user_factors, "item_factors": sampled.item_factors}, sampled.shape


def _problem(run: Run, scratch: Tables, train: DataFrame, leaked: DataFrame | None, sizes: Sizes) -> Problem:
    fitted = run.work.document("fitted_features")
    end = (held_out_from(run.settings.split, run.end) if sizes.valid else None) or run.end
    write_blocks(scratch, _timed(run, train, end), sizes)
    linear = _linear_encoders(run, scratch, sizes)
    item_features, tokens = run.work.read("item_features"), run.work.read("item_tokens")
    return make_problem(
        scratch,
        sizes,
        run.settings.factorize,
        linear["user"]
        or make_user_encoder(scratch, run.settings, sizes, run.work.read("user_features"), train, leaked),
        linear["item"]
        or make_item_encoder(scratch, run.settings, sizes, item_features, tokens, fitted["vocabulary"], train),
    )


def _timed(run: Run, ratings: DataFrame, end: datetime) -> DataFrame:
    """Ratings as the model learns them: weights by age, preferences by demand."""
    weighed = with_decay(ratings, run.settings.factorize.weight_half_life_days, end)
    return with_trend(weighed, run.settings.trend, end)


def _linear_encoders(run: Run, scratch: Tables, sizes: Sizes) -> dict[str, LinearEncoder | None]:
    known, store = Known(run.work, scratch, scratch, sizes, run.settings), scratch.below("linear")
    user, item = run.settings.user_encoder, run.settings.item_encoder
    return {
        "user": make_linear_encoder(store, known, "user", user.linear) if user.kind == "linear" else None,
        "item": make_linear_encoder(store, known, "item", item.linear) if item.kind == "linear" else None,
    }


def _write_held_out(run: Run, scratch: Tables, valid: DataFrame, sizes: Sizes) -> None:
    """What the rounds and evaluate measure on."""
    settings = run.settings
    if settings.train.metric == "rmse" or settings.factorize.mode == "explicit":
        write_user_blocks(scratch, "valid_rating_blocks", valid, sizes)
    if settings.train.metric != "rmse":
        write_hits(run, scratch, valid)


def _validator(run: Run, scratch: Tables, train: DataFrame, sizes: Sizes, shape: ModelShape) -> Validate:
    settings = run.settings
    if settings.train.metric == "rmse":
        return rmse_validator(
            scratch.read("valid_rating_blocks"),
            shape,
            item_blocks=sizes.item_blocks,
            broadcast_bytes=settings.factorize.broadcast_bytes,
            clip=settings.evaluate.clip,
            blocks_per_batch=BLOCKS_PER_BATCH,
        )
    return ndcg_validator(
        run,
        scratch,
        train,
        seen_blocks(run, scratch, train, sizes),
        candidate_items(run, scratch, run.work.read("item_index")),
        lambda users, items: FactorModel(users, items, shape, sizes.user_blocks, sizes.item_blocks),
        sizes.user_blocks,
        settings.train.metric_k,
    )


def served_factors(run: Run, learned: Learned) -> dict[str, DataFrame]:
    """The factors to serve: learned once more on all ratings, the validation ones too."""
    settings, problem, sizes = run.settings, learned.problem, learned.sizes
    if not (sizes.valid and settings.train.final_rounds):
        return learned.factors
    run.progress.update("train", step="final rounds", ratings=sizes.train + sizes.valid)
    write_blocks(run.work, _timed(run, run.work.read("ratings_split"), run.end), sizes)
    if settings.bayes.draws:
        return _sampled(run, run.scratch("train").below("final-chain"), run.work, learned.best, sizes)[0]
    everything = make_problem(run.work, sizes, settings.factorize, problem.user.encoder, problem.item.encoder)
    served = final_rounds(everything, learned.best, run.scratch("train"), settings.train.final_rounds)
    return {f"{side}_factors": solved_factors(served, side) for side in ("user", "item")}
