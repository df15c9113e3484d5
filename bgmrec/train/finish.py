"""After the rounds: final half steps on all ratings, and the stored model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.blocks.prepare import DataSizes
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.storage import files
from bgmrec.storage.models import ModelStore, StoredModel
from bgmrec.storage.tables import Tables
from bgmrec.train.rounds import Problem, solve_both_sides


def final_rounds(problem: Problem, best: Tables, scratch: Tables, rounds: int) -> Tables:
    """Solves both sides on all ratings, from the best round's factors and with its prior means.

    The validation ratings are the newest ones; a served model without them would always be out of date.

    Args:
        problem: the problem over the blocks of all ratings.
        best: folder of the best round.
        scratch: scratch of the training.
        rounds: number of rounds; 0: the best round is served.

    Returns:
        The folder with the factors to serve.
    """
    before = best
    for number in range(1, rounds + 1):
        folder = scratch.below(f"final-{number}")
        solve_both_sides(problem, before, folder, priors=best)
        before = folder
    return before


def evaluation_facts(shape: ModelShape, sizes: DataSizes) -> dict[str, Any]:
    """The facts about factors that the evaluation needs.

    Args:
        shape: shape of the model.
        sizes: sizes of the data.
    """
    return {**asdict(sizes), "shape": asdict(shape)}


def data_digest(ratings: DataFrame) -> str:
    """A digest of ratings that does not depend on their order: the sum of their rows' hashes. An action.

    Args:
        ratings: any table.
    """
    hashes = f.xxhash64(*ratings.columns).cast("decimal(20,0)")
    total = ratings.agg(f.coalesce(f.sum(hashes), f.lit(0)).alias("total")).collect()[0]["total"]
    return f"{int(total) % 2**64:016x}"


def store_model(
    store: ModelStore,
    run_id: str,
    *,
    served: dict[str, DataFrame],
    shape: ModelShape,
    best: Tables,
    work: Tables,
    problem: Problem,
    sizes: DataSizes,
    facts: dict[str, Any],
) -> StoredModel:
    """Stores factors, indices, encoders and fitted features of a run.

    Args:
        store: the model store.
        run_id: identity of the run.
        served: `user_factors` and `item_factors` to serve.
        shape: shape of these factors.
        best: folder of the best round, with the encoders' states.
        work: working tables of the run, with the indices and the fitted features.
        problem: has the encoders.
        sizes: sizes of the data.
        facts: further facts to store with the model.
    """
    encoders = [side.encoder for side in (problem.user, problem.item) if side.encoder is not None]
    weights = {
        encoder.file.removesuffix(".safetensors"): files.read_bytes(best.spark, best.path(encoder.file))
        for encoder in encoders
    }
    fitted = work.read_json("fitted_features")
    return store.save(
        run_id,
        tables={
            **served,
            "user_index": work.read("user_index"),
            "item_index": work.read("item_index"),
        },
        weights=weights,
        documents={} if fitted is None else {"fitted_features": fitted},
        facts={**facts, **evaluation_facts(shape, sizes)},
    )
