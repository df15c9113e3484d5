"""Dirty logs → kept rows, rejects with reasons, and counts that add up."""

from datetime import date, datetime

import pytest

from bgmrec.config.sources import RatingsSettings
from bgmrec.errors import SettingsError
from bgmrec.ingest.accounting import count_states, rejects, summarize
from bgmrec.ingest.ratings import map_ratings

DS = date(2024, 3, 2)
HEADER = "user,video,stars,w,at\n"
LOG = {
    "name": "log",
    "format": "csv",
    "paths": ["{data}/log.csv"],
    "user_id": "user",
    "item_id": "music",
    "rating": "stars",
    "weight": "w",
    "rated_at": "at",
    "joins": [
        {"name": "videos", "format": "csv", "paths": ["{data}/videos.csv"], "on": ["video"], "select": ["music"]}
    ],
}
# video 5 belongs to no music, 6 to the unknown one, 2 is listed twice
VIDEOS = "video,music\n1,m1\n2,m2\n2,m0\n5,\n6,0\n"


def ingest(spark, folder, log, videos=VIDEOS, source=LOG, **settings):
    (folder / "log.csv").write_text(HEADER + log)
    (folder / "videos.csv").write_text(videos)
    checked = RatingsSettings(sources=[source], unknown_items=["0"], minimum=1, maximum=5, **settings)
    mapped = map_ratings(spark, checked, data=str(folder), ds=DS).cache()
    return mapped, summarize(count_states(mapped, rejects(mapped), ["log"]).collect())


def reasons(mapped):
    return {row.record.split('"user":"')[1][:2]: row.reason for row in rejects(mapped).collect()}


def test_every_kind_of_dirt_is_rejected_with_its_reason(spark, tmp_path):
    log = """u1,1,5,1,2024-03-01 10:00:00
r1,1,6,1,2024-03-01 10:00:00
r2,1,NaN,1,2024-03-01 10:00:00
r3,1,five,1,2024-03-01 10:00:00
r4,1,,1,2024-03-01 10:00:00
t1,1,5,1,yesterday
t2,1,5,1,
t3,1,5,1,0001-01-01 00:00:00
w1,1,5,-1,2024-03-01 10:00:00
w2,1,5,x,2024-03-01 10:00:00
w3,1,5,Infinity,2024-03-01 10:00:00
i1,5,5,1,2024-03-01 10:00:00
i2,6,5,1,2024-03-01 10:00:00
i3,99,5,1,2024-03-01 10:00:00
i4,,5,1,2024-03-01 10:00:00
"""
    mapped, facts = ingest(spark, tmp_path, log)
    assert reasons(mapped) == {
        "r1": "rating out of range",
        "r2": "rating not a number",
        "r3": "rating not a number",
        "r4": "rating not a number",
        "t1": "unparsable time",
        "t2": "unparsable time",
        "t3": "time out of range",
        "w1": "bad weight",
        "w2": "bad weight",
        "w3": "bad weight",
        "i1": "missing item id",
        "i2": "unknown item",
        "i3": "unknown item",
        "i4": "unknown item",
    }
    assert (facts["kept"], facts["rejected"], facts["rows_in"]) == (1, 14, 15)


def test_a_missing_user_and_an_unreadable_line_keep_the_raw_record(spark, tmp_path):
    mapped, facts = ingest(spark, tmp_path, " ,1,5,1,2024-03-01 10:00:00\nx,1\n")
    found = {row.reason: row for row in rejects(mapped).collect()}
    assert found["missing user id"].record == '{"at":"2024-03-01 10:00:00","stars":"5","user":" ","video":"1","w":"1"}'
    torn = found["unreadable record: 2 fields instead of 5"]
    assert '"_corrupt_record":"x,1"' in torn.record
    assert torn.source_file.endswith("/log.csv") and torn.source == "log"
    assert facts["reject_reasons"] == {"missing user id": 1, torn.reason: 1}


def test_exact_duplicates_are_counted_once_also_among_rejects(spark, tmp_path):
    good, bad, near = "a,1,5,1,2024-03-01\n", "b,1,9,1,2024-03-01\n", "a,1,5,,2024-03-01\n"
    mapped, facts = ingest(spark, tmp_path, good * 3 + bad * 2 + near)
    assert (facts["kept"], facts["rejected"], facts["duplicate"], facts["rows_in"]) == (1, 2, 3, 6)
    assert rejects(mapped).count() == 2


def test_a_null_in_another_column_makes_no_duplicate(spark, tmp_path):
    _, facts = ingest(spark, tmp_path, "a,1,,5,2024-03-01\na,1,5,,2024-03-01\n")
    assert facts["duplicate"] == 0


def test_lists_that_only_look_alike_make_no_duplicate(spark, tmp_path):
    tags = [["a, b"], ["a", "b"], ["a", None], ["a", "null"], [None, "a"], ["a", "b"]]
    rows = [("u", "i", 5.0, found) for found in tags]
    spark.createDataFrame(rows, "user string, item string, stars double, tags array<string>").write.parquet(
        str(tmp_path / "log")
    )
    source = {"name": "log", "format": "parquet", "paths": ["{data}/log"]}
    mapped = map_ratings(
        spark,
        RatingsSettings(sources=[source | {"user_id": "user", "item_id": "item", "rating": "stars"}]),
        data=str(tmp_path),
        ds=DS,
    )
    facts = summarize(count_states(mapped, rejects(mapped), ["log"]).collect())
    assert (facts["kept"], facts["duplicate"]) == (5, 1)


def test_duplicates_stay_where_the_settings_say_so(spark, tmp_path):
    _, facts = ingest(spark, tmp_path, "a,1,5,1,2024-03-01\n" * 3, drop_exact_duplicates=False)
    assert (facts["kept"], facts["duplicate"]) == (3, 0)


def test_rows_after_the_logical_date_and_filtered_rows_are_not_checked(spark, tmp_path):
    log = "a,1,5,1,2024-03-02 23:59:59\na,1,99,1,2024-03-03 00:00:00\nb,1,99,0,2024-03-01\n"
    _, facts = ingest(spark, tmp_path, log, source=LOG | {"where": "w > 0"})
    assert (facts["kept"], facts["after_window"], facts["filtered"], facts["rejected"]) == (1, 1, 1, 0)


def test_joins_keep_one_row_per_key(spark, tmp_path):
    mapped, facts = ingest(spark, tmp_path, "a,2,5,1,2024-03-01 10:00:00\n")
    kept = mapped.collect()
    assert [(row.user_id, row.item_id, row.rating, row.weight, row.rated_at) for row in kept] == [
        ("a", "m2", 5.0, 1.0, datetime(2024, 3, 1, 10))
    ]
    assert facts["rows_in"] == 1


@pytest.mark.parametrize(("form", "found"), [("none", 0), ("nfc", 1)])
def test_joins_look_keys_up_in_the_form_of_ids(spark, tmp_path, form, found):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    (tmp_path / "log.csv").write_text(f"{HEADER}a,{decomposed},5,1,2024-03-01\n", encoding="utf-8")
    (tmp_path / "videos.csv").write_text(f"video,music\n{composed},m1\n", encoding="utf-8")
    settings = RatingsSettings(sources=[LOG], minimum=1, maximum=5)
    mapped = map_ratings(spark, settings, data=str(tmp_path), ds=DS, unicode_form=form)
    assert mapped.where("item_id = 'm1'").count() == found


def test_empty_times_pass_where_they_are_not_required_but_nonsense_does_not(spark, tmp_path):
    _, facts = ingest(spark, tmp_path, "a,1,5,1,\nb,1,5,1,soon\n", time_required=False)
    assert (facts["kept"], facts["reject_reasons"]) == (1, {"unparsable time": 1})


def test_an_expression_over_an_absent_column_names_its_setting_and_the_columns_of_the_files(spark, tmp_path):
    with pytest.raises(SettingsError) as caught:
        ingest(spark, tmp_path, "a,1,5,1,2024-03-01\n", source=LOG | {"rating": "score + 1"})
    assert caught.value.where == "ratings.sources.log.rating"
    assert caught.value.found == "'score + 1': there is no column score"
    assert caught.value.expected == "an expression over the columns user, video, stars, w, at, music"


def test_an_expression_that_is_no_sql_names_its_setting(spark, tmp_path):
    with pytest.raises(SettingsError) as caught:
        ingest(spark, tmp_path, "a,1,5,1,2024-03-01\n", source=LOG | {"where": "w >"})
    assert caught.value.where == "ratings.sources.log.where"


def test_a_json_log_may_leave_optional_columns_out(spark, tmp_path):
    (tmp_path / "log.jsonl").write_text('{"user_id": 1, "item_id": "m"}\n{"user_id": 2\n')
    source = {"name": "plays", "format": "jsonl", "paths": ["{data}/log.jsonl"], "weight": "coalesce(plays, 1)"}
    mapped = map_ratings(spark, RatingsSettings(sources=[source]), data=str(tmp_path), ds=DS)
    facts = summarize(count_states(mapped, rejects(mapped), ["plays"]).collect())
    assert (facts["kept"], facts["reject_reasons"]) == (1, {"unreadable record": 1})
