"""The training state: the best round, and early stopping, which counts from it."""

import math

from bgmrec.train.checkpoint import TrainState


def run(values: list[float | None]) -> TrainState:
    state = TrainState()
    for value in values:
        state = state.after(value, {})
    return state


def test_the_best_round_is_kept_and_patience_counts_from_it() -> None:
    # round 2 is the best; round 4 is better than round 3 but not than round 2
    state = run([0.90, 0.85, 0.88, 0.86])
    assert (state.best_round, state.best_value) == (2, 0.85)
    assert not state.is_over(rounds=10, patience=3)
    assert state.after(0.86, {}).is_over(rounds=10, patience=3)


def test_an_equal_value_is_no_new_best() -> None:
    assert run([0.85, 0.85]).best_round == 1


def test_a_value_that_is_not_a_number_is_never_the_best() -> None:
    assert run([math.nan, 0.9, math.nan]).best_round == 2


def test_without_validation_all_rounds_are_run_and_the_last_one_is_the_best() -> None:
    state = run([None, None])
    assert state.best_round == 2
    assert not state.is_over(rounds=3, patience=1)
    assert run([None] * 3).is_over(rounds=3, patience=1)
