"""A real Hive metastore and Spark's Thrift server on loopback, each in a separate process."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from impala.dbapi import connect

from bgmrec.runtime.java import ensure_java
from tests.warehouse.servers import free_port, running

METASTORE = "org.apache.hadoop.hive.metastore.HiveMetaStore"
THRIFT = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"


def _program(name: str) -> str:
    """One of Spark's programs, which the Python package has."""
    ensure_java()
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    return str(Path(sys.executable).parent / name)


def embedded(folder: Path) -> dict[str, str]:
    """Hive's settings for a metastore in files below a folder, which one process at a time can open."""
    return {"javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder / 'metastore_db'};create=true"}


@contextmanager
def metastore(folder: Path) -> Iterator[str]:
    """Hive's metastore service, which the jars of Spark hold; yields its `thrift://` address."""
    port = free_port()
    conf = {
        **embedded(folder),
        "hive.metastore.warehouse.dir": str(folder / "warehouse"),
        "datanucleus.schema.autoCreateAll": "true",
        "hive.metastore.schema.verification": "false",
        "hive.async.log.enabled": "false",  # its queue is not among the jars
    }
    command = [_program("spark-class"), METASTORE, "-p", str(port)]
    command += [part for key, value in conf.items() for part in ("--hiveconf", f"{key}={value}")]
    with running(command, folder / "metastore.log", lambda: socket.create_connection(("127.0.0.1", port)).close(), 120):
        yield f"thrift://127.0.0.1:{port}"


@contextmanager
def thrift_server(folder: Path, hive: Mapping[str, str]) -> Iterator[Any]:
    """A cursor of a HiveServer2 client at Spark's Thrift server.

    Args:
        folder: of its warehouse and logs.
        hive: where its metastore is.
    """
    port = free_port()
    conf = {
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        **{f"spark.hadoop.{key}": value for key, value in hive.items()},
        "spark.driver.extraJavaOptions": f"-Dderby.stream.error.file={folder / 'derby.log'}",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
    }
    command = [_program("spark-submit"), "--class", THRIFT, "--master", "local[2]"]
    command += [part for key, value in conf.items() for part in ("--conf", f"{key}={value}")]
    command += ["spark-internal", "--hiveconf", "hive.server2.thrift.bind.host=127.0.0.1"]
    command += ["--hiveconf", f"hive.server2.thrift.port={port}"]

    def client() -> Any:
        return connect("127.0.0.1", port, auth_mechanism="PLAIN", user="reader", password="any")

    with (
        running(command, folder / "thrift.log", lambda: client().close(), 120),
        closing(client()) as connection,
        closing(connection.cursor()) as cursor,
    ):
        yield cursor


def rows(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    return list(cursor.fetchall())
