"""The settings files that jobs/new_config.py writes: many layouts in, and errors for what cannot be read."""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bgmrec.config import Settings, load_settings
from bgmrec.errors import InputError, SettingsError
from bgmrec.runtime.logs import Progress
from bgmrec.stages import new_config

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "conf" / "examples"
START = datetime(2024, 5, 1, 10, 30, tzinfo=UTC)
N_DAYS = 6

Write = Callable[..., Settings]
# a user, an item, stars from 1 to 5 and a time over six days; every pair occurs once
ROWS = [(f"u{n % 9}", f"m{n // 9}", n % 5 + 1, START + timedelta(hours=n * 24 * N_DAYS / 91)) for n in range(90)]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Runs the job on some arguments and loads what it wrote."""

    def run(*arguments: object) -> Settings:
        parser = argparse.ArgumentParser()
        parser.add_argument("--config", default=[])
        parser.add_argument("--set", default=[], dest="overrides")
        new_config.add_arguments(parser)
        out = tmp_path / "new.toml"
        new_config.write_settings(parser.parse_args([*map(str, arguments), "--out", str(out)]), Progress())
        return load_settings([out])

    return run


def save_csv(path: Path, header: Sequence[str] | None, rows: Sequence[Sequence[Any]], sep: str = ",") -> Path:
    encoding = "utf-8"
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=sep)
        writer.writerows([header, *rows] if header else rows)
    return path


def rated(time: Callable[[datetime], object], order: str = "uirt") -> list[list[object]]:
    """The rows with their times written in some way and their columns in some order."""
    return [[{"u": u, "i": i, "r": r, "t": time(t)}[name] for name in order] for u, i, r, t in ROWS]


def test_the_example_file_is_what_the_job_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(PROJECT)
    out = tmp_path / "my-data.toml"
    parser = argparse.ArgumentParser()
    parser.set_defaults(config=[], overrides=[])
    new_config.add_arguments(parser)
    files = ["--ratings", "conf/examples/plays.csv", "--items", "conf/examples/tracks.jsonl"]
    new_config.write_settings(parser.parse_args([*files, "--out", str(out)]), Progress())
    shipped = (EXAMPLES / "my-data.toml").read_text(encoding="utf-8")
    assert out.read_text(encoding="utf-8").replace(str(out), "conf/examples/my-data.toml") == shipped
    assert len(shipped.splitlines()) <= 40
    assert "--ds 2025-03-14" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("header", "order", "sep", "time", "expression"),
    [
        (["user_id", "item_id", "rating", "timestamp"], "uirt", ",", lambda t: int(t.timestamp()), "timestamp_seconds"),
        (["userId", "movieId", "rating", "ts"], "uirt", ";", lambda t: int(t.timestamp() * 1000), "timestamp_millis"),
        (["Date", "Track ID", "User", "Stars"], "tiur", "\t", lambda t: t.isoformat(), "to_timestamp(Date)"),
        (["stars", "song", "listener", "at"], "riut", "|", lambda t: f"{t:%Y/%m/%d %H:%M}", "'yyyy/M/d H:mm'"),
        (["时间", "用户", "歌曲", "评分"], "tuir", ",", lambda t: f"{t:%Y-%m-%d %H:%M:%S}", "to_timestamp(`时间`)"),
        (["day", "member", "product", "grade"], "tuir", ";", lambda t: f"{t:%d.%m.%Y}", "'d.M.yyyy'"),
        (["user", "item", "score", "date"], "uirt", ",", lambda t: f"{t:%Y%m%d}", "'yyyyMMdd'"),
        (None, "uirt", ",", lambda t: int(t.timestamp()), "column_4"),
    ],
)
def test_csv_layouts(
    tmp_path: Path,
    write: Write,
    header: list[str] | None,
    order: str,
    sep: str,
    time: Callable[[datetime], object],
    expression: str,
) -> None:
    settings = write("--ratings", save_csv(tmp_path / "log.csv", header, rated(time, order), sep))
    [source] = settings.ratings.sources
    names = header or source.columns
    column = {role: names[order.index(role)] for role in "uirt"}
    assert source.user_id.strip("`") == column["u"]
    assert source.item_id.strip("`") == column["i"]
    assert source.rating.strip("`") == column["r"]
    assert source.rated_at is not None and expression in source.rated_at
    assert source.options == ({} if sep == "," else {"sep": sep})
    assert settings.factorize.mode == "explicit"
    assert (settings.ratings.minimum, settings.ratings.maximum, settings.evaluate.clip) == (1, 5, (1, 5))
    assert settings.evaluate.relevant_rating == 4
    assert settings.item_encoder.kind == "none"


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "parquet", "dat"])
def test_other_formats(tmp_path: Path, write: Write, suffix: str) -> None:
    frame = pd.DataFrame(ROWS, columns=["user_id", "track_id", "rating", "rated_at"])
    path = tmp_path / f"log.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path, coerce_timestamps="us")
    elif suffix == "dat":  # MovieLens: no header, two colons, seconds since 1970
        lines = ["::".join(map(str, (u, i, r, int(t.timestamp())))) for u, i, r, t in ROWS]
        path.write_text("\n".join(lines))
    else:
        text = "".join(
            json.dumps({**row, "rated_at": row["rated_at"].isoformat()}) + "\n" for row in frame.to_dict("records")
        )
        path.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    [source] = write("--ratings", path).ratings.sources
    if suffix == "dat":
        assert (source.format, source.options) == ("csv", {"sep": "::", "quote": ""})
        assert (source.user_id, source.item_id, source.rating) == ("column_1", "column_2", "column_3")
    else:
        assert source.format == suffix.split(".")[0]
        assert (source.user_id, source.item_id, source.rating) == ("user_id", "track_id", "rating")
        assert source.rated_at == ("rated_at" if suffix == "parquet" else "to_timestamp(rated_at)")


def test_plays_are_a_weight_and_not_a_rating(tmp_path: Path, write: Write) -> None:
    rows = [[u, i, 1 + n * 7 % 250, f"{t:%Y-%m-%d}"] for n, (u, i, _, t) in enumerate(ROWS)]
    settings = write("--ratings", save_csv(tmp_path / "log.csv", ["user", "song", "play_count", "date"], rows))
    [source] = settings.ratings.sources
    assert (settings.factorize.mode, settings.ratings.policy, settings.train.metric) == ("implicit", "sum", "ndcg")
    assert (source.weight, source.rating) == ("play_count", "1.0")


def test_likes_decide_which_rows_count(tmp_path: Path, write: Write) -> None:
    rows = [[u, i, n % 3 == 0, f"{t:%Y-%m-%d}"] for n, (u, i, _, t) in enumerate(ROWS)]
    [source] = write(
        "--ratings", save_csv(tmp_path / "log.csv", ["user", "song", "liked", "date"], rows)
    ).ratings.sources
    assert source.where is not None and "liked" in source.where


def test_ids_of_a_catalogue_find_the_items(tmp_path: Path, write: Write) -> None:
    log = save_csv(tmp_path / "log.csv", ["a", "b", "c"], [[i, u, f"{t:%Y-%m-%d}"] for u, i, _, t in ROWS])
    tracks = [[f"m{n}", f"Song number {n}", ["rock", "folk"][n % 2], f"https://x/{n}", 60 + n] for n in range(10)]
    items = save_csv(tmp_path / "tracks.csv", ["key", "标题", "genre", "cover", "bpm"], tracks, ";")
    settings = write("--ratings", log, "--items", items)
    [source], [catalogue] = settings.ratings.sources, settings.items.sources
    assert (source.item_id, source.user_id, catalogue.id) == ("a", "b", "key")
    assert {field.name: field.type for field in settings.items.fields} == {
        "title": "text",
        "genre": "string",
        "bpm": "integer",
    }
    assert settings.items.fields[0].expression == "`标题`"
    assert settings.item_features.document.fields == ["title"]
    assert {feature.field: feature.kind for feature in settings.item_features.features} == {
        "genre": "one_hot",
        "bpm": "number",
    }
    assert (settings.report.title_field, settings.report.group_field) == ("title", "genre")


def test_fields_of_every_kind(tmp_path: Path, write: Write) -> None:
    log = save_csv(tmp_path / "log.csv", ["user", "item"], [[u, i] for u, i, _, _ in ROWS])
    lines = [
        {
            "_id": f"m{n}",
            "tags": "calm|dance" if n % 2 else "calm",
            "moods": ["a", "b"],
            "audio": [0.5 * n, 1.0, 2.0],
            "released": f"20{10 + n}-01-02",
            "explicit": n % 2 == 0,
            "uses": 10 ** (n % 6),
            "more": {"x": n},
            "none": None,
        }
        for n in range(10)
    ]
    items = tmp_path / "items.jsonl"
    items.write_text("\n".join(map(json.dumps, lines)))
    settings = write("--ratings", log, "--items", items)
    assert settings.items.sources[0].id == "`_id`"
    fields = {field.name: field for field in settings.items.fields}
    assert {name: field.type for name, field in fields.items()} == {
        "tags": "list",
        "moods": "list",
        "audio": "vector",
        "released": "timestamp",
        "explicit": "boolean",
        "uses": "integer",
    }
    assert fields["tags"].separator == "|"
    features = {feature.field: (feature.kind, feature.size) for feature in settings.item_features.features}
    assert features["audio"] == ("vector", 3) and features["uses"][0] == "log_number"
    assert settings.split.method == "random"  # the log has no times


def test_files_of_single_days_are_a_window(tmp_path: Path, write: Write) -> None:
    for day in range(N_DAYS):
        folder = tmp_path / "events" / f"ds=2024-05-0{day + 1}"
        folder.mkdir(parents=True)
        rows = [[u, i, f"{t:%Y-%m-%d %H:%M:%S}"] for u, i, _, t in ROWS[day * 15 : day * 15 + 15]]
        save_csv(folder / "part-0.csv", ["user", "item", "time"], rows)
        (folder / "_SUCCESS").touch()
    settings = write("--ratings", tmp_path / "events")
    [source] = settings.ratings.sources
    assert source.paths == ["{data}/ds={ds}"] and source.lookback_days == 30 and source.allow_missing_days
    assert settings.paths.data == str(tmp_path / "events")


def test_chinese_csv_that_is_not_utf_8(tmp_path: Path, write: Write) -> None:
    path = tmp_path / "log.csv"
    lines = ["用户,歌曲,次数", *(f"用户{u},歌曲{i},{r}" for u, i, r, _ in ROWS)]
    path.write_bytes("\n".join(lines).encode("gb18030"))
    [source] = write("--ratings", path).ratings.sources
    assert source.options == {"encoding": "GB18030"}
    assert (source.user_id, source.item_id, source.weight) == ("`用户`", "`歌曲`", "`次数`")


def test_options_win_over_guesses(tmp_path: Path, write: Write) -> None:
    log = save_csv(
        tmp_path / "log.csv", ["user", "item", "rating", "buyer"], [[u, i, r, f"b{r}"] for u, i, r, _ in ROWS]
    )
    settings = write("--ratings", log, "--user-column", "buyer", "--mode", "implicit")
    assert settings.ratings.sources[0].user_id == "buyer"
    assert settings.factorize.mode == "implicit"


@pytest.mark.parametrize(
    ("name", "content", "found", "hint"),
    [
        ("log.csv", b"", "an empty file", "complete"),
        ("log.csv", b"one column\nonly\nhere\n", "one column", "--delimiter"),
        ("log.csv", b"user,item\n", "no rows", "complete"),
        ("log.csv", b"user,item\nu1,m1\nu2\nu3\nu4,m2,x\n", "another number of columns", "--delimiter"),
        ("log.csv", "user,item\nu1,m1\n".encode("utf-16"), "UTF-16", "iconv"),
        ("log.csv", gzip.compress(b"user,item\nu1,m1\n", mtime=0), "gzip", ".gz"),
        ("log.csv.gz", b"user,item\nu1,m1\n", "no gzip", "without .gz"),
        ("log.csv.gz", gzip.compress(b"user,item\nu1,m1\n" * 999, mtime=0)[:60], "Compressed file ended", "complete"),
        ("log.json", b'[{"user": 1}]', "one JSON array", "jq -c"),
        ("log.jsonl", b"no json\nat all\n", "2 of 2 lines", "complete"),
        ("log.parquet", b"PAR1 and then nothing", "Parquet", "complete"),
        ("log.parquet", b"nothing of the kind", "no Parquet", "rename"),
        ("log.csv", b"x,y\n1.5,2.5\n2.5,1.5\n1.5,2.5\n", "the columns x, y", "--user-column"),
    ],
)
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, write: Write, name: str, content: bytes, found: str, hint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        write("--ratings", tmp_path / name)
    assert str(tmp_path / name) in error.value.where
    assert error.value.expected and found in error.value.found and hint in error.value.hint


def test_times_that_spark_does_not_read_from_parquet_are_refused(tmp_path: Path, write: Write) -> None:
    pd.DataFrame(ROWS, columns=["user", "item", "rating", "at"]).to_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match="nanoseconds") as error:
        write("--ratings", tmp_path / "log.parquet")
    assert "coerce_timestamps" in error.value.hint


def test_other_refusals(tmp_path: Path, write: Write) -> None:
    log = save_csv(tmp_path / "log.csv", ["user", "item", "note"], [[u, i, "x"] for u, i, _, _ in ROWS])
    other = save_csv(tmp_path / "items.csv", ["id", "title"], [[f"z{n}", f"Song {n}"] for n in range(9)])
    (tmp_path / "empty").mkdir()
    for arguments, said in (
        (["--ratings", tmp_path / "nowhere.csv"], "does not exist"),
        (["--ratings", tmp_path / "empty"], "no data files"),
        (["--ratings", log, "--user-column", "nobody"], "names no column"),
        (["--ratings", log, "--time-column", "note"], "no times"),
        (["--ratings", log, "--weight-column", "note"], "no numbers"),
        (["--ratings", log, "--mode", "explicit"], "the column of the rating"),
        (["--ratings", log, "--items", other], "no id of the items"),
    ):
        with pytest.raises(InputError) as error:
            write(*arguments)
        assert said in str(error.value) and error.value.where and error.value.expected
    write("--ratings", log)
    with pytest.raises(SettingsError, match="exists already"):
        write("--ratings", log)
