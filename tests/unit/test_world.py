"""The generated world: its laws show in what it generates, and would not in a world without them."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from bgmrec.config import load_settings
from bgmrec.synthetic import vocabulary as v
from bgmrec.synthetic.crawl import MISSING, NEVER_CRAWLED, item_crawls, user_crawls
from bgmrec.synthetic.dirt import EVENT_DIRT, add_dirt
from bgmrec.synthetic.music import characters, music
from bgmrec.synthetic.people import people, tastes
from bgmrec.synthetic.plan import WorldPlan
from bgmrec.synthetic.plays import plays
from bgmrec.synthetic.taste import affinity
from bgmrec.synthetic.texts import descriptions, titles

ROOT = Path(__file__).parents[2]
PLAN = WorldPlan(
    seed=3, users=2000, items=600, events=60_000, days=14, first_day=date(2025, 3, 1), dirty_share=0.04,
    new_user_share=0.15, new_item_share=0.15, rated_share=0.6, drift=1.0,
)  # fmt: skip
IDS = np.arange(PLAN.events)


@pytest.fixture(scope="module")
def events() -> dict[str, np.ndarray]:
    return plays(PLAN, IDS)


def gini(counts: np.ndarray) -> float:
    """0 where all are equal, 1 where one has everything."""
    rising, n = np.sort(counts), len(counts)
    return float((2 * np.arange(1, n + 1) - n - 1) @ rising / (n * rising.sum()))


def affinities_of(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    taste, _ = tastes(PLAN, people(PLAN, users))
    character, _ = characters(PLAN, music(PLAN, items))
    return affinity(taste, character)


def test_a_play_does_not_depend_on_the_plays_made_with_it(events: dict[str, np.ndarray]) -> None:
    alone = plays(PLAN, IDS[40_000:40_100])
    for name, values in alone.items():
        np.testing.assert_array_equal(values, events[name][40_000:40_100], err_msg=name)


def test_popularity_and_activity_have_long_tails(events: dict[str, np.ndarray]) -> None:
    for name, n, bound in (("item_idx", PLAN.items, 0.4), ("user_idx", PLAN.users, 0.3)):
        uniform = np.bincount(np.random.default_rng(0).integers(0, n, PLAN.events), minlength=n)
        assert gini(uniform) < 0.15  # what draws without a tail reach
        assert gini(np.bincount(events[name], minlength=n)) > bound


def test_ratings_follow_the_true_affinity_and_a_permutation_breaks_it(events: dict[str, np.ndarray]) -> None:
    rated = ~np.isnan(events["rating"])
    users, items, ratings = events["user_idx"][rated], events["item_idx"][rated], events["rating"][rated]
    truth = affinities_of(users, items)
    np.testing.assert_allclose(truth, events["affinity"][rated])
    shuffled = np.random.default_rng(0).permutation(items)
    assert np.corrcoef(truth, ratings)[0, 1] > 0.5
    assert abs(np.corrcoef(affinities_of(users, shuffled), ratings)[0, 1]) < 0.15


def test_users_choose_what_they_like(events: dict[str, np.ndarray]) -> None:
    strangers = affinities_of(events["user_idx"], np.random.default_rng(0).permutation(events["item_idx"]))
    assert events["affinity"].mean() > strangers.mean() + 0.5


def test_rating_biases_of_users_and_items_show(events: dict[str, np.ndarray]) -> None:
    _, user_bias = tastes(PLAN, people(PLAN, events["user_idx"]))
    _, item_bias = characters(PLAN, music(PLAN, events["item_idx"]))
    rated = ~np.isnan(events["rating"])
    rest = events["rating"] - 0.75 * events["affinity"]
    assert np.corrcoef(user_bias[rated], rest[rated])[0, 1] > 0.3
    assert np.corrcoef(item_bias[rated], rest[rated])[0, 1] > 0.3


def test_taste_follows_the_profile_and_not_only_chance() -> None:
    profiles = people(PLAN, np.arange(PLAN.users))
    taste, _ = tastes(PLAN, profiles)
    same = profiles.interests[:-1, 0] == profiles.interests[1:, 0]
    cosine = (taste[:-1] * taste[1:]).sum(axis=1)
    assert cosine[same].mean() > cosine[~same].mean() + 0.2


def test_ratings_are_stars_and_as_many_as_asked_for(events: dict[str, np.ndarray]) -> None:
    rated = ~np.isnan(events["rating"])
    assert set(events["rating"][rated]) == {1.0, 2.0, 3.0, 4.0, 5.0}
    # binomial: deviation sqrt(.6 · .4 / 60000) = .002
    assert abs(rated.mean() - PLAN.rated_share) < 0.01


def test_nobody_plays_or_is_played_before_arrival(events: dict[str, np.ndarray]) -> None:
    assert (PLAN.user_arrivals.day_of(events["user_idx"]) <= events["day"]).all()
    assert (PLAN.item_arrivals.day_of(events["item_idx"]) <= events["day"]).all()


@pytest.mark.parametrize("name", ["user_idx", "item_idx"])
def test_new_users_and_new_music_appear_every_day(events: dict[str, np.ndarray], name: str) -> None:
    _, first = np.unique(events[name], return_index=True)  # ids rise with the days
    newcomers = np.bincount(events["day"][first], minlength=PLAN.days)
    assert (newcomers[1:] > 0).all()


def test_arrivals_agree_with_their_count() -> None:
    arrivals = PLAN.user_arrivals
    days = arrivals.day_of(np.arange(PLAN.users))
    expected = [(days <= day).sum() for day in range(PLAN.days)]
    np.testing.assert_array_equal(arrivals.by(np.arange(PLAN.days)), expected)
    assert expected[0] == 1700  # 85 % of 2000
    assert expected[-1] == 2000


def test_genres_drift_more_than_chance(events: dict[str, np.ndarray]) -> None:
    def chi_square(drift: float) -> float:
        """Of genre by first and second half of the days: expectation 15, deviation 5.5 without drift."""
        made = plays(WorldPlan(**{**PLAN.__dict__, "drift": drift, "new_item_share": 0.0}), IDS)
        genres = music(PLAN, made["item_idx"]).genres
        table = np.stack([np.bincount(genres[half], minlength=len(v.GENRES)) for half in _halves(made["day"])])
        expected = table.sum(axis=0) * table.sum(axis=1, keepdims=True) / table.sum()
        return float(((table - expected) ** 2 / np.maximum(expected, 1)).sum())

    assert chi_square(0.0) < 50
    assert chi_square(1.0) > 500


def _halves(days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return days < PLAN.days // 2, days >= PLAN.days // 2


def test_every_kind_of_dirt_has_its_share(events: dict[str, np.ndarray]) -> None:
    soiled = add_dirt(PLAN, IDS, events)
    counts = np.bincount(soiled["dirt"], minlength=len(EVENT_DIRT))
    counts[EVENT_DIRT.index("duplicate")] //= 2  # each is there twice
    expected = PLAN.events * PLAN.dirty_share / (len(EVENT_DIRT) - 1)  # 300 of each
    assert (np.abs(counts[1:] - expected) < 5 * np.sqrt(expected)).all()
    assert len(soiled["dirt"]) == PLAN.events + counts[EVENT_DIRT.index("duplicate")]


def test_a_clean_world_has_no_dirt(events: dict[str, np.ndarray]) -> None:
    soiled = add_dirt(WorldPlan(**{**PLAN.__dict__, "dirty_share": 0.0}), IDS, events)
    np.testing.assert_array_equal(soiled["rating"], events["rating"])
    assert not soiled["dirt"].any()


def test_descriptions_are_made_of_the_words_of_their_genre_and_mood() -> None:
    of = music(PLAN, np.arange(200))
    texts = [set(re.findall(r"[a-z-]+", text.lower())) for text in descriptions(PLAN, of)]

    def hits(words: tuple[tuple[str, ...], ...], codes: np.ndarray) -> int:
        return sum(bool(text & set(words[code])) for text, code in zip(texts, codes, strict=True))

    assert hits(v.MOOD_WORDS, of.moods) > 190
    assert hits(v.GENRE_WORDS, of.genres) > 180
    assert hits(v.MOOD_WORDS, np.roll(of.moods, 1)) < 100
    assert hits(v.GENRE_WORDS, np.roll(of.genres, 1)) < 100


def test_descriptions_have_three_to_five_sentences_and_no_empty_slot() -> None:
    for text in descriptions(PLAN, music(PLAN, np.arange(200))):
        assert 3 <= len(re.findall(r"[.](?: |$)", text)) <= 5
        assert not set("{}") & set(text)


def test_titles_do_not_repeat_a_word() -> None:
    for title in titles(PLAN, music(PLAN, np.arange(200))):
        words = title.replace("The ", "").split()
        assert len(words) == len(set(words))


def test_crawls_hold_the_truth_with_gaps_and_repeats() -> None:
    clean = WorldPlan(**{**PLAN.__dict__, "dirty_share": 0.0})
    crawls = [json.loads(line) for _, line in user_crawls(clean, np.arange(PLAN.users))]
    ages = people(clean, np.arange(PLAN.users)).ages
    assert all(crawl["age"] == ages[int(crawl["user_id"][1:])] for crawl in crawls if "age" in crawl)
    # deviations about .005, and .004
    assert abs(np.mean(["age" not in crawl for crawl in crawls]) - MISSING) < 0.02
    crawled = len({crawl["user_id"] for crawl in crawls})
    assert abs(crawled / PLAN.users - (1 - NEVER_CRAWLED)) < 0.02
    assert len(crawls) > 1.3 * crawled
    assert all(crawl["crawler"] for crawl in crawls)  # a field that nobody asked for


def test_no_crawl_is_older_than_what_it_found() -> None:
    dates = PLAN.dates()
    for day, line in item_crawls(WorldPlan(**{**PLAN.__dict__, "dirty_share": 0.0}), np.arange(PLAN.items)):
        crawl = json.loads(line)
        assert crawl["fetched_at"].startswith(day)
        assert dates.index(day) >= PLAN.item_arrivals.day_of(np.array([int(crawl["music_id"][1:])]))[0]


def test_dirty_crawls_are_broken_in_every_way() -> None:
    lines = [line for _, line in item_crawls(WorldPlan(**{**PLAN.__dict__, "dirty_share": 0.3}), np.arange(PLAN.items))]
    whole = [json.loads(line) for line in lines if line.endswith("}")]
    n, tenth = len(lines), 0.3 / 3
    assert abs((n - len(whole)) / n - tenth) < 0.05
    assert abs(sum("music_id" not in crawl for crawl in whole) / n - tenth) < 0.05
    assert abs(sum(crawl["fetched_at"] == "yesterday" for crawl in whole) / n - tenth) < 0.05
    assert any(crawl.get("bpm") == "fast" for crawl in whole)


def test_the_demo_runs_on_the_last_day_of_its_world() -> None:
    world = load_settings([ROOT / "conf" / "base.toml", ROOT / "conf" / "demo.toml"]).world
    plan = WorldPlan(**{**PLAN.__dict__, "days": world.days, "first_day": world.first_day})
    assert f"DEMO_DS := {plan.last_day}\n" in (ROOT / "Makefile").read_text()
