"""What retention deletes: properties over any inventory, and the rules by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bgmrec.config.serving import RetentionSettings
from bgmrec.publish.retention import Inventory, deletions

TODAY = date(2025, 3, 14)
SETTINGS = RetentionSettings(published_days=10, unreferenced_days=4, work_days=2, row_cache_days=15, summary_days=20)


def day(back: int) -> str:
    return str(TODAY - timedelta(days=back))


def run(back: int, number: int = 1) -> str:
    return f"{day(back)}-{number:03d}"


def manifest(run_id: str, replaced: str | None = None, model: str | None = None) -> dict[str, Any]:
    return {"run_id": run_id, "replaced": replaced, "model": {"run_id": model or run_id}}


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    """Runs of some dates: published, replaced, unpublished or refused, some with an older run's model."""
    manifests, records, runs = {}, {}, []
    for back in draw(st.sets(st.integers(-2, 30), max_size=8)):
        run_ids = [run(back, number) for number in range(1, draw(st.integers(1, 4)))]
        runs += run_ids
        for run_id in run_ids:
            if draw(st.booleans()):
                records[run_id] = manifest(run_id, model=draw(st.sampled_from(run_ids)))
        published = [run_id for run_id in run_ids if run_id in records]
        if published and draw(st.booleans()):
            replaced = draw(st.sampled_from([None, *published[:-1]]))
            manifests[day(back)] = {**records[published[-1]], "replaced": replaced}
    work = {run_id[:10]: draw(st.booleans()) for run_id in runs}
    return Inventory(manifests, records, {"recommendations": runs}, runs, work, runs)


@given(inventories(), st.sampled_from([None, 1, 10]), st.sampled_from([None, 1, 5]))
def test_nothing_is_deleted_that_a_reader_or_a_rollback_needs(
    inventory: Inventory, published_days: int | None, unreferenced_days: int | None
) -> None:
    settings = SETTINGS.model_copy(update={"published_days": published_days, "unreferenced_days": unreferenced_days})
    old = deletions(inventory, settings, TODAY)
    kept = {ds: document for ds, document in inventory.manifests.items() if ds not in old.dates}
    assert (max(inventory.manifests) in kept) if inventory.manifests else not old.dates
    for document in kept.values():
        for run_id in filter(None, (document["run_id"], document["replaced"])):
            assert run_id not in old.records
            assert ("recommendations", run_id) not in old.versions
            assert inventory.records[run_id]["model"]["run_id"] not in old.models
            assert run_id not in old.summaries
    for run_id, record in inventory.records.items():
        if run_id not in old.records:  # an unpublished run that --to can publish again
            assert ("recommendations", run_id) not in old.versions
            assert record["model"]["run_id"] not in old.models
    assert all(inventory.work[ds] for ds in old.work)


@given(inventories())
def test_a_second_time_there_is_nothing_to_delete(inventory: Inventory) -> None:
    old = deletions(inventory, SETTINGS, TODAY)
    rest = Inventory(
        {ds: document for ds, document in inventory.manifests.items() if ds not in old.dates},
        {run_id: record for run_id, record in inventory.records.items() if run_id not in old.records},
        {
            "recommendations": [
                r for r in inventory.versions["recommendations"] if ("recommendations", r) not in old.versions
            ]
        },
        [run_id for run_id in inventory.models if run_id not in old.models],
        {ds: done for ds, done in inventory.work.items() if ds not in old.work},
        [run_id for run_id in inventory.summaries if run_id not in old.summaries],
    )
    assert deletions(rest, SETTINGS, TODAY).lines() == []


def test_files_that_a_reader_of_a_table_may_still_read_are_kept_with_their_record_and_model() -> None:
    runs = [run(20), run(21), run(0)]
    inventory = Inventory(
        {day(0): manifest(run(0))}, {r: manifest(r) for r in runs}, {"recommendations": runs}, runs, snapshots=[run(20)]
    )
    old = deletions(inventory, SETTINGS, TODAY)
    assert old.versions == [("recommendations", run(21))]
    assert old.records == old.models == [run(21)]


def test_the_rules_by_hand() -> None:
    runs = [run(0, 1), run(0, 2), run(4, 1), run(4, 2), run(4, 3), run(9), run(10), run(25)]
    inventory = Inventory(
        manifests={
            day(0): manifest(run(0, 2), replaced=run(0, 1), model=run(0, 1)),
            day(4): manifest(run(4, 3), replaced=run(4, 2)),
            day(9): manifest(run(9)),
            day(10): manifest(run(10)),
            day(25): manifest(run(25)),
        },
        records={run_id: manifest(run_id) for run_id in runs},
        versions={"similar_items": [*runs, run(12)]},  # of day 12 only a part of a version exists
        models=[*runs, run(3), run(5), run(6)],  # of runs that published nothing
        work={day(0): True, day(1): True, day(2): True, day(5): False},
        unfinished=[run(5)],
        row_cache={
            ("key", f"{day(15)}-000"): False,
            ("key", f"{day(14)}-000"): False,
            ("key", f"{day(4)}-000"): True,
            ("key", f"{day(3)}-000"): True,
            ("another", f"{day(40)}-001"): False,
        },
        summaries=[run(0, 1), run(19), run(20)],
    )
    assert deletions(inventory, SETTINGS, TODAY).lines() == [
        f"date {day(25)}",
        f"date {day(10)}",
        *(f"version similar_items {run_id}" for run_id in (run(25), run(12), run(10), run(4, 1))),
        *(f"record {run_id}" for run_id in (run(25), run(10), run(4, 1))),
        *(f"model {run_id}" for run_id in (run(25), run(10), run(6), run(4, 1))),
        f"work {day(2)}",
        f"cached rows another {day(40)}-001",
        f"cached rows key {day(15)}-000",
        f"cached rows key {day(4)}-000",
        f"summary {run(20)}",
    ]


def test_the_newest_date_is_kept_at_any_age_and_off_keeps_everything() -> None:
    inventory = Inventory({day(99): manifest(run(99))}, {}, {"t": [run(99)]}, [run(99)])  # without a record
    assert deletions(inventory, SETTINGS, TODAY).lines() == []
    off = RetentionSettings.model_validate(
        dict.fromkeys(("published_days", "unreferenced_days", "work_days", "row_cache_days", "summary_days"), "off")
    )
    inventory = Inventory(
        {day(n): manifest(run(n)) for n in (1, 999)},
        {},
        {"t": [run(999)]},
        [run(999)],
        {day(999): True},
        (),
        {("key", day(999)): True},
    )
    assert deletions(inventory, off, TODAY).lines() == []


@given(inventories())
def test_deletions_can_be_taken_apart_by_their_logical_dates(inventory: Inventory) -> None:
    old = deletions(inventory, SETTINGS, TODAY)
    parts = [old.of([ds]) for ds in old.logical_dates()]
    assert sorted(line for part in parts for line in part.lines()) == sorted(old.lines())
    assert all(part.logical_dates() == [ds] for part, ds in zip(parts, old.logical_dates(), strict=True))
