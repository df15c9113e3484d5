"""Numbers for people, with as many digits as are meaningful."""

from __future__ import annotations

import math
from typing import Any

NOTHING = "–"


def significant(value: float | None, digits: int = 3) -> str:
    """A measured number, rounded: .1264 → 0.126, 12345.6 → 12,346.

    Args:
        value: the number; None and NaN give a dash.
        digits: significant digits; digits before the point are never dropped.
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    return f"{rounded:,.{max(decimals, 0)}f}" if abs(value) < 10**digits else f"{value:,.0f}"


def count(value: float | None) -> str:
    """A count with a comma between thousands.

    Args:
        value: the count; None gives a dash.
    """
    return NOTHING if value is None else f"{value:,.0f}"


def share(value: float | None) -> str:
    """A share as a percentage: .1264 → 12.6 %.

    Args:
        value: the share; None and NaN give a dash.
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    percent = 100 * value
    if 0 < abs(percent) < 0.1:
        return "< 0.1 %" if percent > 0 else "> −0.1 %"
    return f"{percent:.0f} %" if abs(percent) >= 99.95 or percent == 0 else f"{percent:.1f} %"


def signed(value: float | None, digits: int = 2) -> str:
    """A difference with its sign.

    Args:
        value: the difference; None and NaN give a dash.
        digits: significant digits.
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    return ("+" if value > 0 else "−" if value < 0 else "±") + significant(abs(value), digits)


def interval(low: float, high: float, digits: int = 3) -> str:
    """An interval: 0.108 to 0.132.

    Args:
        low: lower end.
        high: upper end.
        digits: significant digits.
    """
    return f"{significant(low, digits)} to {significant(high, digits)}"


def seconds(value: float | None) -> str:
    """A duration: 8.2 s, 3 min 20 s.

    Args:
        value: seconds; None gives a dash.
    """
    if value is None:
        return NOTHING
    if value < 60:
        return f"{significant(value, 2)} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def p_value(value: float, *, is_bound: bool) -> str:
    """A p value: 0.023, or ≤ 0.005.

    Args:
        value: the p value.
        is_bound: whether the bootstrap had too few draws to show a smaller one.
    """
    return f"≤ {significant(value, 1)}" if is_bound and value < 1 else significant(value, 2)


def finite(document: Any) -> Any:
    """The same document with None for NaN and infinity, which JSON does not have.

    Args:
        document: dictionaries, lists and values.
    """
    if isinstance(document, dict):
        return {key: finite(value) for key, value in document.items()}
    if isinstance(document, list):
        return [finite(value) for value in document]
    return None if isinstance(document, float) and not math.isfinite(document) else document
