"""The manifest of a crawl, and the checks before its result is published."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import bgmrec
from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.plan import Plan
from bgmrec.errors import InputError, QualityGateError

_EXAMPLES = 3  # per outcome
_GOOD = {"record", "page", "redirected"}


def manifest(plan: Plan, frontier: Frontier, paused_hosts: dict[str, str], seconds: float) -> dict[str, Any]:
    """Counts by status and outcome, errors with examples, extraction rates, usage of hosts, duration.

    Args:
        plan: of the source.
        frontier: its state at the end.
        paused_hosts: host → reason why its remaining pages are deferred to the next crawl date.
        seconds: of all runs of this crawl date.
    """
    outcomes = frontier.outcomes()
    return {
        "source": plan.name,
        "ds": str(plan.ds),
        "user_agent": plan.user_agent,
        "versions": {"bgmrec": bgmrec.__version__, "scrapy": importlib.metadata.version("scrapy")},
        "duration_seconds": round(seconds, 1),
        "runs": frontier.fact("runs", 0),
        "pages": sum(outcomes.values()),
        "pages_by_status": frontier.statuses(),
        "pages_by_outcome": outcomes,
        "errors": {name: _examples(plan, frontier, name, n) for name, n in outcomes.items() if name not in _GOOD},
        "records": frontier.record_count(),
        "records_by_type": frontier.record_types(),
        "extraction": {rule: _rate(*counts) for rule, counts in frontier.rates().items()},
        "hosts": {host: vars(used) for host, used in sorted(frontier.usage.items())},
        "deferred": {
            host: {"pages": n, "reason": paused_hosts.get(host, "")} for host, n in frontier.unfinished().items()
        },
    }


def _examples(plan: Plan, frontier: Frontier, outcome: str, n: int) -> dict[str, Any]:
    # where ids are hashed, addresses contain the raw id, and details may quote addresses
    examples = [] if plan.pseudonym else frontier.examples(outcome, _EXAMPLES)
    return {"pages": n, "examples": [{"url": url, "detail": detail} for url, detail in examples]}


def _rate(expected: int, extracted: int) -> dict[str, Any]:
    return {"pages": expected, "with_record": extracted, "rate": round(extracted / expected, 4)}


def check(plan: Plan, facts: dict[str, Any], where: str) -> None:
    """Checks that pages were read and that enough of them had their record.

    Args:
        plan: of the source.
        facts: the manifest.
        where: path of the manifest, for the error.

    Raises:
        InputError: no page could be read.
        QualityGateError: a rule's extraction rate is below `crawl.min_extraction_rate`, or nothing was extracted.
    """
    read = sum(facts["pages_by_outcome"].get(name, 0) for name in ("record", "page", "no record"))
    if read == 0:
        raise InputError(
            f"no page of {plan.name} could be read",
            where=where,
            expected="answers of status 200 that robots.txt allows",
            found=_counts(facts),
            hint="see `errors` and `deferred` in the manifest; check the host, crawl.start and crawl.hosts",
        )
    minimum = plan.settings.min_extraction_rate
    poor = {rule: rate for rule, rate in facts["extraction"].items() if rate["rate"] < minimum}
    if poor or (facts["records"] == 0 and minimum > 0):
        rates = [f"{rule}: {rate['with_record']:,} of {rate['pages']:,} pages" for rule, rate in poor.items()]
        raise QualityGateError(
            f"too few pages of {plan.name} have their record; perhaps the site has changed its layout",
            where=where,
            expected=f"records in at least {minimum:.0%} of the pages that should have one (crawl.min_extraction_rate)",
            found="; ".join(rates) or f"no record in {read:,} pages",
            hint="compare a page of `errors` in the manifest with the rules in [[crawl.records]]; the crawl starts "
            "over with changed settings, or after its folder is deleted",
        )


def _counts(facts: dict[str, Any]) -> str:
    outcomes = [f"{n:,} × {name}" for name, n in facts["pages_by_outcome"].items()]
    deferred = [f"{of['pages']:,} deferred at {host}: {of['reason']}" for host, of in facts["deferred"].items()]
    return ", ".join([*outcomes, *deferred]) or "no start page"
