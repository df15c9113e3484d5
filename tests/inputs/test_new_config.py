"""What jobs/new_config.py writes is read by Spark as it was meant: no row is lost, and times are the same moments."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from bgmrec.config import Settings, load_settings
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress
from bgmrec.stages import build_features, ingest_ratings, ingest_side_info, new_config

START = datetime(2024, 5, 1, tzinfo=UTC)
# 60 pairs over five days, at full minutes
ROWS = [(f"用户 {n % 12}", f"m{n // 12}", n % 5 + 1, START + timedelta(minutes=n * 120)) for n in range(60)]
GENRES = ("lofi|calm", "pop|calm", "lofi|pop", "calm|pop", "lofi")
ITEMS = [{"_id": f"m{n}", "标题": f"雨夜 Rain {n}", "genres": genres} for n, genres in enumerate(GENRES)]
LAST = date(2024, 5, 5)


def settings_for(folder: Path, ratings: Path, *arguments: str) -> Settings:
    items = folder / "items.jsonl"
    items.write_text("\n".join(json.dumps(item, ensure_ascii=False) for item in ITEMS), encoding="utf-8")
    parser = argparse.ArgumentParser()
    parser.set_defaults(config=[], overrides=[])
    new_config.add_arguments(parser)
    out = folder / "new.toml"
    files = ["--ratings", str(ratings), "--items", str(items), "--out", str(out)]
    new_config.write_settings(parser.parse_args([*files, *arguments]), Progress())
    return load_settings([out], [f"paths.root={folder / 'root'}"])


def ingested(spark, settings: Settings) -> pd.DataFrame:
    run = Run(settings, LAST, spark, Progress(), Summary())
    ingest_ratings.stage(run)
    facts = run.summary.facts["ingest_ratings"]
    assert (facts["rows_in"], facts["kept"]) == (len(ROWS), len(ROWS))
    return run.work.read("ratings").toPandas()


@pytest.mark.parametrize(
    ("sep", "encoding", "header", "time"),
    [
        (",", "utf-8", "user,order,stars,at", lambda t: int(t.timestamp() * 1e6)),
        (";", "gb18030", "用户;歌 曲;评分;时间", lambda t: f"{t:%Y/%m/%d %H:%M}"),
        ("|", "utf-8-sig", "_user|track|rating|when", lambda t: t.isoformat()),
        ("\t", "utf-8", "user\ttrack\trating\twhen", lambda t: f"{t + timedelta(hours=8):%Y-%m-%dT%H:%M}+08:00"),
        ("::", "utf-8", None, lambda t: f"{t.timestamp():.1f}"),
    ],
)
def test_csv(
    spark, tmp_path: Path, sep: str, encoding: str, header: str | None, time: Callable[[datetime], object]
) -> None:
    lines = [sep.join(map(str, (user, item, stars, time(at)))) for user, item, stars, at in ROWS]
    (tmp_path / "log.csv").write_text("\n".join([*([header] if header else []), *lines]), encoding=encoding)
    check(ingested(spark, settings_for(tmp_path, tmp_path / "log.csv")))


def test_parquet_with_a_number_that_is_a_date(spark, tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, columns=["user", "item", "rating", "at"])
    frame["at"] = [int(f"{at:%Y%m%d%H%M%S}") for at in frame["at"]]
    frame.to_parquet(tmp_path / "log.parquet", coerce_timestamps="us")
    check(ingested(spark, settings_for(tmp_path, tmp_path / "log.parquet")))


def test_features_of_a_catalogue_with_chinese_names(spark, tmp_path: Path) -> None:
    pd.DataFrame(ROWS, columns=["user", "item", "rating", "at"]).to_parquet(
        tmp_path / "log.parquet", coerce_timestamps="us"
    )
    settings = settings_for(tmp_path, tmp_path / "log.parquet")
    run = Run(settings, LAST, spark, Progress(), Summary())
    for stage in (ingest_ratings, ingest_side_info, build_features):
        stage.stage(run)
    titles = {row.item_id: (row.title, sorted(row.genres)) for row in run.work.read("items").collect()}
    assert titles["m1"] == ("雨夜 Rain 1", ["calm", "pop"])
    assert run.work.read("item_features").count() == len(ITEMS)


def check(ratings: pd.DataFrame) -> None:
    expected = {(user, item): (float(stars), at.replace(tzinfo=None)) for user, item, stars, at in ROWS}
    pairs = {(r.user_id, r.item_id): (r.rating, r.rated_at.to_pydatetime()) for r in ratings.itertuples()}
    assert pairs == expected
