"""The same fit in the driver, in local processes and in a barrier stage; and the errors of failed processes."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pyspark import InheritableThread
from pyspark.sql import SparkSession

from bgmrec.encoders.distributed.fit import fit_distributed, has_gpus, wait_for_slots
from bgmrec.encoders.fit import EpochLoss, Feed, FitNumbers, fit
from bgmrec.encoders.losses import LossWeights
from bgmrec.encoders.state import EncoderState, initial_state
from bgmrec.errors import SettingsError, TrainingError
from bgmrec.feed.parquet import FeedSpec
from bgmrec.storage.arrays import INT, to_cell

N_USERS, N_ITEMS = 300, 11
COLUMNS = ("idx", "features", "rated_idx", "rated_values", "weight", "target")
QUIET = {"corruption_rate": 0.0, "feature_corruption_rate": 0.0}
NUMBERS = {
    "n_items": N_ITEMS,
    "feature_width": 4,
    "width": 3,
    "hidden": [8],
    "use_presence": True,
    "use_item_factors": True,
}
LOSS = LossWeights(latent=1.0, predicted=0.1, ratings=0.2, features=0.05)
# an L2 term shows a gradient of the wrong size, which Adam alone would hide
L2 = {"decoupled_decay": False, "weight_decay": 0.1, "table_weight_decay": 0.1, "feature_weight_decay": 0.1}
WHOLE = FitNumbers(epochs=4, batch_size=10_000, learning_rate=1e-2, loss=LOSS, **L2)
MINI = FitNumbers(epochs=12, batch_size=32, learning_rate=3e-3, loss=LOSS)


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> FeedSpec:
    """Three files of different sizes: of two processes, one reads 220 rows and the other 80."""
    folder = tmp_path_factory.mktemp("feed")
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(4, 3))
    rows = []
    for user in range(N_USERS):
        features = generator.normal(size=4)
        rated = np.sort(generator.choice(N_ITEMS, generator.integers(0, 6), replace=False))
        values = generator.normal(size=len(rated))
        target = np.tanh(features @ mixing)
        cells = [to_cell(features), to_cell(rated, INT), to_cell(values)]
        rows.append((user, *cells, float(len(rated)), to_cell(target)))
    kinds = [pa.int32(), pa.binary(), pa.binary(), pa.binary(), pa.float32(), pa.binary()]
    for file, part in enumerate((rows[:20], rows[20:100], rows[100:])):
        arrays = [pa.array(column, kind) for column, kind in zip(zip(*part, strict=True), kinds, strict=True)]
        pq.write_table(pa.table(arrays, names=list(COLUMNS)), folder / f"part-{file}.parquet")
    return FeedSpec(str(folder), COLUMNS, seed=3)


class FailingFeed:
    """A feed that fails in process 1."""

    def __init__(self, spec: FeedSpec):
        self.spec = spec

    def open(self, rank: int, world: int) -> Feed:
        if rank == 1:
            raise OSError("the disk of process 1 is broken")
        return self.spec.open(rank, world)


def _run(
    spark: SparkSession,
    spec: FeedSpec,
    numbers: FitNumbers,
    processes: int,
    local: bool = True,
    use_gpu: bool | str = "auto",
    **network: object,
) -> tuple[EncoderState, list[EpochLoss]]:
    seen: list[EpochLoss] = []
    state, losses = fit_distributed(
        spark,
        initial_state("asdae", {**NUMBERS, **network}, 1),
        spec.open,
        numbers,
        rows_written=N_USERS,
        seed=5,
        processes=processes,
        local=local,
        use_gpu=use_gpu,
        on_epoch=seen.append,
    )
    assert [loss.total for loss in seen] == [loss.total for loss in losses]
    assert [loss.epoch for loss in losses] == list(range(numbers.epochs))
    assert all(loss.rows == N_USERS for loss in losses)
    return state, losses


@pytest.fixture(scope="module")
def in_driver(spark: SparkSession, feed: FeedSpec) -> tuple[EncoderState, list[EpochLoss]]:
    return _run(spark, feed, WHOLE, 0, **QUIET)


def test_the_driver_gives_the_same_weights_again(spark: SparkSession, feed: FeedSpec):
    first, second = (_run(spark, feed, MINI, 0)[0] for _ in range(2))
    assert all(np.array_equal(first.weights[name], second.weights[name]) for name in first.weights)


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_agree_with_the_driver_on_whole_batches(
    spark: SparkSession, feed: FeedSpec, in_driver: tuple[EncoderState, list[EpochLoss]], processes: int
):
    state, losses = _run(spark, feed, WHOLE, processes, **QUIET)
    for name, expected in in_driver[0].weights.items():
        np.testing.assert_allclose(state.weights[name], expected, atol=1e-4, err_msg=name)
    assert [loss.total for loss in losses] == pytest.approx([loss.total for loss in in_driver[1]], rel=1e-4)


def test_a_barrier_stage_reaches_the_drivers_loss_in_small_batches(spark: SparkSession, feed: FeedSpec):
    _, alone = _run(spark, feed, MINI, 0)
    _, together = _run(spark, feed, MINI, 2, local=False)
    assert together[-1].total == pytest.approx(alone[-1].total, rel=0.05)
    assert together[-1].latent < 0.5 * together[0].latent  # the fit has learned something


def test_averaged_weights_are_the_mean_of_what_each_process_learns_alone(spark: SparkSession, feed: FeedSpec):
    """One whole batch of each process's own rows, then one exchange: 220 rows here and 80 there."""
    once = replace(WHOLE, epochs=1, exchange_every=5)
    state, _ = _run(spark, feed, once, 2, **QUIET)
    start, expected, rows = initial_state("asdae", {**NUMBERS, **QUIET}, 1), {}, []
    for rank in range(2):
        rows.append(sum(len(batch) for batch in feed.open(rank, 2).batches(0, 1)))
        alone, _ = fit(start, lambda *_, own=rank: feed.open(own, 2), once, rows_written=rows[rank], seed=5)
        for name, weight in alone.weights.items():
            expected[name] = expected.get(name, 0.0) + rows[rank] * weight.astype(np.float64)
    assert sorted(rows) == [80, 220]
    for name, weighted in expected.items():
        np.testing.assert_allclose(state.weights[name], weighted / N_USERS, atol=1e-5, err_msg=name)


def test_a_process_that_raises_ends_the_fit_with_its_message(spark: SparkSession, feed: FeedSpec):
    state = initial_state("asdae", NUMBERS, 1)
    broken = FailingFeed(feed)
    with pytest.raises(TrainingError, match=r"process 1\n.*OSError: the disk of process 1 is broken"):
        fit_distributed(spark, state, broken.open, MINI, rows_written=N_USERS, seed=1, processes=2, local=True)


def test_lost_rows_end_the_fit_in_a_barrier_stage(spark: SparkSession, feed: FeedSpec):
    state = initial_state("asdae", NUMBERS, 1)
    with pytest.raises(TrainingError, match=r"301 rows\n.*300 rows"):
        fit_distributed(spark, state, feed.open, MINI, rows_written=301, seed=1, processes=2, local=False)


@pytest.mark.parametrize(("processes", "local"), [(0, True), (2, True), (2, False)])
def test_a_required_gpu_that_is_missing_ends_the_fit(
    spark: SparkSession, feed: FeedSpec, monkeypatch: pytest.MonkeyPatch, processes: int, local: bool
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match=r"feed\.use_gpu[\s\S]*auto or false"):
        _run(spark, feed, MINI, processes, local, use_gpu=True)


def test_there_are_gpus_if_torch_finds_one_or_spark_manages_enough(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert has_gpus(spark, 0, True) and not has_gpus(spark, 1, True) and not has_gpus(spark, 1, False)
    of_driver, of_task = "spark.driver.resource.gpu.amount", "spark.task.resource.gpu.amount"
    try:
        spark.conf.set(of_driver, "2")
        assert has_gpus(spark, 2, True) and not has_gpus(spark, 3, True)
        spark.conf.set(of_task, "0.5")
        assert not has_gpus(spark, 2, False)
        spark.conf.set(of_task, "1")
        assert has_gpus(spark, 2, False)
    finally:
        spark.conf.unset(of_driver)
        spark.conf.unset(of_task)


def test_more_processes_than_slots_are_refused_without_waiting(spark: SparkSession, feed: FeedSpec):
    state = initial_state("asdae", NUMBERS, 1)
    with pytest.raises(SettingsError, match=r"feed.processes[\s\S]*at most 2[\s\S]*feed.local"):
        fit_distributed(spark, state, feed.open, MINI, rows_written=N_USERS, seed=1, processes=3, local=False)


def test_processes_wait_for_slots_that_are_busy(spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    begun, ended = tmp_path / "begun", tmp_path / "ended"

    def busy(_: int) -> None:
        begun.touch()
        time.sleep(3.0)
        ended.touch()

    other = InheritableThread(target=spark.sparkContext.parallelize([0], 1).foreach, args=(busy,))
    other.start()
    while not (begun.exists() and spark.sparkContext.statusTracker().getActiveStageIds()):
        time.sleep(0.05)
    wait_for_slots(spark, 2)
    assert ended.exists() and "2 training processes wait for task slots, 1 are free" in caplog.text
    other.join()
