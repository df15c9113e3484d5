"""Bootstrap intervals over users against textbook intervals, p values, and their adjustment."""

from __future__ import annotations

import numpy as np
import pytest

from bgmrec.report.bootstrap import UserSums, bootstrap, difference, estimate, holm


def mean_of(values: np.ndarray) -> UserSums:
    return UserSums(values.astype(float), np.ones(len(values)))


def test_the_interval_of_a_mean_is_the_textbooks():
    values = np.random.default_rng(3).normal(0.3, 0.2, 800)
    drawn = bootstrap({"m": mean_of(values)}, draws=4000, seed=1)["m"]
    found = estimate(mean_of(values).value(), drawn)
    error = 1.96 * values.std() / np.sqrt(800)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - error, abs=0.1 * error)
    assert found.high == pytest.approx(values.mean() + error, abs=0.1 * error)


def test_about_one_interval_in_twenty_misses_the_truth():
    missed = 0
    for seed in range(200):
        values = np.random.default_rng(seed).exponential(1.0, 300)
        found = estimate(values.mean(), bootstrap({"m": mean_of(values)}, draws=300, seed=seed)["m"])
        missed += not found.low <= 1.0 <= found.high
    assert 3 <= missed <= 22  # 10 expected, standard deviation 3.1


def test_all_ratings_of_a_user_are_drawn_together():
    """RMSE where all ratings of a user have the same error: the number of users alone decides how certain it is."""
    error = np.abs(np.random.default_rng(0).normal(1.0, 0.5, 50))
    few = UserSums(error**2, np.ones(50), root=True)
    many = UserSums(1000 * error**2, np.full(50, 1000.0), root=True)
    drawn = bootstrap({"few": few, "many": many}, draws=500, seed=4)
    np.testing.assert_allclose(drawn["few"], drawn["many"])
    assert few.value() == pytest.approx(np.sqrt((error**2).mean()))


def test_a_model_that_is_better_for_nearly_everybody_is_significantly_better():
    random = np.random.default_rng(8)
    base = random.random(400)
    better = base + random.normal(0.02, 0.05, 400)
    drawn = bootstrap({"a": mean_of(better), "b": mean_of(base)}, draws=1000, seed=2)
    found = difference(better.mean() - base.mean(), drawn["a"], drawn["b"])
    assert found.low > 0 and found.p == pytest.approx(2 / 1001)
    # unpaired, the spread over users would hide it
    alone = [estimate(values.mean(), drawn[name]) for name, values in (("a", better), ("b", base))]
    assert alone[0].low < alone[1].high


def test_equal_models_do_not_differ():
    values = np.random.default_rng(1).random(100)
    drawn = bootstrap({"a": mean_of(values), "b": mean_of(values.copy())}, draws=200, seed=2)
    found = difference(0.0, drawn["a"], drawn["b"])
    assert (found.low, found.high, found.p) == (0.0, 0.0, 1.0)


def test_values_do_not_depend_on_the_size_of_the_chunks(monkeypatch):
    values = np.random.default_rng(1).random(90)
    whole = bootstrap({"m": mean_of(values)}, draws=70, seed=2)["m"]
    monkeypatch.setattr("bgmrec.report.bootstrap._CELLS", 1000)
    np.testing.assert_allclose(bootstrap({"m": mean_of(values)}, draws=70, seed=2)["m"], whole)


def test_holm_multiplies_the_smallest_p_value_most() -> None:
    # sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and never below a smaller one's: .02 .03 .06 .06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2] and holm([]) == []


def test_of_many_equal_models_holm_rarely_finds_one_different() -> None:
    """20 comparisons without a difference: some raw p value is below .05 in most samples, an adjusted one in few."""
    found = {"raw": 0, "adjusted": 0}
    for seed in range(100):
        p = np.random.default_rng(seed).random(20).tolist()
        found["raw"] += min(p) < 0.05
        found["adjusted"] += min(holm(p)) < 0.05
    assert found["raw"] > 50  # 1 − .95²⁰ = 64 expected
    assert found["adjusted"] <= 12  # 5 expected, standard deviation 2.2
