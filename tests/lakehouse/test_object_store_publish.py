"""A version on an object store: readers see the previous one or the new one, wherever the promotion is killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from bgmrec.publish.promotion import promote
from bgmrec.publish.versions import Versions
from bgmrec.storage.tables import Tables
from tests.spark.object_store import Killed, kill_points, killed_at, object_store
from tests.warehouse.versions import run_id, tables


def manifest(folder: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "published" / "_manifests" / f"{name}.json").read_text())
    return document


def test_a_promotion_killed_at_any_object_shows_one_version_and_ends_the_same(
    spark: SparkSession, tmp_path: Path
) -> None:
    for number, folder in kill_points(tmp_path):
        ended = False
        with object_store(spark, folder, conditional=True) as address:
            versions = Versions(Tables(spark, address).below("published"), None)
            for run, users in ((run_id(1), 3), (run_id(2), 2)):
                record = _staged(versions, spark, run, users)
                if run == run_id(1):
                    promote(versions, record)
        with object_store(spark, folder, conditional=True, step=killed_at(number)) as address:
            try:
                promote(Versions(Tables(spark, address).below("published"), None), record)
                ended = True
            except Killed:
                pass
        seen = [manifest(folder, name) for name in (run_id(1)[:10], "latest")]
        assert all(one["run_id"] in (run_id(1), run_id(2)) for one in seen)
        with object_store(spark, folder, conditional=True) as address:
            promote(Versions(Tables(spark, address).below("published"), None), record)
        assert [manifest(folder, name)["run_id"] for name in (run_id(1)[:10], "latest")] == [run_id(2)] * 2
        if ended:
            break
    assert number == 4  # record, manifest, latest


def _staged(versions: Versions, spark: SparkSession, run: str, users: int) -> dict[str, Any]:
    frames = tables(spark, run, users)
    staged = {name: versions.stage(frames[name], name, run[:10], run) for name in ("recommendations", "similar_items")}
    locations = {name: {"location": location, "rows": 1} for name, location in staged.items()}
    return {"ds": run[:10], "run_id": run, "tables": locations, "model": {"run_id": run}}
