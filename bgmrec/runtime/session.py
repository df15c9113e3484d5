"""The Spark session: local addresses, one thread per task, and Spark settings with their reasons."""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from functools import reduce

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from bgmrec.config.runtime import SparkSettings
from bgmrec.runtime.java import ensure_java

# a task has one core, but BLAS, numba and Torch would each start a thread for every core of the machine
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

APP_NAME = "bgmrec"  # by default; spark-submit --name and spark.conf win
ARROW_BATCH = "spark.sql.execution.arrow.maxRecordsPerBatch"
PARQUET_BATCH = "spark.sql.parquet.columnarReaderBatchSize"
BLOCKS_PER_BATCH = 4  # a block takes megabytes, and all cells of an Arrow batch share 32-bit offsets

# Parquet's nanoseconds as whole numbers, which the reader of raw files makes timestamps of
NANOS_AS_LONG = "spark.sql.legacy.parquet.nanosAsLong"

# settings that decide values of rows: only [spark.conf] may change them, not a cluster's spark-defaults.conf or
# spark-submit
_RESULT_SETTINGS = {
    # the logical date is a day in UTC, wherever the driver runs
    "spark.sql.session.timeZone": "UTC",
    # a bad cast gives null, and the row is rejected with a reason, instead of ending the run
    "spark.sql.ansi.enabled": "false",
    # a time that does not match its pattern gives null, and the row is rejected, instead of an error about old parsers
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    NANOS_AS_LONG: "true",
    # Spark 4 would end a run at bytes that are not of a file's encoding, and know few encodings; 3.5 does neither
    "spark.sql.legacy.codingErrorAction": "true",
    "spark.sql.legacy.javaCharsets": "true",
}
_DEFAULTS = {
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.ui.showConsoleProgress": "false",
    # a worker keeps its compiled kernels and imports between stages
    "spark.python.worker.reuse": "true",
    "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
    # factor blocks are few and large: Spark would merge them into one task because of their compressed sizes
    "spark.sql.adaptive.coalescePartitions.enabled": "false",
    "spark.sql.parquet.compression.codec": "zstd",
    # Spark 4 would look for the caller's line at every call of a column, which takes longer than the call
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    # Spark lists more than 32 folders with one task per folder, which takes longer to schedule than to run
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "16",
}
_LOCAL = {
    # the host name of a laptop may resolve to an address that does not answer
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.driver.memory": "4g",
    # On few cores the concurrent collector and the second compiler take a quarter of a short run's processor time: this
    # collector stops all threads instead, and only what runs often is compiled twice.
    "spark.driver.defaultJavaOptions": "-XX:+UseParallelGC -XX:Tier4InvocationThreshold=20000 "
    "-XX:Tier4MinInvocationThreshold=4000 -XX:Tier4CompileThreshold=60000 -XX:Tier4BackEdgeThreshold=120000",
    # of local files Hadoop passes over a checksum file that is none, but not in vectored reads
    "spark.hadoop.parquet.hadoop.vectored.io.enabled": "false",
    # listing some hundred local files takes the driver less time than a job with a task for every few of them
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "256",
}

# names that PySpark and bgmrec look up in Java again and again, each after its package
_JAVA_NAMES = (
    "functions",
    "PythonUtils",
    "SparkSession",
    "SparkSession$",
    "org",
    "org.apache",
    "org.apache.hadoop",
    "org.apache.hadoop.fs",
    "org.apache.hadoop.fs.Path",
    "org.apache.spark",
    "org.apache.spark.sql",
)
# classes that Spark 4 looks up by their whole name, once for every column
_JAVA_CLASSES = ("org.apache.spark.sql.functions", "org.apache.spark.sql.classic.SparkSession")


def build_session(
    settings: SparkSettings, extra: Mapping[str, str] | None = None, *, hive: bool = False
) -> SparkSession:
    """Builds the session. Under spark-submit its own settings win, except those that decide values of rows.

    Args:
        settings: `[spark]`; its `conf` wins over the defaults here.
        extra: settings of the caller, for example the folder of the warehouse; `settings.conf` wins over them.
        hive: whether the session has Hive's catalogue.

    Raises:
        SettingsError: there is no Java that Spark runs on.
    """
    ensure_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    submitted = _submitted()
    master = submitted.get("spark.master") or settings.master or "local[2]"
    local = master.startswith("local")
    if local:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    conf = {
        **_DEFAULTS,
        **(_LOCAL if local else {}),
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        **{f"spark.executorEnv.{name}": os.environ[name] for name in THREAD_VARIABLES},
        **(extra or {}),
        **settings.conf,
    }
    conf = {"spark.app.name": APP_NAME, "spark.master": master, **conf}
    conf = {key: value for key, value in conf.items() if key not in submitted}
    builder = SparkSession.builder
    for key, value in {**conf, **_RESULT_SETTINGS, **_only(settings.conf, _RESULT_SETTINGS)}.items():
        builder = builder.config(key, value)
    spark = (builder.enableHiveSupport() if hive else builder).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    _cache_java_names(spark)
    return spark


def _cache_java_names(spark: SparkSession) -> None:
    """Keeps the Java objects of `_JAVA_NAMES` and `_JAVA_CLASSES`.

    py4j keeps none: for every name Java would search all of Spark's jars in each of a dozen packages, and every
    `functions.col` looks one up. That took 9 of the 115 seconds of a small run.
    """
    for name in _JAVA_NAMES:
        *path, last = name.split(".")
        folder = reduce(getattr, path, spark.sparkContext._jvm)
        setattr(folder, last, getattr(folder, last))
    for name in _JAVA_CLASSES:
        setattr(spark.sparkContext._jvm, name, getattr(spark.sparkContext._jvm, name))


def _submitted() -> dict[str, str]:
    """The settings of spark-submit, with those of spark-defaults.conf; empty under plain Python."""
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        return {}
    SparkContext._ensure_initialized()  # connects to the Java of spark-submit, whose properties hold them
    return dict(SparkConf().getAll())


def _only(conf: Mapping[str, str], keys: Container[str]) -> dict[str, str]:
    return {key: value for key, value in conf.items() if key in keys}


@contextmanager
def arrow_batch(spark: SparkSession, rows: int) -> Iterator[None]:
    """Inside, Spark reads Parquet and passes rows to Python in batches of at most `rows` rows.

    Plans must be built and run inside. Spark's defaults suit ratings, not blocks of megabytes: the binary cells of an
    Arrow batch share 32-bit offsets, so all of them must stay below 2 GiB; and the vectorised Parquet reader collects
    4,096 rows before it passes on the first, so a task would hold all blocks of its file in Java's heap. A table of
    narrow rows takes ten times as long to read inside: count or write the ratings that are needed before.

    Args:
        spark: the session.
        rows: the most rows of a batch.
    """
    before = {name: spark.conf.get(name) for name in (ARROW_BATCH, PARQUET_BATCH)}
    spark.conf.set(ARROW_BATCH, str(rows))
    spark.conf.set(PARQUET_BATCH, str(min(rows, int(str(before[PARQUET_BATCH])))))
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, str(value))
