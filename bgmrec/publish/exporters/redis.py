"""Published tables → Redis: one key per user and track with the whole list, and a pointer to the version.

    bgmrec:current                                  the newest run
    bgmrec:<run>:recommendations:<user id>          its list as JSON, the best first: [["m1", 0.93], ["m7", 0.9]]
    bgmrec:<run>:similar_items:<item id>            the same

A reader gets the pointer, then the key: all lists that it reads by one value of the pointer are of one version. The
pointer is set once all keys are there; those of other versions then expire.
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
from bgmrec.runtime.secrets import redacted
from bgmrec.storage import columns as c

_LISTED = {
    "recommendations": (c.ITEM_ID,),
    "similar_items": (c.SIMILAR_ITEM_ID,),
    "recommendation_reasons": (c.POSITION, c.KIND, c.REASON_ITEM_ID),
}


@dataclass(frozen=True)
class Redis:
    """Where the versions go.

    Args:
        address: with secrets filled in.
        secrets: to be struck out of errors.
        prefix: of every key.
        connections: that send at once.
        batch: keys per pipeline.
        expire_seconds: after which keys of other versions go.
    """

    address: str
    secrets: tuple[str, ...]
    prefix: str
    connections: int
    batch: int
    expire_seconds: int

    def export(self, run_id: str, tables: dict[str, DataFrame], rows: dict[str, int]) -> bool:
        """Sends a version and switches to it; returns false where it is the one that readers get already.

        Args:
            run_id: of the version.
            tables: by name.
            rows: that each must have sent.

        Raises:
            PublishingError: the server refused, or rows were lost; readers get what they did.
        """
        try:
            with redis.Redis.from_url(self.address) as client:
                pointer = f"{self.prefix}:current"
                fresh = client.get(pointer) != run_id.encode()
                if fresh:
                    for table, df in tables.items():
                        self._send(CONTRACTS[table], run_id, df, rows[table])
                    client.set(pointer, run_id)
                self._expire_others(client, run_id)
                return fresh
        except redis.RedisError as error:
            raise PublishingError(
                f"Redis refused {run_id}",
                where=f"keys {self.prefix}:*",
                found=redacted(str(error), self.secrets),
                hint="readers get the version before; mend what the server says and run the same command again",
            ) from None

    def _send(self, contract: Contract, run_id: str, df: DataFrame, rows: int) -> None:
        lists = _lists(df, contract).coalesce(self.connections)
        into = _Into(self.address, f"{self.prefix}:{run_id}:{contract.table}", self.batch, len(contract.keys) - 1)
        sent = sum(lists.rdd.mapPartitions(into.send).collect())
        if sent != rows:
            raise PublishingError(
                f"other rows of {contract.table} were sent to Redis than were published",
                where=into.start,
                expected=f"{rows:,}",
                found=f"{sent:,}",
                hint="run the same command again; readers get the version before",
            )

    def _expire_others(self, client: redis.Redis, run_id: str) -> None:
        """Every version but this one, half-sent ones too, goes in a while."""
        ours = (f"{self.prefix}:{run_id}:".encode(), f"{self.prefix}:current".encode())
        keys = (key for key in client.scan_iter(f"{self.prefix}:*", count=self.batch) if not key.startswith(ours))
        while batch := list(islice(keys, self.batch)):
            with client.pipeline(transaction=False) as pipeline:
                for key in batch:
                    pipeline.expire(key, self.expire_seconds, nx=True)  # an earlier end stands
                pipeline.execute()


@dataclass(frozen=True)
class _Into:
    """One task's share of the keys; tried twice, it sets the same keys to the same values.

    Args:
        address: of the server.
        start: of every key.
        batch: keys per pipeline.
        unsent: how many of an entry's first values only order the list.
    """

    address: str
    start: str
    batch: int
    unsent: int

    def send(self, rows: Iterable[Any]) -> Iterator[int]:
        """Sends key by key; yields the rows that the lists held.

        Raises:
            PublishingError: the server refused; in words, as a worker's error comes back as text.
        """
        try:
            yield from self._send(iter(rows))
        except redis.RedisError as error:
            raise PublishingError("Redis refused keys", where=self.start, found=str(error)) from None

    def _send(self, left: Iterator[Any]) -> Iterator[int]:
        with redis.Redis.from_url(self.address) as client:
            while batch := list(islice(left, self.batch)):
                with client.pipeline(transaction=False) as pipeline:
                    for entity, entries in batch:
                        value = json.dumps(
                            [entry[self.unsent :] for entry in entries], ensure_ascii=False, separators=(",", ":")
                        )
                        pipeline.set(f"{self.start}:{entity}", value)
                    pipeline.execute()
                yield sum(len(entries) for _, entries in batch)


def _lists(df: DataFrame, contract: Contract) -> DataFrame:
    """(entity, its list of (the other keys, then what is sent), in the order of the keys)."""
    # a float as text with as many digits as it has: 0.93, not 0.930000007152557
    score = f.col(contract.score).cast("string").cast("double").alias(contract.score)
    entity, *others = contract.keys
    order = [f.col(name).alias(f"by_{name}") for name in others]
    entries = f.sort_array(f.collect_list(f.struct(*order, *_LISTED[contract.table], score)))
    return df.groupBy(entity).agg(entries)
