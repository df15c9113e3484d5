"""Learns a model: all rounds, then all draws. An interrupted training resumes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.config.model import LinearSettings
from bgmrec.factorize.blocks.factors import solved_factors
from bgmrec.factorize.blocks.prepare import DataSizes, measure, write_blocks, write_user_blocks
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.features.fitted import FittedFeatures
from bgmrec.features.split import held_out_from
from bgmrec.features.trend import with_decay, with_trend
from bgmrec.recommend.candidates import candidate_items
from bgmrec.recommend.lists import FactorModel, seen_blocks
from bgmrec.run.state import Run
from bgmrec.runtime.session import BLOCKS_PER_BATCH
from bgmrec.sampler.feature_blocks import FeatureInputs
from bgmrec.sampler.sample import sample
from bgmrec.storage import columns as c
from bgmrec.storage.models import StoredModel
from bgmrec.storage.tables import Tables
from bgmrec.train.checkpoint import Checkpoints, TrainState
from bgmrec.train.encoders import (
    make_item_encoder,
    make_user_encoder,
    uses_asdae,
    uses_text_cnn,
    write_item_inputs,
    write_user_inputs,
)
from bgmrec.train.finish import final_rounds
from bgmrec.train.linear import LinearEncoder, make_linear_encoder
from bgmrec.train.problem import make_problem
from bgmrec.train.refit import Encoder
from bgmrec.train.rounds import AfterRound, Problem, Validate, run_rounds
from bgmrec.train.start import write_start
from bgmrec.train.validation import ndcg_validator, rmse_validator, write_hits

MODEL_SECTIONS = ("factorize", "trend", "user_encoder", "item_encoder")  # settings that define the learned model


@dataclass(frozen=True)
class Learned:
    """The result of the rounds and draws.

    Args:
        problem: the solved problem.
        state: state of the training after the last round.
        best: folder of the best round.
        sizes: sizes of the data.
        factors: `user_factors` and `item_factors` to evaluate: of the best round, or the averaged draws.
        shape: shape of these factors.
        valid: their validation value; None: no validation.
        seen: `schemas.RATING_BLOCKS` of the training ratings, user side.
    """

    problem: Problem
    state: TrainState
    best: Tables
    sizes: DataSizes
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
    """Runs all rounds, then all draws; an interrupted training resumes. Actions.

    Args:
        run: the run of a logical date, of a study or of a trial.
        scratch: keeps blocks, rounds and draws; None: the scratch of the run's train stage.
        after_round: called with the state after every round.
        leaked: ratings that the user encoder reads instead of the training ratings. Only a study that measures a leak
            passes them; no setting can.
    """
    settings, scratch = run.settings, scratch or run.scratch("train")
    ratings = run.work.read("ratings_split")
    index = (run.work.read("user_index"), run.work.read("item_index"))
    sizes = measure(scratch, ratings, *index, settings.factorize)
    run.progress.update("train", users=sizes.users, items=sizes.items, ratings=sizes.train, step="preparing")
    train = ratings.where(f.col(c.PART) == c.TRAIN)
    problem = _problem(run, scratch, train, leaked, sizes)
    checkpoints = Checkpoints(scratch)
    previous = run.warm_model()
    warm = write_start(
        checkpoints.round_folder(0),
        sizes.items,
        sizes.item_blocks,
        problem.shape,
        seed=settings.seed,
        scale=settings.factorize.init_scale,
        previous=previous,
    )
    encoders = _warm_encoders(run, checkpoints.round_folder(0), problem, previous if warm else None)
    run.summary.add("train", warm_start=warm, warm_encoders=encoders)
    is_warm = previous is not None and warm and _same_model_settings(run, previous) and _all_warm(problem, encoders)
    rounds = settings.train.warm_rounds if is_warm else settings.train.rounds
    if sizes.valid:
        _write_held_out(run, scratch, ratings.where(f.col(c.PART) == c.VALID), sizes)
    # a warm run of one round has no round to choose, and evaluate measures its model on the same ratings
    validates = sizes.valid and not (is_warm and rounds == 1)
    state = run_rounds(
        problem,
        checkpoints,
        rounds=rounds,
        patience=settings.train.patience,
        validate=_validator(run, scratch, train, sizes, problem.shape) if validates else None,
        progress=run.progress,
        after_round=after_round,
    )
    seen = seen_blocks(run, scratch, train, sizes)
    best, shape = checkpoints.round_folder(state.best_round), problem.shape
    factors = {f"{side}_factors": solved_factors(best, side) for side in ("user", "item")}
    valid = state.history[state.best_round - 1]["valid"]
    if settings.bayes.draws:
        factors, shape = _sampled(run, scratch.below("chain"), scratch, best, sizes)
        if sizes.valid:
            valid = _validator(run, scratch, train, sizes, shape)(factors["user_factors"], factors["item_factors"])
        run.progress.done("bayes", map=state.best_value, valid=valid)
    return Learned(problem, state, best, sizes, factors, shape, valid, seen)


def _same_model_settings(run: Run, previous: StoredModel) -> bool:
    """Whether the settings define the same model as those of the earlier run."""
    now, before = run.settings.model_dump(mode="json"), previous.facts["settings"]
    return all(now[name] == before.get(name) for name in MODEL_SECTIONS)


def _all_warm(problem: Problem, encoders: list[str]) -> bool:
    return all(side.encoder is None or side.name in encoders for side in (problem.user, problem.item))


def _warm_encoders(run: Run, store: Tables, problem: Problem, previous: StoredModel | None) -> list[str]:
    """The sides whose encoders start from the earlier run's weights: their features must have the same columns."""
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
    run: Run, store: Tables, rated: Tables, best: Tables, sizes: DataSizes
) -> tuple[dict[str, DataFrame], ModelShape]:
    """(averaged draws, their shape) of a chain over the rating blocks in `rated`. Actions."""
    sampled = sample(store, FeatureInputs(run.work, rated, best, sizes, run.settings), run.progress)
    return {"user_factors": sampled.user_factors, "item_factors": sampled.item_factors}, sampled.shape


def _problem(run: Run, scratch: Tables, train: DataFrame, leaked: DataFrame | None, sizes: DataSizes) -> Problem:
    """Writes rating blocks and the inputs of the encoders; returns the problem. Actions."""
    end = (held_out_from(run.settings.split, run.end) if sizes.valid else None) or run.end
    write_blocks(scratch, _weighted(run, train, end), sizes)
    user_encoder = _user_encoder(run, scratch, train, leaked, sizes)
    item_encoder = _item_encoder(run, scratch, train, sizes)
    return make_problem(scratch, sizes, run.settings.factorize, user_encoder, item_encoder)


def _user_encoder(
    run: Run, scratch: Tables, train: DataFrame, leaked: DataFrame | None, sizes: DataSizes
) -> Encoder | None:
    """The encoder that the settings ask for; None: prior means are zero. Actions: writes its inputs."""
    settings = run.settings
    if settings.user_encoder.kind == "linear":
        return _linear_encoder(run, scratch, "user", settings.user_encoder.linear, sizes)
    width = _feature_width(run, "user_features")
    if not uses_asdae(settings, width):
        return None
    inputs = write_user_inputs(scratch, settings, sizes, run.work.read("user_features"), train, leaked)
    return make_user_encoder(settings, sizes, inputs, width)


def _item_encoder(run: Run, scratch: Tables, train: DataFrame, sizes: DataSizes) -> Encoder | None:
    """The encoder that the settings ask for; None: prior means are zero. Actions: writes its inputs."""
    settings = run.settings
    if settings.item_encoder.kind == "linear":
        return _linear_encoder(run, scratch, "item", settings.item_encoder.linear, sizes)
    width, vocabulary = _feature_width(run, "item_features"), run.work.document("fitted_features")["vocabulary"]
    if not uses_text_cnn(settings, width, vocabulary):
        return None
    features, tokens = run.work.read("item_features"), run.work.read("item_tokens")
    inputs = write_item_inputs(scratch, settings, features, tokens, train)
    return make_item_encoder(settings, sizes, inputs, width, vocabulary)


def _linear_encoder(
    run: Run, scratch: Tables, side: str, settings: LinearSettings, sizes: DataSizes
) -> LinearEncoder | None:
    inputs = FeatureInputs(run.work, scratch, scratch, sizes, run.settings)
    return make_linear_encoder(scratch.below("linear"), inputs, side, settings)


def _feature_width(run: Run, name: str) -> int:
    """The width of a feature table, from what was fitted for it."""
    return FittedFeatures.from_json(run.work.document("fitted_features")[name]).width


def _weighted(run: Run, ratings: DataFrame, end: datetime) -> DataFrame:
    """Ratings as the model learns them: weighted by age, preferences scaled by demand."""
    decayed = with_decay(ratings, run.settings.factorize.weight_half_life_days, end)
    return with_trend(decayed, run.settings.trend, end)


def _write_held_out(run: Run, scratch: Tables, valid: DataFrame, sizes: DataSizes) -> None:
    """Writes the tables that the rounds and the evaluate stage measure on. An action."""
    settings = run.settings
    if settings.validation_metric == "rmse" or settings.factorize.mode == "explicit":
        write_user_blocks(scratch, "valid_rating_blocks", valid, sizes)
    if settings.validation_metric != "rmse":
        write_hits(run, scratch, valid)


def _validator(run: Run, scratch: Tables, train: DataFrame, sizes: DataSizes, shape: ModelShape) -> Validate:
    settings = run.settings
    if settings.validation_metric == "rmse":
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
    """The factors to serve: solved or sampled once more on all ratings, validation ratings included. Actions.

    Args:
        run: the run.
        learned: from `learn`.
    """
    settings, problem, sizes = run.settings, learned.problem, learned.sizes
    if not (sizes.valid and settings.train.final_rounds):
        return learned.factors
    run.progress.update("train", step="final rounds", ratings=sizes.train + sizes.valid)
    write_blocks(run.work, _weighted(run, run.work.read("ratings_split"), run.end), sizes)
    if settings.bayes.draws:
        return _sampled(run, run.scratch("train").below("final-chain"), run.work, learned.best, sizes)[0]
    everything = make_problem(run.work, sizes, settings.factorize, problem.user.encoder, problem.item.encoder)
    served = final_rounds(everything, learned.best, run.scratch("train"), settings.train.final_rounds)
    return {f"{side}_factors": solved_factors(served, side) for side in ("user", "item")}
