"""After the rounds: the served model learns from all ratings, and everything goes into the model store."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.blocks.prepare import Sizes
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.storage import files
from bgmrec.storage.models import ModelStore, StoredModel
from bgmrec.storage.tables import Tables
from bgmrec.train.rounds import Problem, solve


def final_rounds(problem: Problem, best: Tables, scratch: Tables, rounds: int) -> Tables:
    """Solves both sides again on all ratings, from the best round's factors and with its prior means.

    The newest ratings are the ones that were held out for validation; a served model that never saw them would
    always be late.

    Args:
        problem: over the blocks of all ratings.
        best: folder of the best round.
        scratch: of the training.
        rounds: how many; 0 serves the best round itself.

    Returns:
        the folder with the factors to serve
    """
    before = best
    for number in range(1, rounds + 1):
        folder = scratch.below(f"final-{number}")
        solve(problem, before, folder, priors=best)
        before = folder
    return before


def evaluation_facts(shape: ModelShape, sizes: Sizes) -> dict[str, Any]:
    """What the evaluation needs to know of factors."""
    return {**asdict(sizes), "shape": asdict(shape)}


def data_digest(ratings: DataFrame) -> str:
    """Which ratings these are, whatever their order and partitions: a sum of their rows' hashes. An action."""
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
    sizes: Sizes,
    facts: dict[str, Any],
) -> StoredModel:
    """Stores factors, index, encoders and fitted features of a run.

    Args:
        store: the model store.
        run_id: of the run.
        served: `user_factors` and `item_factors` to serve.
        shape: of them.
        best: folder with the encoders.
        work: working tables with the index and the fitted features.
        problem: its encoders.
        sizes: of the night.
        facts: to be kept with the model.
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
