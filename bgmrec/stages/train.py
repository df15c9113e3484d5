"""Learns the model of one logical date and stores it under models/<run_id>."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgmrec.run.fingerprint import fingerprint, result_settings
from bgmrec.run.state import Run

# bgmrec.train is imported by the functions: it needs Torch, without which the other stages run

if TYPE_CHECKING:
    from bgmrec.train.learn import Learned


def stage(run: Run) -> None:
    """Writes the model and, for the evaluation, the best round's factors."""
    if run.models.has(run.run_id):  # interrupted after the model was stored, which comes last
        run.use_trained_model()
        return
    from bgmrec.train.learn import learn

    learned = learn(run)
    facts = {"rounds": learned.state.round, "best_round": learned.state.best_round, "valid": learned.valid}
    run.summary.add("train", **facts)
    _finish(run, learned)
    run.use_trained_model()


def _finish(run: Run, learned: Learned) -> None:
    """Writes the factors to evaluate and stores the model with the factors to serve."""
    from bgmrec.train.finish import data_digest, evaluation_facts, store_model
    from bgmrec.train.learn import served_factors

    settings, problem, sizes, best = run.settings, learned.problem, learned.sizes, learned.best
    for name, table in learned.factors.items():
        run.work.write(table, f"evaluated_{name}")
    run.work.write_json("evaluated", evaluation_facts(learned.shape, sizes))
    store_model(
        run.models,
        run.run_id,
        served=served_factors(run, learned),
        shape=learned.shape,
        best=best,
        work=run.work,
        problem=problem,
        sizes=sizes,
        facts={
            "ds": str(run.ds),
            "mode": settings.factorize.mode,
            "fingerprint": fingerprint(settings),
            "data": data_digest(run.work.read("ratings_split")),
            "best_round": learned.state.best_round,
            "validation": learned.valid,
            "history": list(learned.state.history),
            "warm_runs": 0 if (warm := run.warm_model()) is None else warm.facts["warm_runs"] + 1,
            "settings": result_settings(settings),
        },
    )
