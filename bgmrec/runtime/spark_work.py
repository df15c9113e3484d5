"""What Spark did for a block of code: tasks, bytes read, shuffled and spilled, from Spark's own status store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

_PATIENCE_MS = 10_000


@dataclass
class SparkWork:
    """Sums over the tasks of every Spark stage of a block.

    Args:
        tasks: that succeeded.
        failed_tasks: attempts that failed.
        task_seconds: time of the tasks together.
        input_bytes: read from files.
        shuffle_bytes: written for other tasks.
        spilled_bytes: written to disk because memory was full; bytes on disk.
        spilled_memory_bytes: the same; bytes in memory.
    """

    tasks: int = 0
    failed_tasks: int = 0
    task_seconds: float = 0.0
    input_bytes: int = 0
    shuffle_bytes: int = 0
    spilled_bytes: int = 0
    spilled_memory_bytes: int = 0


@contextmanager
def counted(spark: SparkSession) -> Iterator[SparkWork]:
    """The work of the block, filled in at its end; at most of the last `spark.ui.retainedStages` stages.

    Args:
        spark: the session.
    """
    first, work = _next_stage(spark), SparkWork()
    yield work
    stages = _stages(spark)
    for at in range(stages.size()):
        stage = stages.get(at)
        if stage.stageId() < first:
            break
        work.tasks += stage.numCompleteTasks()
        work.failed_tasks += stage.numFailedTasks()
        work.task_seconds += stage.executorRunTime() / 1000
        work.input_bytes += stage.inputBytes()
        work.shuffle_bytes += stage.shuffleWriteBytes()
        work.spilled_bytes += stage.diskBytesSpilled()
        work.spilled_memory_bytes += stage.memoryBytesSpilled()
    work.task_seconds = round(work.task_seconds, 2)


def _next_stage(spark: SparkSession) -> int:
    stages = _stages(spark)
    return int(stages.get(0).stageId()) + 1 if stages.size() else 0


def _stages(spark: SparkSession) -> Any:
    """The stages that Spark keeps facts of, the newest first, as a Java list."""
    context: Any = spark.sparkContext
    store, java = context._jsc.sc().statusStore(), context._jvm
    with suppress(Py4JJavaError):  # facts arrive after the work; after ten seconds they are left out
        context._jsc.sc().listenerBus().waitUntilEmpty(_PATIENCE_MS)
    quantiles = context._gateway.new_array(java.double, 0)
    stages = store.stageList(None, False, False, quantiles, java.java.util.ArrayList())
    return java.scala.collection.JavaConverters.seqAsJavaList(stages)
