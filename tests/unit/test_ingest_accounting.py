"""Row states add up, and too many rejects end the run with reasons and examples."""

from datetime import date

import pytest
from pyspark.sql import Row

from bgmrec.errors import InputError
from bgmrec.ingest.accounting import check_rejects, summarize
from bgmrec.ingest.source_files import expand_path, window_days


def count(source, state, rows, distinct=None, reason=None, example=None):
    return Row(source=source, state=state, reason=reason, rows=rows, distinct_rows=distinct or rows, example=example)


COUNTS = [
    count("log", "kept", 95, distinct=90),
    count("log", "filtered", 7),
    count("log", "rejected", 6, reason="unknown item", example='{"item":"0"}'),
    count("old", "rejected", 4, reason="missing user id", example='{"item":"7"}'),
    count("old", "after_window", 3),
]


def test_states_add_up_to_the_rows_that_came_in():
    facts = summarize(COUNTS)
    states = {name: facts[name] for name in ("kept", "rejected", "filtered", "after_window", "duplicate")}
    assert states == {"kept": 90, "rejected": 10, "filtered": 7, "after_window": 3, "duplicate": 5}
    assert facts["rows_in"] == sum(states.values()) == 95 + 7 + 6 + 4 + 3
    assert facts["sources"]["old"] == {"kept": 0, "rejected": 4, "filtered": 0, "after_window": 3, "duplicate": 0}
    assert facts["reject_reasons"] == {"missing user id": 4, "unknown item": 6}


def test_the_share_is_of_kept_and_rejected_rows_and_its_bound_passes():
    check_rejects(COUNTS, 0.1, setting="ratings.max_reject_share", rejects_at="somewhere")  # 10 / (10 + 90)


def test_too_many_rejects_name_reasons_counts_and_an_example():
    with pytest.raises(InputError) as caught:
        check_rejects(COUNTS, 0.099, setting="ratings.max_reject_share", rejects_at="work/rating_rejects")
    text = str(caught.value)
    assert "10 of 100 rows were rejected (10.0%)" in text
    assert text.index("6 × unknown item in log") < text.index("4 × missing user id in old")
    assert '{"item":"0"}' in text and "work/rating_rejects" in text and "ratings.max_reject_share" in text
    assert caught.value.exit_status == 3


def test_a_run_without_kept_or_rejected_rows_passes():
    check_rejects([count("log", "filtered", 5)], 0.0, setting="s", rejects_at="r")


def test_windows_end_with_the_logical_date_and_globs_keep_their_braces():
    assert window_days(date(2024, 3, 1), 3) == [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]
    assert window_days(date(2024, 3, 1), None) == [date(2024, 3, 1)]
    path = expand_path("{data}/ds={ds}/{a,b}*.csv", data="/raw/", day=date(2024, 3, 1))
    assert path == "/raw/ds=2024-03-01/{a,b}*.csv"
