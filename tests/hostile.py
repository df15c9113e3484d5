"""Input that nobody asked for: strings, values and keys that break what quotes, splits, escapes or trusts."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

STRINGS = (
    '"',
    "'",
    "''; DROP TABLE recommendations; --",
    "1 OR 1=1",
    "a,b;c\td|e",
    "line one\nline two\r\nline three",
    "\x00",
    "nul\x00inside",
    "\u202eright to left\u202c",
    "שלום",
    "../../etc/passwd",
    "file:///etc/passwd",
    "ds=2025-01-01/run_id=x",
    "C:\\music\\",
    "\\",
    "${paths.root}",
    "{ds}",
    "%s%n%d",
    "`tick`",
    "a.b.c",
    "null",
    "NaN",
    "-0",
    "1e400",
    "true",
    "[]",
    '{"user_id": "other"}',
    "\ufeffbom",
    "e\u0301",
    "\U0001f3b5",
    "\u2028\u2029\u0085",
    " padded ",
    "   ",
    "",
    "__HIVE_DEFAULT_PARTITION__",
)
MEGABYTE = "m" * 2**20

# `make fuzz` asks for many; a test run for a few
EXAMPLES = int(os.environ.get("BGMREC_FUZZ_EXAMPLES", "0"))


def strings() -> st.SearchStrategy[str]:
    """Known trouble, and any text that UTF-8 can hold."""
    return st.one_of(st.sampled_from(STRINGS), st.text(max_size=20))


def values() -> st.SearchStrategy[object]:
    """Anything that JSON can hold."""
    plain = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), strings()
    )
    return st.recursive(
        plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings(), inner, max_size=3)
    )


def examples(few: int) -> settings:
    """So many examples, always the same ones, unless `make fuzz` asks for more and for new ones."""
    return settings(
        max_examples=EXAMPLES or few,
        derandomize=not EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
