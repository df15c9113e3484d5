"""The splits of MovieLens 1M and KuaiRand-Pure: small worked ones, and the real ones where shared/data exists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bgmrec.errors import InputError
from bgmrec.storage import columns as c
from bgmrec.study import dataset_splits
from bgmrec.study.dataset_splits import kuairand_split, movielens_cold_split, movielens_split

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_ml1m = pytest.mark.skipif(not (DATA / "ml-1m").is_dir(), reason=f"no MovieLens 1M below {DATA}")
needs_kuairand = pytest.mark.skipif(not (DATA / "kuairand-pure").is_dir(), reason=f"no KuaiRand-Pure below {DATA}")


@pytest.fixture
def ratings_csv(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    pairs = rng.choice(30 * 20, 200, replace=False)
    rows = pd.DataFrame({"user": pairs // 20 + 1, "item": pairs % 20 + 1, "rating": rng.integers(1, 6, 200)})
    rows.loc[len(rows)] = [99, 99, 3]  # the only row of its user and item: it must train
    path = tmp_path / "ratings.csv"
    rows.assign(timestamp=0).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("seed", range(5))
def test_parts_follow_the_permutation_and_cold_rows_train(ratings_csv: Path, seed: int) -> None:
    rows = movielens_split(ratings_csv, seed=seed, fraction=0.5)
    raw, p = pd.read_csv(ratings_csv), np.random.default_rng(seed).permutation(201)
    assert rows[c.USER_ID].tolist() == raw["user"].astype(str).tolist(), "in file order"
    drawn = np.full(201, c.TRAIN, object)
    drawn[p[100:150]], drawn[p[150:]] = c.VALID, c.TEST  # .5·201 = 100.5, .75·201 = 150.75
    first = raw[drawn == c.TRAIN]
    moved = (drawn != c.TRAIN) & ~(raw["user"].isin(first["user"]) & raw["item"].isin(first["item"]))
    drawn[moved] = c.TRAIN
    assert rows[c.PART].tolist() == drawn.tolist()
    assert rows.loc[200, c.PART] == c.TRAIN


def test_without_valid_the_rest_is_test(ratings_csv: Path) -> None:
    rows = movielens_split(ratings_csv, seed=0, fraction=0.5, with_valid=False)
    assert set(rows[c.PART]) == {c.TRAIN, c.TEST}
    assert (rows[c.PART] == c.TEST).sum() == pytest.approx(100, abs=5)


def test_other_ratings_than_those_of_the_published_figures_are_refused(ratings_csv: Path) -> None:
    with pytest.raises(InputError, match="not the one of the protocol"):
        movielens_split(ratings_csv, seed=0, fraction=0.8)


def test_cold_items_and_users_leave_training(ratings_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_splits, "_EXPECTED_COLD", {})
    split, raw = movielens_cold_split(ratings_csv, seed=0), pd.read_csv(ratings_csv)
    g = np.random.default_rng(1000)
    items = g.choice(np.sort(raw["item"].unique()), 2, replace=False)  # of 20 and number 99: round(2.1)
    users = g.choice(np.sort(raw["user"].unique()), 3, replace=False)
    assert split.cold_items[c.ITEM_ID].tolist() == items.astype(str).tolist()
    of_item, of_user = raw["item"].isin(items), raw["user"].isin(users)
    train = split.rows[split.rows[c.PART] == c.TRAIN]
    assert train[c.ITEM_ID].tolist() == raw.loc[~of_item & ~of_user, "item"].astype(str).tolist()
    assert split.counts == ((~of_item & ~of_user).sum(), (of_item & ~of_user).sum(), (~of_item & of_user).sum())


def test_cold_items_of_valid_train_for_test(ratings_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_splits, "_EXPECTED_COLD", {})
    test, valid = movielens_cold_split(ratings_csv, seed=1), movielens_cold_split(ratings_csv, seed=1, part=c.VALID)
    assert set(valid.rows[c.PART]) == {c.TRAIN, c.VALID}
    assert not set(valid.cold_items[c.ITEM_ID]) & set(test.cold_items[c.ITEM_ID])
    pairs = [
        set(zip(rows[c.USER_ID], rows[c.ITEM_ID], strict=True))
        for rows in (valid.rows, test.rows[test.rows[c.PART] == c.TRAIN])
    ]
    assert pairs[0] <= pairs[1]


def test_other_ratings_are_refused_in_protocol_c(ratings_csv: Path) -> None:
    with pytest.raises(InputError, match="cold item and cold user ratings"):
        movielens_cold_split(ratings_csv, seed=0)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Videos 1, 2 → music 10; 3 → music 30; 4 → unknown; 5 → music 50."""
    pd.DataFrame({"video_id": [1, 2, 3, 4, 5], "music_id": [10, 10, 30, 0, 50]}).to_csv(
        tmp_path / dataset_splits._VIDEOS, index=False
    )
    derived = [(1, 1, 0, 1, 0), (1, 4, 1, 1, 1), (2, 3, 0, 0, 0)]  # user, video, position, long_view, is_like
    pd.DataFrame(derived, columns=["user_id", "video_id", "pos_in_history", "long_view", "is_like"]).to_csv(
        tmp_path / dataset_splits._DERIVED, index=False
    )
    log = [
        (2, 1, 20220501, 1, 1, 0),
        (2, 1, 20220501, 1, 1, 0),  # an exact duplicate
        (2, 5, 20220503, 2, 0, 1),  # a validation day
        (1, 2, 20220506, 3, 1, 0),  # music 10 again, by another video: no target
        (1, 3, 20220506, 4, 0, 1),
        (1, 4, 20220506, 5, 1, 1),  # unknown music
        (2, 3, 20220508, 6, 1, 0),  # seen before, but not positive: a target
        (2, 3, 20220508, 7, 1, 0),  # the same pair counts once
        (3, 1, 20220507, 8, 1, 0),  # a user without history
        (2, 1, 20220507, 9, 0, 0),
    ]
    names = ["user_id", "video_id", "date", "time_ms", "long_view", "is_like"]
    pd.DataFrame(log, columns=names).to_csv(tmp_path / dataset_splits._LOG, index=False)
    return tmp_path


def test_targets_were_not_positive_before(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_splits, "_EXPECTED_MUSIC", {})
    split = kuairand_split(music)
    assert sorted(split.targets.itertuples(index=False, name=None)) == [("1", "30"), ("2", "30"), ("3", "10")]
    assert sorted(split.catalogue[c.ITEM_ID]) == ["10", "30", "50"]
    assert len(split.interactions) == 4
    assert split.counts() == (3, 3, 3, 1)
    valid = kuairand_split(music, c.VALID)
    assert valid.targets.itertuples(index=False, name=None).__next__() == ("2", "50")
    assert valid.counts() == (1, 1, 2, 0)


def test_other_music_files_are_refused(music: Path) -> None:
    with pytest.raises(InputError, match="users without history"):
        kuairand_split(music)


@needs_ml1m
def test_protocol_a_gives_the_published_test_rows() -> None:
    rows = movielens_split(DATA / "ml-1m" / "ratings.csv", seed=0, fraction=0.8)  # raises where counts differ
    assert (rows[c.PART] == c.TEST).sum() == 100_010


@needs_kuairand
def test_protocol_b_gives_the_published_counts() -> None:
    assert kuairand_split(DATA / "kuairand-pure").counts() == (9_709, 17_191, 7_119, 192)


@needs_ml1m
@pytest.mark.parametrize(("seed", "user_mean", "item_mean"), [(0, 1.0407, 0.9473), (1, 1.0515, 0.9651)])
def test_protocol_c_gives_the_cold_films_and_users(seed: int, user_mean: float, item_mean: float) -> None:
    """DATA.md's bias baselines (1.0624, .9491; 1.0739, .9678) lie near these means over the same ratings."""
    split = movielens_cold_split(DATA / "ml-1m" / "ratings.csv", seed=seed)
    assert len(split.cold_items) == 371
    train, test = (split.rows[split.rows[c.PART] == part] for part in (c.TRAIN, c.TEST))
    of_item = test[c.ITEM_ID].isin(split.cold_items[c.ITEM_ID])
    for rows, side, expected in ((test[of_item], c.USER_ID, user_mean), (test[~of_item], c.ITEM_ID, item_mean)):
        means = rows[side].map(train.groupby(side)[c.RATING].mean())
        assert np.sqrt(((rows[c.RATING] - means) ** 2).mean()) == pytest.approx(expected, abs=1e-3)
