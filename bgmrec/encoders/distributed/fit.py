"""Fits an encoder in the driver, in processes on the driver's machine, or as tasks of the cluster."""

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

from bgmrec.encoders.distributed.worker import EPOCH_MARK, error_from_output, train
from bgmrec.encoders.fit import EpochLoss, Feed, FitNumbers, fit
from bgmrec.encoders.state import EncoderState
from bgmrec.errors import SettingsError

logger = logging.getLogger(__name__)
_LINES_KEPT = 400  # last lines of the processes' output, for the error message of a failed one


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
    """Fits the encoder with `processes` processes; feed and fit are the same wherever they run.

    Args:
        spark: the session whose driver or cluster does the work.
        state: the state to start from.
        open_feed: (rank, number of shards) → the rows of a process; picklable, for example `FeedSpec.open`.
        numbers: hyper-parameters.
        rows_written: rows of the feed table.
        seed: seed of corruption and dropout.
        processes: number of processes; 0: the driver itself.
        local: True: processes on the driver's machine; False: tasks of a barrier stage, which needs bgmrec on the
            executors and a feed that they can read.
        use_gpu: whether every process uses a GPU; auto: if there are enough (`has_gpus`).
        on_epoch: called with each epoch's loss; with a barrier stage, after the fit.

    Returns:
        (the fitted state, the loss of each epoch)

    Raises:
        SettingsError: the cluster has too few free task slots for too long, or too few GPUs.
        TrainingError: a process failed; has its message.
    """
    on_gpu = bool(use_gpu) and has_gpus(spark, processes, local)
    if use_gpu is True and not on_gpu:
        found = spark.conf.get(_gpu_setting(local), "0") if processes else "Torch finds no CUDA device"
        raise SettingsError(
            "there is no GPU for every training process",
            where="feed.use_gpu",
            expected=f"{_gpu_setting(local)} = {processes if local else 1}" if processes else "one CUDA device",
            found=str(found),
            hint="set feed.use_gpu to auto or false",
        )
    if processes == 0:
        device = "cuda" if on_gpu else "cpu"
        return fit(state, open_feed, numbers, rows_written=rows_written, seed=seed, device=device, on_epoch=on_epoch)
    if not local:
        wait_for_slots(spark, processes)
    distributor = TorchDistributor(num_processes=processes, local_mode=local, use_gpu=on_gpu)
    output = _WorkerOutput(on_epoch)
    try:
        # TorchDistributor prints the output of local processes to standard output, that of tasks to standard error
        with redirect_stdout(output), nullcontext() if local else redirect_stderr(output):
            result: Any = distributor.run(train, state.to_bytes(), open_feed, numbers, rows_written, seed, on_gpu)
    except (RuntimeError, PySparkException, Py4JJavaError) as error:
        raise error_from_output("\n".join([*output.last, str(error)])) from error
    content, loss_fields = result
    losses = [EpochLoss(**fields) for fields in loss_fields]
    for loss in losses[output.epochs :]:
        if on_epoch is not None:
            on_epoch(loss)
    return EncoderState.from_bytes(content), losses


def has_gpus(spark: SparkSession, processes: int, local: bool) -> bool:
    """Whether every training process can use a GPU of its own.

    The driver uses a GPU that Torch finds. Other processes and tasks get theirs from Spark, which must manage GPUs as a
    resource, one per task: TorchDistributor refuses other amounts.

    Args:
        spark: the session.
        processes: number of processes; 0: the driver itself.
        local: whether processes run on the driver's machine.
    """
    if processes == 0:
        return torch.cuda.is_available()
    managed = float(spark.conf.get(_gpu_setting(local), "0") or 0)
    return managed >= processes if local else managed == 1


def _gpu_setting(local: bool) -> str:
    return f"spark.{'driver' if local else 'task'}.resource.gpu.amount"


class _WorkerOutput(io.TextIOBase):
    """Replaces the standard streams: lines with an epoch's loss go to `on_epoch`, other lines to the debug log."""

    def __init__(self, on_epoch: Callable[[EpochLoss], None] | None):
        self.epochs = 0
        self.last: deque[str] = deque(maxlen=_LINES_KEPT)
        self._on_epoch = on_epoch
        self._rest = ""

    def write(self, text: str) -> int:
        """Handles all complete lines."""
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
    """Waits until enough task slots are free for a barrier stage, which starts all its tasks or none.

    Except with a `local` master, slots may become free and lost executors may return. Spark itself checks the total
    number of slots for a limited time (`spark.scheduler.barrier.maxConcurrentTasksCheck.*`) and then waits for busy
    ones without limit; this function applies the same time limit to free slots.

    Args:
        spark: the session.
        processes: number of tasks.

    Raises:
        SettingsError: too few slots were free all that time, or there can never be enough.
    """
    scala: Any = spark.sparkContext._jsc.sc()
    conf, check = scala.conf(), "spark.scheduler.barrier.maxConcurrentTasksCheck"
    patience = conf.getTimeAsSeconds(f"{check}.interval", "15s") * conf.getInt(f"{check}.maxFailures", 40)
    began, warned = time.monotonic(), False
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
                hint="lower feed.processes, give the cluster more cores, or set feed.local = true",
            )
        if not warned:
            logger.warning("%d training processes wait for task slots, %d are free", processes, free)
            warned = True
        time.sleep(0.5)


def _tasks_left(spark: SparkSession) -> int:
    """Unfinished tasks of the active stages; Spark's own count of running tasks can be seconds old."""
    tracker = spark.sparkContext.statusTracker()
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    return sum(stage.numTasks - stage.numCompletedTasks for stage in stages if stage)
