"""Studies of your own data by a settings file: the three protocols, resuming, and the tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.nights import FIRST_DAY, LAST_DAY, SPARK_CONF, run_job

SETTINGS = """
[[ratings.sources]]
name = "log"
format = "csv"
paths = ["{data}/ratings.csv"]
rating = "rating"
rated_at = "to_timestamp(time)"

[items]
sources = [{ name = "items", format = "csv", paths = ["{data}/items.csv"], id = "item_id" }]
fields = [{ name = "genre", type = "string" }, { name = "title", type = "text" }]

[item_features]
features = [{ field = "genre", kind = "one_hot" }]
document = { fields = ["title"], min_documents = 1 }

[user_encoder]
kind = "none"

[item_encoder]
kind = "none"

[factorize]
rank = 2

[train]
rounds = 1

[study]
fractions = [0.7]
valid_days = 1
test_days = 2
cold_item_share = 0.2
genre_field = "genre"

[evaluate]
relevant_rating = 4.0
"""
USERS, ITEMS = 40, 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every user likes one of two genres, and rates half of the items over six days."""
    location = tmp_path_factory.mktemp("own-data")
    day = int(FIRST_DAY[-2:])
    rows = ["user_id,item_id,rating,time"]
    for user in range(USERS):
        for item in range(ITEMS):
            if (user * 7 + item * 3) % 2:
                rating = 5 - (user * item) % 2 if user % 2 == item // 3 % 2 else 1 + (user + item) % 3
                rows.append(f"u{user},i{item},{rating},{FIRST_DAY[:-2]}{day + (user + item) % 6:02d} 12:00:00")
    (location / "ratings.csv").write_text("\n".join(rows))
    titles = [f"i{item},{'jazz' if item // 3 % 2 else 'rock'},song {item % 4}" for item in range(ITEMS)]
    (location / "items.csv").write_text("\n".join(["item_id,genre,title", *titles]))
    conf = "\n".join(f'"{key}" = "{value}"' for key, value in SPARK_CONF.items())
    (location / "my.toml").write_text(f"{SETTINGS}\n[spark.conf]\n{conf}\n")
    return location


def study(folder: Path, protocol: str, out: Path, *extra: str) -> list[dict]:
    where = ["--config", str(folder / "my.toml"), "--data", str(folder), "--root", str(out.parent / "root")]
    run_job("study", protocol, *where, "--ds", LAST_DAY, "--json", str(out), *extra)
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_random_skips_results_in_the_file(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    first = study(folder, "random", out)
    assert [(row["protocol"], row["model"], row["fraction"], row["seed"]) for row in first] == [
        ("random", "settings", 0.7, 0)
    ]
    assert 0.2 < first[0]["rmse"] < 1.8 and first[0]["mae"] < first[0]["rmse"] and first[0]["seconds"] > 0
    document = tmp_path / "accuracy.md"
    document.write_text("<!-- results: random model=settings -->\n<!-- end of results -->\n")
    both = study(folder, "random", out, "--seeds", "0,1", "--table", str(document))
    assert both[0] == first[0]
    assert first[0]["measured"]["command"].startswith("python jobs/study.py random --config")
    table = document.read_text()
    assert "| `settings` | 0, 1 | " in table and "--seeds 0,1" in table, "a row, and how it was measured"
    assert [row["seed"] for row in both] == [0, 1] and both[1]["rmse"] != both[0]["rmse"]


@pytest.mark.parametrize("part", ["test", "valid"])
def test_days_ranks_new_items_of_the_last_days(folder: Path, tmp_path: Path, part: str) -> None:
    (row,) = study(folder, "days", tmp_path / "out.jsonl", "--part", part)
    assert {"ndcg_10", "ndcg_20", "recall_20", "coverage_20"} <= set(row) and "rmse" not in row
    assert 0 < row["ndcg_10"] <= 1


def test_cold_reports_items_users_and_baselines(folder: Path, tmp_path: Path) -> None:
    (row,) = study(folder, "cold", tmp_path / "out.jsonl", "--seeds", "3")
    for name in ("rmse_cold_item", "rmse_cold_user", "ndcg_10_cold_items"):
        assert 0 < row[name] < 3
    lists = {"popularity", "genre_popularity", "content_knn", "knn_popularity"}
    assert set(row["baselines"]) == {"mean", "bias"} | lists
    assert all(0 <= row["baselines"][name]["ndcg_10_cold_items"] <= 1 for name in lists)
    # users like a genre by parity: the genre predicts almost everything, popularity nothing
    assert row["baselines"]["content_knn"]["ndcg_10_cold_items"] > row["baselines"]["popularity"]["ndcg_10_cold_items"]


def test_days_without_ds_is_refused(folder: Path, tmp_path: Path) -> None:
    done = run_job("study", "days", "--config", str(folder / "my.toml"), "--data", str(folder), check=False)
    assert done.returncode == 2 and "--ds" in done.stderr


def test_given_ranks_preferences_and_models_of_a_split_share_baselines(folder: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out.jsonl", tmp_path / "other.toml"
    other.write_text("[factorize]\nrank = 3\n")
    part = "if(pmod(xxhash64(user_id, item_id), 5) = 0, 'test', 'train')"
    sets = [
        f'study.part="{part}"',
        "factorize.mode=implicit",
        "factorize.bias=false",
        "factorize.unobserved_weight=0.1",
    ]
    sets += ["evaluate.baselines=['popularity', 'item_knn', 'ease']"]
    arguments = [text for value in sets for text in ("--set", value)]
    (first,) = study(folder, "given", out, *arguments)
    assert 0 < first["ndcg_10"] <= 1 and "rmse" not in first
    assert set(first["baselines"]) == {"popularity", "item_knn", "ease"}
    # users like a genre by parity: items that share users say so, popularity does not
    assert first["baselines"]["ease"]["ndcg_10"] > first["baselines"]["popularity"]["ndcg_10"]
    _, second = study(folder, "given", out, *arguments, "--config", str(other))
    assert second["baselines"] == first["baselines"] and second["settings"] != first["settings"]
