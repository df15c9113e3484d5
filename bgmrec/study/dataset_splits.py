"""The exact splits of Protocols A and C (MovieLens 1M) and B (background music of KuaiRand-Pure).

They are made with pandas: the data sets are small, and two of the splits depend on the order of rows in a file, which
Spark does not keep. Row counts and checksums make sure that figures of several sessions stand on the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bgmrec.errors import InputError
from bgmrec.storage import columns as c

# (fraction, with valid, seed) → test rows, Σ user·item
_EXPECTED_TEST = {
    (0.8, True, 0): (100_010, 560_931_740_514),
    (0.8, True, 1): (100_012, 562_051_144_262),
    (0.8, True, 2): (100_006, 565_030_295_468),
    (0.2, True, 0): (399_701, 2_243_593_502_404),
    (0.9, False, 0): (100_012, 560_945_855_309),
}
# seed → training ratings, ratings of (warm user, cold item), of (cold user, warm item); counted by this program
_EXPECTED_COLD = {
    0: (814_114, 93_275, 83_343),
    1: (814_402, 85_927, 90_338),
    2: (807_858, 92_823, 89_333),
}
_COLD_SHARE = 0.1  # 371 films and 604 users
_COLD_SEED, _COLD_VALID_SEED = 1000, 2000
_EXPECTED_MUSIC = {c.TEST: (9_709, 17_191, 7_119, 192)}  # the numbers of MusicSplit.counts
_UNKNOWN_MUSIC = 0
_DERIVED = "train_derived_4_08_to_4_24_last50_per_user.csv"
_LOG = "log_standard_4_25_to_5_08_pure.csv"
_VIDEOS = "video_features_basic_pure.csv"
_VALID_FROM, _TEST_FROM, _TEST_TO = 20220502, 20220505, 20220508


def movielens_split(ratings_csv: Path, *, seed: int, fraction: float, with_valid: bool = True) -> pd.DataFrame:
    """Protocol A: `user_id`, `item_id`, `rating`, `part` in file order.

    p = permutation of the rows by `numpy.random.default_rng(seed)`; train is its first `fraction`, valid and test
    are the halves of the rest (without valid, test is the rest). A held-out row whose user or item has no training
    row moves to train.

    Args:
        ratings_csv: MovieLens 1M as CSV with columns user, item, rating.
        seed: of the permutation.
        fraction: share of the rows that train.
        with_valid: whether half of the rest is valid.

    Raises:
        InputError: the file gives another test set than the one of the published figures.
    """
    rows = pd.read_csv(ratings_csv, usecols=["user", "item", "rating"])
    n = len(rows)
    p = np.random.default_rng(seed).permutation(n)
    cuts = [int(fraction * n), int((1 + fraction) / 2 * n) if with_valid else int(fraction * n)]
    part = np.full(n, c.TEST, dtype=object)
    part[p[: cuts[0]]], part[p[cuts[0] : cuts[1]]] = c.TRAIN, c.VALID
    train = rows[part == c.TRAIN]
    both_train = rows["user"].isin(train["user"].unique()) & rows["item"].isin(train["item"].unique())
    part[~both_train.to_numpy()] = c.TRAIN
    test = rows[part == c.TEST]
    counts = (len(test), int((test["user"].astype("int64") * test["item"]).sum()))
    _expect(counts, _EXPECTED_TEST.get((fraction, with_valid, seed)), str(ratings_csv), "test rows and Σ user·item")
    ids = {c.USER_ID: rows["user"].astype(str), c.ITEM_ID: rows["item"].astype(str)}
    return pd.DataFrame({**ids, c.RATING: rows["rating"].astype("float32"), c.PART: part})


@dataclass(frozen=True)
class ColdSplit:
    """Protocol C.

    Args:
        rows: user_id, item_id, rating, part: train, or the evaluated part for ratings of a cold item or a cold user.
        cold_items: item_id of the cold items, which are the candidates of the lists.
        counts: training ratings, ratings of (warm user, cold item), of (cold user, warm item).
    """

    rows: pd.DataFrame
    cold_items: pd.DataFrame
    counts: tuple[int, int, int]


def movielens_cold_split(ratings_csv: Path, *, seed: int, part: str = c.TEST) -> ColdSplit:
    """Protocol C: the ratings of a tenth of the items and of a tenth of the users are held out of training.

    g = `numpy.random.default_rng(1000 + seed)` draws from the sorted ids, items first. Ratings of a cold item by a
    cold user are dropped, and so are ratings of which neither user nor item trains. For valid, a generator of
    2000 + seed draws from the training rows of test.

    Args:
        ratings_csv: MovieLens 1M as CSV with columns user, item, rating.
        seed: of the draw.
        part: valid or test.

    Raises:
        InputError: the file gives another test set than the one of the published figures.
    """
    rows = pd.read_csv(ratings_csv, usecols=["user", "item", "rating"])
    marked, items = _with_cold_parts(rows, np.random.default_rng(_COLD_SEED + seed), c.TEST)
    if part == c.VALID:
        rows = marked.loc[marked[c.PART] == c.TRAIN, ["user", "item", "rating"]]
        marked, items = _with_cold_parts(rows, np.random.default_rng(_COLD_VALID_SEED + seed), part)
    of_cold_item, evaluated = marked["item"].isin(items), marked[c.PART] == part
    counts = (int((~evaluated).sum()), int((evaluated & of_cold_item).sum()), int((evaluated & ~of_cold_item).sum()))
    expected = _EXPECTED_COLD.get(seed) if part == c.TEST else None
    _expect(counts, expected, str(ratings_csv), "training, cold item and cold user ratings")
    ids = {c.USER_ID: marked["user"].astype(str), c.ITEM_ID: marked["item"].astype(str)}
    named = pd.DataFrame({**ids, c.RATING: marked["rating"].astype("float32"), c.PART: marked[c.PART]})
    return ColdSplit(named.reset_index(drop=True), pd.DataFrame({c.ITEM_ID: items.astype(str)}), counts)


def _with_cold_parts(rows: pd.DataFrame, random: np.random.Generator, part: str) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows that train or are evaluated, with `part`, and the ids of the cold items."""
    chosen = {}
    for side in ("item", "user"):
        ids = np.sort(rows[side].unique())
        chosen[side] = random.choice(ids, round(_COLD_SHARE * len(ids)), replace=False)
    cold_item, cold_user = (rows[side].isin(chosen[side]) for side in ("item", "user"))
    train = rows[~cold_item & ~cold_user]
    one_trains = rows["item"].isin(train["item"].unique()) | rows["user"].isin(train["user"].unique())
    parts = np.where(cold_item | cold_user, part, c.TRAIN)
    return rows.assign(part=parts)[~(cold_item & cold_user) & one_trains], chosen["item"]


@dataclass(frozen=True)
class MusicSplit:
    """Protocol B.

    Args:
        interactions: all training rows: user_id, item_id, positive, date (yyyymmdd; 0 before 25 April 2022).
        targets: user_id, item_id of pairs that are positive in the evaluated days and not before.
        catalogue: item_id of all music in training rows.
    """

    interactions: pd.DataFrame
    targets: pd.DataFrame
    catalogue: pd.DataFrame

    def counts(self) -> tuple[int, int, int, int]:
        """Target users, targets, catalogue, target users without a positive training row."""
        users = self.targets[c.USER_ID].unique()
        positive = self.interactions.loc[self.interactions["positive"], c.USER_ID]
        without_history = ~pd.Series(users).isin(positive.unique())
        return len(users), len(self.targets), len(self.catalogue), int(without_history.sum())


def kuairand_split(folder: Path, part: str = c.TEST) -> MusicSplit:
    """Protocol B: background music of KuaiRand-Pure, evaluated on the days of `part`.

    Positive means long_view or is_like. Rows of unknown music and exact duplicates of log rows are dropped.

    Args:
        folder: of the data set.
        part: valid or test.

    Raises:
        InputError: the files give another test set than the one of the published figures.
    """
    first, last = (_TEST_FROM, _TEST_TO) if part == c.TEST else (_VALID_FROM, _TEST_FROM - 1)
    rows = _music_rows(folder)
    train = rows[rows["date"] < first]
    seen = train.loc[train["positive"], [c.USER_ID, c.ITEM_ID]].drop_duplicates()
    days = rows[(rows["date"] >= first) & (rows["date"] <= last) & rows["positive"]]
    later = days[[c.USER_ID, c.ITEM_ID]].drop_duplicates().merge(seen, how="left", indicator=True)
    targets = later.loc[later["_merge"] == "left_only", [c.USER_ID, c.ITEM_ID]]
    split = MusicSplit(train, targets.reset_index(drop=True), train[[c.ITEM_ID]].drop_duplicates())
    what = "users, targets, catalogue and users without history"
    _expect(split.counts(), _EXPECTED_MUSIC.get(part), str(folder), what)
    return split


def _music_rows(folder: Path) -> pd.DataFrame:
    flags = ["long_view", "is_like"]
    derived = pd.read_csv(folder / _DERIVED, usecols=["user_id", "video_id", *flags]).assign(date=0)
    log = pd.read_csv(folder / _LOG).drop_duplicates()[["user_id", "video_id", *flags, "date"]]
    music = pd.read_csv(folder / _VIDEOS, usecols=["video_id", "music_id"])
    rows = pd.concat([derived, log]).merge(music, on="video_id", how="inner")
    rows = rows[rows["music_id"].notna() & (rows["music_id"] != _UNKNOWN_MUSIC)]
    return pd.DataFrame(
        {
            c.USER_ID: rows["user_id"].astype(str),
            c.ITEM_ID: rows["music_id"].astype("int64").astype(str),
            "positive": (rows[flags] == 1).any(axis=1),
            "date": rows["date"].astype("int64"),
        }
    ).reset_index(drop=True)


def _expect(counts: tuple[int, ...], expected: tuple[int, ...] | None, where: str, what: str) -> None:
    if expected is not None and counts != expected:
        raise InputError(
            f"the data set is not the one of the protocol's published figures: {what} differ",
            where=where,
            expected=str(expected),
            found=str(counts),
            hint="use the data set as it was published, with all its rows in their order",
        )
