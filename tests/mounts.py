"""A Hadoop file system that is not the local one: Hadoop's own viewfs, with a folder mounted into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession


def mounted(spark: SparkSession, folder: Path) -> str:
    """`viewfs://…/mount`, which is the folder; paths without a scheme, and java.io, do not find it."""
    table = folder.name.replace("_", "-")
    context: Any = spark.sparkContext
    configuration = context._jsc.hadoopConfiguration()
    configuration.set(f"fs.viewfs.mounttable.{table}.link./mount", folder.as_uri())
    # a mount table is read once per authority and then cached
    return f"viewfs://{table}/mount"
