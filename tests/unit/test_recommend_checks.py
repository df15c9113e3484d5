"""Checks of lists: each broken rule is counted, and no other with it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bgmrec.recommend.checks import count_violations
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import INT, to_cell

COLUMNS = [c.USER_IDX, c.POSITION, c.ITEM_IDX, c.SCORE]
GOOD = (2, 1, 5, 1.0)
BROKEN = {
    "long": [(0, 1, 1, 3.0), (0, 2, 2, 2.0), (0, 3, 3, 1.0)],
    "gaps": [(0, 1, 1, 3.0), (0, 3, 2, 2.0)],
    "order": [(0, 1, 1, 2.0), (0, 2, 2, 3.0)],
    "repeated": [(0, 1, 1, 2.0), (0, 2, 1, 1.0)],
    "seen": [(0, 1, 1, 2.0), (0, 2, 8, 1.0)],
}


def seen_by_users_0_and_2() -> pd.DataFrame:
    """Block 0 of 2: user 0 (row 0) has seen items 8 and 9, user 2 (row 1) has seen item 9."""
    offsets = np.array([0, 2, 3], "<i8").tobytes()
    cells = [[offsets], [to_cell(np.array([8, 9]), INT)], [to_cell(np.array([0, 1, 1]), INT)]]
    return pd.DataFrame(dict(zip(["row_offsets", "src_ids", "src_pos"], cells, strict=True)))


def violations(rows: list[tuple], n: int = 2) -> dict[str, int]:
    block = pd.DataFrame(rows, columns=COLUMNS).sample(frac=1.0, random_state=1)
    counts = count_violations(block, seen_by_users_0_and_2(), 2, n).iloc[0].to_dict()
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("rule", BROKEN)
def test_each_rule_is_counted_alone(rule: str) -> None:
    assert violations([*BROKEN[rule], GOOD]) == {rule: 1}


def test_a_tie_must_go_to_the_lower_idx() -> None:
    assert violations([(0, 1, 1, 2.0), (0, 2, 2, 2.0)]) == {}
    assert violations([(0, 1, 2, 2.0), (0, 2, 1, 2.0)]) == {"order": 1}


def test_what_another_user_has_seen_is_no_violation() -> None:
    assert violations([(2, 1, 8, 1.0)]) == {}
    assert violations([(2, 1, 9, 1.0)]) == {"seen": 1}


def test_no_lists_and_no_seen_items() -> None:
    counts = count_violations(pd.DataFrame([GOOD], columns=COLUMNS), seen_by_users_0_and_2().iloc[:0], 2, 2)
    assert counts.iloc[0].sum() == 0
    assert count_violations(pd.DataFrame([], columns=COLUMNS), None, 2, 2).iloc[0].sum() == 0
