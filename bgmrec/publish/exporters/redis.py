"""Published tables → Redis: one key per user and item with the whole list, and a pointer to the version.

    bgmrec:current                                  run id of the newest version
    bgmrec:<run>:recommendations:<user id>          the list as JSON, best first: [["m1", 0.93], ["m7", 0.9]]
    bgmrec:<run>:similar_items:<item id>            the same

A reader gets the pointer, then the keys: all lists read with one value of the pointer belong to one version. The
pointer is set after all keys are written; the keys of other versions then expire.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import redis
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.errors import PublishingError
from bgmrec.publish.contracts import CONTRACTS, Contract
from bgmrec.runtime.logs import logger
from bgmrec.runtime.secrets import redacted
from bgmrec.storage import columns as c

_ENTRY_COLUMNS = {
    "recommendations": (c.ITEM_ID,),
    "similar_items": (c.SIMILAR_ITEM_ID,),
    "recommendation_reasons": (c.POSITION, c.KIND, c.REASON_ITEM_ID),
}


@dataclass(frozen=True)
class Redis:
    """A Redis server that serves the newest version.

    Args:
        address: URL of the server, with its secrets.
        secrets: values that errors must not contain.
        prefix: beginning of every key.
        connections: connections that write at once.
        batch: keys per pipeline.
        expire_seconds: time after which the keys of other versions expire.
    """

    address: str
    secrets: tuple[str, ...]
    prefix: str
    connections: int
    batch: int
    expire_seconds: int

    def export(self, run_id: str, tables: dict[str, DataFrame], rows: dict[str, int]) -> bool:
        """Writes a version and sets the pointer to it.

        Args:
            run_id: of the version.
            tables: table → its rows.
            rows: table → number of rows that must be written.

        Returns:
            false if the pointer names this version already.

        Raises:
            PublishingError: the server refused, or rows were lost; readers get the previous version.
        """
        try:
            with redis.Redis.from_url(self.address) as client:
                is_new = client.get(f"{self.prefix}:current") != run_id.encode()
                if is_new:
                    for table, df in tables.items():
                        self._send(CONTRACTS[table], run_id, df, rows[table])
                    self._promote(client, run_id)
                self._expire_others(client, run_id)
                return is_new
        except redis.RedisError as error:
            raise PublishingError(
                f"Redis refused {run_id}; readers still get the previous version",
                where=f"keys {self.prefix}:*",
                found=self._text(error),
                hint="correct what the server reports and run the same command again",
            ) from None

    def _send(self, contract: Contract, run_id: str, df: DataFrame, rows: int) -> None:
        lists = _lists(df, contract).coalesce(self.connections)
        key_start = f"{self.prefix}:{run_id}:{contract.table}"
        task = _SendTask(self.address, key_start, self.batch, len(contract.keys) - 1)
        sent = sum(lists.rdd.mapPartitions(task.send).collect())
        if sent != rows:
            raise PublishingError(
                f"another number of rows of {contract.table} was sent to Redis than was published; "
                "readers still get the previous version",
                where=key_start,
                expected=f"{rows:,}",
                found=f"{sent:,}",
                hint="run the same command again",
            )

    def _promote(self, client: redis.Redis, run_id: str) -> None:
        try:
            client.set(f"{self.prefix}:current", run_id)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise PublishingError(
                "the connection to Redis broke while the pointer was set; "
                f"readers get {run_id} or the previous version, never a mix",
                where=f"key {self.prefix}:current",
                found=self._text(error),
                hint="run the same command again: it reads the pointer, and completes the export",
            ) from None

    def _expire_others(self, client: redis.Redis, run_id: str) -> None:
        """Lets the keys of all other versions expire, incomplete ones too.

        A failure is logged: the next export tries again.
        """
        kept = (f"{self.prefix}:{run_id}:".encode(), f"{self.prefix}:current".encode())
        try:
            keys = (key for key in client.scan_iter(f"{self.prefix}:*", count=self.batch) if not key.startswith(kept))
            while batch := list(islice(keys, self.batch)):
                with client.pipeline(transaction=False) as pipeline:
                    for key in batch:
                        pipeline.expire(key, self.expire_seconds, nx=True)  # an earlier expiry is kept
                    pipeline.execute()
        except redis.RedisError as error:
            logger.warning(
                "the version is exported and readers get it, but the keys of older versions do not expire yet: %s\n"
                "  hint: run the same command again, or wait for the next export",
                self._text(error),
            )

    def _text(self, error: redis.RedisError) -> str:
        return redacted(str(error), self.secrets)


@dataclass(frozen=True)
class _SendTask:
    """Writes partitions of keys; run twice, it sets the same keys to the same values.

    Args:
        address: URL of the server, with its secrets.
        key_start: beginning of the keys of the table.
        batch: keys per pipeline.
        unsent: number of leading values of an entry that only sort the list.
    """

    address: str
    key_start: str
    batch: int
    unsent: int

    def send(self, rows: Iterable[Any]) -> Iterator[int]:
        """Writes one partition; yields the number of rows in the lists of each batch.

        Args:
            rows: (entity, entries of its list).

        Raises:
            PublishingError: the server refused; redis' own error would not survive the way from the worker.
        """
        try:
            yield from self._send(iter(rows))
        except redis.RedisError as error:
            raise PublishingError(
                "Redis refused keys; readers still get the previous version",
                where=self.key_start,
                found=str(error),
                hint="correct what the server reports and run the same command again",
            ) from None

    def _send(self, rows: Iterator[Any]) -> Iterator[int]:
        with redis.Redis.from_url(self.address) as client:
            while batch := list(islice(rows, self.batch)):
                with client.pipeline(transaction=False) as pipeline:
                    for entity, entries in batch:
                        value = json.dumps(
                            [entry[self.unsent :] for entry in entries], ensure_ascii=False, separators=(",", ":")
                        )
                        pipeline.set(f"{self.key_start}:{entity}", value)
                    pipeline.execute()
                yield sum(len(entries) for _, entries in batch)


def _lists(df: DataFrame, contract: Contract) -> DataFrame:
    """(entity, entries of its list), each entry the other keys, then what is sent, sorted by the other keys."""
    # a float through text, so that it has only the digits of a float: 0.93, not 0.930000007152557
    score = f.col(contract.score).cast("string").cast("double").alias(contract.score)
    entity, *others = contract.keys
    order = [f.col(name).alias(f"by_{name}") for name in others]
    entries = f.sort_array(f.collect_list(f.struct(*order, *_ENTRY_COLUMNS[contract.table], score)))
    return df.groupBy(entity).agg(entries)
