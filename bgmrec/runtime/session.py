"""The Spark session: local binding, pinned threads, and settings with their reasons."""

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

# BLAS, numba and Torch would each take every core for each of Spark's tasks; a task owns one
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

ARROW_BATCH = "spark.sql.execution.arrow.maxRecordsPerBatch"
PARQUET_BATCH = "spark.sql.parquet.columnarReaderBatchSize"
BLOCKS_PER_BATCH = 4  # blocks are megabytes each, and one Arrow batch's cells share 32-bit offsets

# what the rows depend on: neither a cluster's spark-defaults.conf nor spark-submit may change it, only [spark.conf]
_MEANING = {
    # the logical date is a UTC day; a driver in another zone must not move it
    "spark.sql.session.timeZone": "UTC",
    # bad casts become null, and the row a reject with a reason, instead of ending the night
    "spark.sql.ansi.enabled": "false",
    # a time that does not match its pattern is null, and the row a reject, instead of an error about old parsers
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
}
_DEFAULTS = {
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.ui.showConsoleProgress": "false",
    # a worker keeps its compiled kernels and its imports between stages
    "spark.python.worker.reuse": "true",
    "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
    # factor blocks are few and large: Spark's guesses from compressed sizes merge them into one task
    "spark.sql.adaptive.coalescePartitions.enabled": "false",
    "spark.sql.parquet.compression.codec": "zstd",
    # more than 32 folders of a source are listed by tasks, one for each folder without this: a day takes longer to
    # schedule than to list
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "16",
}
_LOCAL = {
    # a laptop's host name may resolve to an address that nothing listens on
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.driver.memory": "4g",
}

# what PySpark and bgmrec ask Java for by name again and again, each behind the package that it is in
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


def build_session(
    settings: SparkSettings, extra: Mapping[str, str] | None = None, *, hive: bool = False
) -> SparkSession:
    """Builds the session; under spark-submit everything that it was told stands, but for what the rows depend on.

    Args:
        settings: `[spark]`; its `conf` wins over the defaults here.
        extra: configuration of the caller, for example the warehouse's place; loses against `settings.conf`.
        hive: with Hive's catalogue.
    """
    ensure_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    given = _submitted()
    master = given.get("spark.master") or settings.master or "local[2]"
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
    asked = {"spark.app.name": settings.app_name, "spark.master": master, **conf}
    wanted = {key: value for key, value in asked.items() if key not in given}
    builder = SparkSession.builder
    for key, value in {**wanted, **_MEANING, **_only(settings.conf, _MEANING)}.items():
        builder = builder.config(key, value)
    spark = (builder.enableHiveSupport() if hive else builder).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    _remember_names(spark)
    return spark


def _remember_names(spark: SparkSession) -> None:
    """Keeps what `_JAVA_NAMES` name.

    py4j keeps nothing: for every name Java would look through all of Spark's jars anew, in each of a dozen packages,
    and every `functions.col` asks for one. That took 9 of the 115 seconds of a small night.
    """
    for name in _JAVA_NAMES:
        *path, last = name.split(".")
        folder = reduce(getattr, path, spark.sparkContext._jvm)
        setattr(folder, last, getattr(folder, last))


def _submitted() -> dict[str, str]:
    """What spark-submit was told, spark-defaults.conf included; nothing under plain Python."""
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        return {}
    SparkContext._ensure_initialized()  # joins the Java that spark-submit has started, whose properties hold it
    return dict(SparkConf().getAll())


def _only(conf: Mapping[str, str], keys: Container[str]) -> dict[str, str]:
    return {key: value for key, value in conf.items() if key in keys}


@contextmanager
def arrow_batch(spark: SparkSession, rows: int) -> Iterator[None]:
    """Moves at most `rows` rows at once, out of Parquet and to Python, while plans are built and run inside.

    Spark's defaults are right for ratings and wrong for blocks of megabytes. One Arrow batch's binary cells share
    32-bit offsets, so that together they must stay below 2 GiB; and Spark's vectorised Parquet reader gathers 4,096
    rows before it passes on the first, so that a task would hold all blocks of its file in Java's heap. A table of
    narrow rows takes ten times as long to read inside: what is needed of the ratings is counted or written before.
    """
    before = {name: spark.conf.get(name) for name in (ARROW_BATCH, PARQUET_BATCH)}
    spark.conf.set(ARROW_BATCH, str(rows))
    spark.conf.set(PARQUET_BATCH, str(min(rows, int(str(before[PARQUET_BATCH])))))
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, str(value))
