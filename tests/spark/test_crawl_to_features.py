"""From the rating log to a crawl frontier, through a real crawl, to the tables that the encoders eat."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from bgmrec.config import load_settings
from bgmrec.errors import SettingsError
from bgmrec.ingest.frontier import by_priority, ids_without_side_info
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.pseudonyms import KEY_VARIABLE, pseudonymizer
from bgmrec.runtime.sql_functions import register_functions
from bgmrec.stages import build_features, crawl_frontier, ingest_ratings, ingest_side_info
from bgmrec.synthetic.names import item_id, user_id
from bgmrec.synthetic.plan import WorldPlan
from bgmrec.synthetic.site.catalogue import SiteCatalogue, catalogue
from bgmrec.synthetic.site.server import Site, serving
from tests.crawl.crawls import DS, PROJECT, Crawl

CONF = PROJECT / "conf"
KEY = "a key of the tests, long enough"
USERS, ITEMS, RATED = 40, 30, 20


@pytest.fixture(scope="module")
def world() -> SiteCatalogue:
    plan = WorldPlan(
        seed=3, users=USERS, items=ITEMS, events=10, days=6, first_day=date(2025, 1, 1), dirty_share=0.0,
        new_user_share=0.1, new_item_share=0.1, rated_share=0.5, drift=1.0,
    )  # fmt: skip
    return catalogue(plan)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch, spark: SparkSession):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    register_functions(spark)
    yield pseudonymizer(KEY)
    monkeypatch.delenv(KEY_VARIABLE)
    register_functions(spark)


def write_log(folder: Path) -> None:
    """Users rate the first 20 of 30 tracks, the later tracks more often; one row is not on the last day."""
    rows = [(user, item) for item in range(RATED) for user in range(USERS) if (user * 7 + item) % 20 <= item]
    lines = [
        json.dumps(
            {
                "user_id": user_id(user),
                "video_id": f"v{item:09d}",
                "event": "rate",
                "rating": 1 + (user + item) % 5,
                "time": f"{DS if user % 2 else '2025-01-05'}T10:00:00Z",
            }
        )
        for user, item in rows
    ]
    location = folder / "events" / f"ds={DS}"
    location.mkdir(parents=True)
    (location / "log.jsonl").write_text("\n".join(lines))
    (folder / "videos").mkdir()
    videos = [f"v{item:09d},{item_id(item)}" for item in range(ITEMS)]
    (folder / "videos" / "part.csv").write_text("\n".join(["video_id,music_id", *videos]))


def make_run(spark: SparkSession, folder: Path, *overrides: str) -> Run:
    overridden = [f"paths.data={folder}", f"paths.root={folder}/root", "split.valid_days=1.0", *overrides]
    configs = [CONF / name for name in ("base.toml", "demo.toml", "demo-ratings.toml", "demo-crawl.toml")]
    return Run(load_settings(configs, overridden), date.fromisoformat(DS), spark, Progress(), Summary())


def hashed(run: Run) -> Run:
    """The same run whose log maps user ids to their keyed hashes."""
    source = run.settings.ratings.sources[0].model_copy(update={"user_id": "pseudonym(user_id)"})
    ratings = run.settings.ratings.model_copy(update={"sources": [source]})
    return replace(run, settings=run.settings.model_copy(update={"ratings": ratings}))


def sample_site() -> str:
    text = (CONF / "crawl" / "sample-site.toml").read_text().replace("http://127.0.0.1:8765", "ADDRESS")
    return text.replace('types = ["ProfilePage"]', 'types = ["ProfilePage"]\nhash_id = true')


def test_a_crawl_becomes_item_tokens_and_user_features(spark, tmp_path, world, key):
    write_log(tmp_path)
    without = hashed(make_run(spark, tmp_path, "items.sources=[]", "users.sources=[]"))
    ingest_ratings.stage(without)
    ingest_side_info.stage(without)
    folders = crawl_frontier.write_frontier(without)
    with serving(Site(world)) as address:
        crawl = Crawl(tmp_path, sample_site(), address, f"paths.root={tmp_path}/root")
        crawl.environment[KEY_VARIABLE] = KEY
        crawl.run()
    listed = [json.loads(line)["id"] for line in _lines(folders["items"])]
    assert set(listed) == {item_id(item) for item in range(RATED)}
    assert listed[0] == item_id(RATED - 1)  # rated by everybody
    run = hashed(make_run(spark, tmp_path))
    ingest_side_info.stage(run)
    items = {row["item_id"]: row for row in run.work.read("items").collect()}
    assert set(items) == set(listed)
    for music_id, row in items.items():
        truth = world.music[music_id]
        assert (row["title"], row["genre"], row["mood"]) == (truth["title"], truth["genre"], truth["mood"])
        assert row["duration"] == pytest.approx(truth["duration_ms"] / 1000, abs=0.06)
        assert row["audio"] == pytest.approx(truth["audio"], abs=1e-6)
    users = {row["user_id"]: row for row in run.work.read("users").collect()}
    assert set(users) == {key(user) for user in world.users}
    assert users[key("u00000003")]["interests"] == world.users["u00000003"]["interests"]
    build_features.stage(run)
    _check_features(run, listed, key)


def _lines(location: str) -> list[str]:
    return [line for path in sorted(Path(location).glob("part-*")) for line in path.read_text().splitlines()]


def _check_features(run: Run, listed: list[str], key) -> None:
    """Every crawled track has a document, and the log's users are those of the profiles."""
    index = run.work.read("item_index").where(f.col("item_id").isin(listed))
    tokens = index.join(run.work.read("item_tokens"), f.col("idx") == f.col("item_idx"))
    assert min(len(row["tokens"]) for row in tokens.collect()) > 4 * 10  # at least ten words of four bytes
    users = run.work.read("user_index")
    assert {row["user_id"] for row in users.collect()} == {key(user_id(user)) for user in range(USERS)}
    features = {bytes(row["features"]) for row in run.work.read("user_features").collect()}
    assert len(features) > USERS / 2  # without side information all rows would be alike


def test_the_log_can_make_the_hash_that_the_crawl_stores(spark, key):
    [row] = spark.sql("select pseudonym(' u1 ') as id, pseudonym(null) as none").collect()
    assert row.id == key("u1") and row.none is None


def test_a_missing_key_is_told_where_the_hash_is_wanted(spark, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    register_functions(spark)
    assert spark.sql("select 1 as one").collect()[0].one == 1
    with pytest.raises(Exception, match=KEY_VARIABLE) as caught:
        spark.sql("select pseudonym('u1')").collect()
    assert SettingsError.__name__ in str(caught.value)
    assert KEY not in os.environ.values()


def test_the_frontier_puts_the_oldest_and_most_used_first(spark):
    day = datetime(2025, 1, 5, 12)
    rows = [("a", day)] * 3 + [("b", datetime(2025, 1, 1))] + [("c", day)] * 2 + [("d", None), ("e", day), ("f", day)]
    ratings = spark.createDataFrame(rows, "item_id string, rated_at timestamp")
    items = spark.createDataFrame([("e", "pop"), ("f", None)], "item_id string, genre string")
    ids = ids_without_side_info(ratings, items, "item_id", ["genre"])
    found = [(row.id, row.uses) for row in by_priority(ids, "item_id", date(2025, 1, 6), 10).collect()]
    # 6 days × 1 use; 1.5 days × 3, 2 and 1 uses; one day where there is no time. e has side information
    assert found == [("b", 1), ("a", 3), ("c", 2), ("f", 1), ("d", 1)]
    assert [row.id for row in by_priority(ids, "item_id", date(2025, 1, 6), 2).collect()] == ["b", "a"]
    without = ids_without_side_info(ratings, items, "item_id", [])
    assert {row.item_id for row in without.collect()} == {"a", "b", "c", "d"}
