"""Numbers as people read them: as many digits as mean something."""

from __future__ import annotations

import math
from typing import Any

NOTHING = "–"


def significant(value: float | None, digits: int = 3) -> str:
    """A measured number with so many significant digits: .1264 → 0.126, 12345.6 → 12,300 stays 12,346."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    return f"{rounded:,.{max(places, 0)}f}" if abs(value) < 10**digits else f"{value:,.0f}"


def count(value: float | None) -> str:
    """A count, with thousands apart."""
    return NOTHING if value is None else f"{value:,.0f}"


def share(value: float | None) -> str:
    """A share as a percentage: .1264 → 12.6 %."""
    if value is None or not math.isfinite(value):
        return NOTHING
    percent = 100 * value
    if 0 < abs(percent) < 0.1:
        return "< 0.1 %" if percent > 0 else "> −0.1 %"
    return f"{percent:.0f} %" if abs(percent) >= 99.95 or percent == 0 else f"{percent:.1f} %"


def signed(value: float | None, digits: int = 2) -> str:
    """A difference with its sign."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return ("+" if value > 0 else "−" if value < 0 else "±") + significant(abs(value), digits)


def interval(low: float, high: float, digits: int = 3) -> str:
    return f"{significant(low, digits)} to {significant(high, digits)}"


def seconds(value: float | None) -> str:
    """A duration: 8.2 s, 3 min 20 s."""
    if value is None:
        return NOTHING
    if value < 60:
        return f"{significant(value, 2)} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def p_value(value: float, draws: int) -> str:
    """A p value, never more exact than its draws."""
    least = 2 / (draws + 1)
    return f"< {significant(least, 1)}" if value <= least else significant(value, 2)


def finite(document: Any) -> Any:
    """The same document without NaN and infinity, which JSON has no word for: they become null."""
    if isinstance(document, dict):
        return {key: finite(value) for key, value in document.items()}
    if isinstance(document, list):
        return [finite(value) for value in document]
    return None if isinstance(document, float) and not math.isfinite(document) else document
