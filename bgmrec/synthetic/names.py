"""External ids of the world's entities."""

from __future__ import annotations

import numpy as np


def user_id(idx: int | np.integer) -> str:
    """The external id of a user.

    Args:
        idx: of the user.
    """
    return f"u{idx:08d}"


def item_id(idx: int | np.integer) -> str:
    """The external id of an item.

    Args:
        idx: of the item.
    """
    return f"m{idx:07d}"


# the same for whole columns of idx, as Spark SQL
USER_ID_SQL = "concat('u', lpad({}, 8, '0'))"
ITEM_ID_SQL = "concat('m', lpad({}, 7, '0'))"
VIDEO_ID_SQL = "concat('v', lpad({}, 9, '0'))"
