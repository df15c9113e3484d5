"""Fits an encoder where the settings say: in the driver, in processes beside it, or as tasks of the cluster."""

from __future__ import annotations

import io
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from typing import Any, Literal

import torch
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession

from bgmrec.encoders.distributed.worker import EPOCH_MARK, error_of, train
from bgmrec.encoders.fit import EpochLoss, Feed, FitNumbers, fit
from bgmrec.encoders.state import EncoderState
from bgmrec.errors import SettingsError

logger = logging.getLogger(__name__)
_LINES_KEPT = 400  # of the output of all processes, for the error of one that failed


def fit_distributed(
    spark: SparkSession,
    state: EncoderState,
    open_feed: Callable[[int, int], Feed],
    numbers: FitNumbers,
    *,
    rows_written: int,
    seed: int,
    processes: int,
    local: bool,
    use_gpu: bool | Literal["auto"] = "auto",
    on_epoch: Callable[[EpochLoss], None] | None = None,
) -> tuple[EncoderState, list[EpochLoss]]:
    """Fits the encoder with `processes` processes, by the same feed and the same fit wherever it runs.

    Args:
        spark: the session whose driver or cluster does the work.
        state: where to start.
        open_feed: (rank, number of shards) → a process's rows; picklable, for example `FeedSpec.open`.
        numbers: how to fit.
        rows_written: rows of the feed table.
        seed: of corruption and dropout.
        processes: 0 trains in the driver.
        local: processes beside the driver; otherwise one task of a barrier stage each, which needs bgmrec on the
            executors and a feed that they can read.
        use_gpu: one GPU per process; auto: where there are so many (see `gpu_at_hand`).
        on_epoch: told each epoch's loss; with a barrier stage after the fact.

    Returns:
        the fitted state and the loss of each epoch

    Raises:
        SettingsError: the cluster has fewer free task slots than processes for too long, or no GPU.
        TrainingError: a process failed; carries its message.
    """
    at_hand = bool(use_gpu) and gpu_at_hand(spark, processes, local)
    if use_gpu is True and not at_hand:
        raise SettingsError(
            "there is no GPU for every training process",
            where="feed.use_gpu",
            expected=f"{_gpus_of(local)} = {processes if local else 1}" if processes else "one that Torch finds",
            hint="set feed.use_gpu to auto or false",
        )
    if processes == 0:
        device = "cuda" if at_hand else "cpu"
        return fit(state, open_feed, numbers, rows_written=rows_written, seed=seed, device=device, on_epoch=on_epoch)
    if not local:
        wait_for_slots(spark, processes)
    distributor = TorchDistributor(num_processes=processes, local_mode=local, use_gpu=at_hand)
    output = _WorkerOutput(on_epoch)
    try:
        # TorchDistributor prints what its processes beside the driver print, and tasks' output to standard error
        with redirect_stdout(output), nullcontext() if local else redirect_stderr(output):
            result: Any = distributor.run(train, state.to_bytes(), open_feed, numbers, rows_written, seed, at_hand)
    except (RuntimeError, PySparkException, Py4JJavaError) as error:
        raise error_of("\n".join([*output.last, str(error)])) from error
    content, told = result
    losses = [EpochLoss(**loss) for loss in told]
    for loss in losses[output.epochs :]:
        if on_epoch is not None:
            on_epoch(loss)
    return EncoderState.from_bytes(content), losses


def gpu_at_hand(spark: SparkSession, processes: int, local: bool) -> bool:
    """Whether every training process can have a GPU of its own.

    In the driver it is Torch's. Processes beside it and tasks get theirs from Spark, which must manage GPUs as a
    resource, one per task: TorchDistributor refuses others.
    """
    if processes == 0:
        return torch.cuda.is_available()
    managed = float(spark.conf.get(_gpus_of(local), "0") or 0)
    return managed >= processes if local else managed == 1


def _gpus_of(local: bool) -> str:
    return f"spark.{'driver' if local else 'task'}.resource.gpu.amount"


class _WorkerOutput(io.TextIOBase):
    """Takes the place of the standard streams: epochs go to whoever waits for them, other lines to the log."""

    def __init__(self, on_epoch: Callable[[EpochLoss], None] | None):
        self.epochs = 0
        self.last: deque[str] = deque(maxlen=_LINES_KEPT)
        self._on_epoch = on_epoch
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self.last.append(line)
            if not line.startswith(EPOCH_MARK):
                logger.debug("%s", line)
            elif self._on_epoch is not None:
                self.epochs += 1
                self._on_epoch(EpochLoss(**json.loads(line.removeprefix(EPOCH_MARK))))
        return len(text)


def wait_for_slots(spark: SparkSession, processes: int) -> None:
    """Waits until a barrier stage of so many tasks can start: it starts all of them or none.

    Busy slots become free, and executors that were lost come back, but with a `local` master. Spark itself gives a
    barrier stage a time in which to find its slots (`spark.scheduler.barrier.maxConcurrentTasksCheck.*`), and then
    waits for busy ones for ever; here its time holds for free ones.

    Raises:
        SettingsError: there were too few slots all that time, or never will be enough.
    """
    scala: Any = spark.sparkContext._jsc.sc()
    conf, check = scala.conf(), "spark.scheduler.barrier.maxConcurrentTasksCheck"
    patience = conf.getTimeAsSeconds(f"{check}.interval", "15s") * conf.getInt(f"{check}.maxFailures", 40)
    began, told = time.monotonic(), False
    while True:
        slots = int(scala.maxNumConcurrentTasks(scala.resourceProfileManager().defaultResourceProfile()))
        free, waited = max(0, slots - _tasks_left(spark)), round(time.monotonic() - began)
        if free >= processes:
            return
        never = slots < processes and str(spark.sparkContext.master).startswith("local")
        if never or waited >= patience:
            raise SettingsError(
                "the cluster has too few free task slots for the training processes",
                where="feed.processes",
                expected=f"at most {free}",
                found=str(processes) if never else f"{processes}, for {waited} s",
                hint="lower feed.processes, give the cluster more cores, or set feed.local to train beside the driver",
            )
        if not told:
            logger.warning("%d training processes wait for task slots, %d are free", processes, free)
            told = True
        time.sleep(0.5)


def _tasks_left(spark: SparkSession) -> int:
    """Tasks of the active stages that have not ended: Spark's own count of running ones may lag by seconds."""
    tracker = spark.sparkContext.statusTracker()
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    return sum(stage.numTasks - stage.numCompletedTasks for stage in stages if stage)
