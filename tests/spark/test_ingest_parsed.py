"""Raw files that an earlier night parsed: the same rows as from the files, and never those of a file that changed."""

import gzip
import os
from datetime import date

import pytest

from bgmrec.config.sources import Files, RatingSource
from bgmrec.errors import InputError
from bgmrec.ingest.parsed import ParsedFiles
from bgmrec.ingest.sources import read_files
from bgmrec.tables import Tables

FIRST, SECOND, THIRD = (date(2024, 3, day) for day in (2, 3, 4))
WINDOW = {"lookback_days": 2, "allow_missing_days": True}
JSONL = Files(format="jsonl", paths=["{data}/ds={ds}"], **WINDOW)
CSV = Files(format="csv", paths=["{data}/ds={ds}"], **WINDOW)


@pytest.fixture
def night(spark, tmp_path):
    """(files, date) → rows through what is kept, as sets of (column, value), and what was counted."""

    def read(files, ds):
        parsed = ParsedFiles(Tables(spark, str(tmp_path / "parsed")), ds)
        raw = read_files(spark, files, data=str(tmp_path), ds=ds, parsed=parsed)
        return told(raw), (parsed.parsed, parsed.kept)

    return read


@pytest.fixture
def plain(spark, tmp_path):
    return lambda files, ds: told(read_files(spark, files, data=str(tmp_path), ds=ds))


def told(raw):
    """Rows without their nulls: a column that no file of the night has may be missing or null."""
    rows = [{name: value for name, value in row.asDict().items() if value is not None} for row in raw.collect()]
    return sorted(sorted(row.items()) for row in rows)


def put(tmp_path, name, *lines):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines))
    return path


def batches(tmp_path):
    return sorted(path.name for path in tmp_path.glob("parsed/*/*.json"))


def test_a_later_night_parses_the_new_files_alone(night, plain, tmp_path):
    old = put(tmp_path, "ds=2024-03-02/a.jsonl", '{"id": 1, "note": "x"}', '{"id": 1, "note": "x"}', '{"id": 2, "no')
    put(tmp_path, "ds=2024-03-02/_SUCCESS")
    put(tmp_path, "ds=2024-03-01/a.jsonl", '{"id": 0}')
    assert night(JSONL, FIRST) == (plain(JSONL, FIRST), (2, 0))
    put(tmp_path, "ds=2024-03-03/a.jsonl", '{"id": 3, "deep": {"n": 1.5}}')
    expected = plain(JSONL, SECOND)
    changed = old.stat().st_mtime_ns
    old.write_text(old.read_text().replace("x", "y"))  # behind the back of size and time: is it read again?
    os.utime(old, ns=(changed, changed))
    assert night(JSONL, SECOND) == (expected, (1, 1))
    assert night(JSONL, SECOND) == (expected, (0, 2))
    assert len(expected) == 4
    assert batches(tmp_path) == ["2024-03-02-000.json", "2024-03-03-000.json"]


def test_a_changed_a_late_and_a_gone_file_are_seen(night, plain, tmp_path):
    for name in "abc":
        put(tmp_path, f"ds=2024-03-02/{name}.csv", "id,stars", f"{name},1")
    night(CSV, FIRST)
    put(tmp_path, "ds=2024-03-02/a.csv", "id,stars", "a,1", "a,2")
    put(tmp_path, "ds=2024-03-02/late.csv", "id,stars", "d,5")
    (tmp_path / "ds=2024-03-02/b.csv").unlink()
    found, counts = night(CSV, SECOND)
    assert found == plain(CSV, SECOND)
    assert [row[0][1] for row in found] == ["a", "a", "c", "d"]
    assert counts == (2, 1)
    assert night(CSV, SECOND) == (found, (0, 3))


def test_columns_that_come_and_go_are_those_of_all_files(night, plain, tmp_path):
    put(tmp_path, "ds=2024-03-02/a.csv", "id,stars", "1,4")
    put(tmp_path, "ds=2024-03-03/a.csv", "stars,id,device", "5,2,phone")
    put(tmp_path, "ds=2024-03-04/a.csv", "id", "3")
    for ds in (FIRST, SECOND, THIRD):
        assert night(CSV, ds)[0] == plain(CSV, ds)
    assert batches(tmp_path) == [f"2024-03-0{day}-000.json" for day in (2, 3, 4)]


def test_files_with_odd_names_are_known_again(night, plain, tmp_path):
    put(tmp_path, "ds=2024-03-02/a b%20ü+#1.jsonl", '{"id": 1}')
    assert night(JSONL, FIRST) == (plain(JSONL, FIRST), (1, 0))
    assert night(JSONL, SECOND) == (plain(JSONL, SECOND), (0, 1))


def test_another_way_to_parse_is_another_table(night, plain, tmp_path):
    put(tmp_path, "ds=2024-03-02/a.csv", "id;stars", "1;4")
    night(CSV, FIRST)
    semicolons = CSV.model_copy(update={"options": {"sep": ";"}})
    assert night(semicolons, FIRST) == (plain(semicolons, FIRST), (1, 0))


def test_what_was_not_written_to_its_end_does_not_count(night, plain, tmp_path):
    put(tmp_path, "ds=2024-03-02/a.jsonl", '{"id": 1}')
    night(JSONL, FIRST)
    [document] = tmp_path.glob("parsed/*/*.json")
    document.unlink()  # the night died before it
    assert night(JSONL, FIRST) == (plain(JSONL, FIRST), (1, 0))
    assert batches(tmp_path) == ["2024-03-02-000.json"]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (JSONL.model_copy(update={"keep_parsed": False}), ["ds=2024-03-02/a.jsonl"]),
        (JSONL.model_copy(update={"lookback_days": None}), ["ds=2024-03-02/a.jsonl"]),
        (JSONL, ["ds=2024-03-02/a.jsonl", "ds=2024-03-02/hour=3/a.jsonl"]),
        (
            RatingSource(name="log", user_id="Pseudonym (id)", **JSONL.model_dump()),
            ["ds=2024-03-02/a.jsonl"],
        ),
    ],
    ids=["not wanted", "no window", "nested", "hashed ids"],
)
def test_what_cannot_be_kept_is_parsed_every_night(night, plain, tmp_path, files, names):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        put(tmp_path, name, '{"id": 1}')
    for _ in range(2):
        assert night(files, FIRST) == (plain(files, FIRST), (0, 0))
    assert batches(tmp_path) == []


def test_names_that_differ_by_case_alone_are_settled_among_all_files(night, plain, tmp_path):
    put(tmp_path, "ds=2024-03-02/a.jsonl", '{"id": 1}', '{"id": 2}')
    night(JSONL, FIRST)
    put(tmp_path, "ds=2024-03-03/a.jsonl", '{"ID": 3}')
    assert night(JSONL, SECOND) == (plain(JSONL, SECOND), (0, 0))


def test_a_damaged_file_is_named_and_nothing_of_its_batch_counts(night, tmp_path):
    lines = "\n".join(f'{{"id": {n}}}' for n in range(10_000)).encode()
    put(tmp_path, "ds=2024-03-02/a.jsonl", '{"id": 1}')
    (tmp_path / "ds=2024-03-02/b.jsonl.gz").write_bytes(gzip.compress(lines)[:3000])
    with pytest.raises(InputError, match="raw files cannot be read") as caught:
        night(JSONL.model_copy(update={"columns": ["id"]}), FIRST)
    assert caught.value.where.endswith("/b.jsonl.gz")
    assert batches(tmp_path) == []
