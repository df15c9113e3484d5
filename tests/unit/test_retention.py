"""What may go: properties over any inventory, and the rules by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bgmrec.config.serving import RetentionSettings
from bgmrec.publish.retention import Inventory, plan

TODAY = date(2025, 3, 14)
SETTINGS = RetentionSettings(published_days=10, unseen_days=4, work_days=2, mapped_days=15, summary_days=20)


def day(back: int) -> str:
    return str(TODAY - timedelta(days=back))


def run(back: int, number: int = 1) -> str:
    return f"{day(back)}-{number:03d}"


def manifest(run_id: str, replaced: str | None = None, model: str | None = None) -> dict[str, Any]:
    return {"run_id": run_id, "replaced": replaced, "model": {"run_id": model or run_id}}


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    """Nights of some dates: published, replaced, withdrawn or refused, some by an older run's model."""
    manifests, records, runs = {}, {}, []
    for back in draw(st.sets(st.integers(-2, 30), max_size=8)):
        made = [run(back, number) for number in range(1, draw(st.integers(1, 4)))]
        runs += made
        for run_id in made:
            if draw(st.booleans()):
                records[run_id] = manifest(run_id, model=draw(st.sampled_from(made)))
        published = [run_id for run_id in made if run_id in records]
        if published and draw(st.booleans()):
            replaced = draw(st.sampled_from([None, *published[:-1]]))
            manifests[day(back)] = {**records[published[-1]], "replaced": replaced}
    work = {run_id[:10]: draw(st.booleans()) for run_id in runs}
    return Inventory(manifests, records, {"recommendations": runs}, runs, work, runs)


@given(inventories(), st.sampled_from([None, 1, 10]), st.sampled_from([None, 1, 5]))
def test_nothing_that_a_reader_or_a_rollback_needs_ever_goes(
    found: Inventory, published_days: int | None, unseen_days: int | None
) -> None:
    settings = SETTINGS.model_copy(update={"published_days": published_days, "unseen_days": unseen_days})
    goes = plan(found, settings, TODAY)
    stay = {ds: one for ds, one in found.manifests.items() if ds not in goes.dates}
    assert (max(found.manifests) in stay) if found.manifests else not goes.dates
    for one in stay.values():
        for run_id in filter(None, (one["run_id"], one["replaced"])):
            assert run_id not in goes.records
            assert ("recommendations", run_id) not in goes.versions
            assert found.records[run_id]["model"]["run_id"] not in goes.models
            assert run_id not in goes.summaries
    for run_id, record in found.records.items():
        if run_id not in goes.records:  # a withdrawn run that --to can bring back
            assert ("recommendations", run_id) not in goes.versions
            assert record["model"]["run_id"] not in goes.models
    assert all(found.work[ds] for ds in goes.work)


@given(inventories())
def test_what_goes_is_gone_the_second_time(found: Inventory) -> None:
    goes = plan(found, SETTINGS, TODAY)
    left = Inventory(
        {ds: one for ds, one in found.manifests.items() if ds not in goes.dates},
        {run_id: one for run_id, one in found.records.items() if run_id not in goes.records},
        {
            "recommendations": [
                r for r in found.versions["recommendations"] if ("recommendations", r) not in goes.versions
            ]
        },
        [run_id for run_id in found.models if run_id not in goes.models],
        {ds: done for ds, done in found.work.items() if ds not in goes.work},
        [run_id for run_id in found.summaries if run_id not in goes.summaries],
    )
    assert plan(left, SETTINGS, TODAY).lines() == []


def test_the_rules_by_hand() -> None:
    runs = [run(0, 1), run(0, 2), run(4, 1), run(4, 2), run(4, 3), run(9), run(10), run(25)]
    found = Inventory(
        manifests={
            day(0): manifest(run(0, 2), replaced=run(0, 1), model=run(0, 1)),
            day(4): manifest(run(4, 3), replaced=run(4, 2)),
            day(9): manifest(run(9)),
            day(10): manifest(run(10)),
            day(25): manifest(run(25)),
        },
        records={run_id: manifest(run_id) for run_id in runs},
        versions={"similar_items": [*runs, run(12)]},  # of 12 only half a version is left
        models=[*runs, run(3), run(5), run(6)],  # of nights that published nothing
        work={day(0): True, day(1): True, day(2): True, day(5): False},
        under_way=[run(5)],
        mapped={
            ("way", f"{day(15)}-000"): False,
            ("way", f"{day(14)}-000"): False,
            ("way", f"{day(4)}-000"): True,
            ("way", f"{day(3)}-000"): True,
            ("another", f"{day(40)}-001"): False,
        },
        summaries=[run(0, 1), run(19), run(20)],
    )
    assert plan(found, SETTINGS, TODAY).lines() == [
        f"date {day(25)}",
        f"date {day(10)}",
        *(f"version similar_items {run_id}" for run_id in (run(25), run(12), run(10), run(4, 1))),
        *(f"record {run_id}" for run_id in (run(25), run(10), run(4, 1))),
        *(f"model {run_id}" for run_id in (run(25), run(10), run(6), run(4, 1))),
        f"work {day(2)}",
        f"mapped another {day(40)}-001",
        f"mapped way {day(15)}-000",
        f"mapped way {day(4)}-000",
        f"summary {run(20)}",
    ]


def test_the_newest_date_stays_however_old_it_is_and_off_keeps_everything() -> None:
    found = Inventory({day(99): manifest(run(99))}, {}, {"t": [run(99)]}, [run(99)])  # whose record was lost
    assert plan(found, SETTINGS, TODAY).lines() == []
    off = RetentionSettings.model_validate(
        dict.fromkeys(("published_days", "unseen_days", "work_days", "mapped_days", "summary_days"), "off")
    )
    old = Inventory(
        {day(n): manifest(run(n)) for n in (1, 999)},
        {},
        {"t": [run(999)]},
        [run(999)],
        {day(999): True},
        (),
        {("way", day(999)): True},
    )
    assert plan(old, off, TODAY).lines() == []
