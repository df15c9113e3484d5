"""The manifest of a crawl, and the checks before its result is published."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import bgmrec
from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.plan import Plan
from bgmrec.crawl.rates import Coverage, RuleCount
from bgmrec.crawl.results import GOOD, Pause
from bgmrec.errors import InputError, QualityGateError

_EXAMPLES = 3  # per outcome
_HOSTS = 20  # of links that are not followed, with the most links


def manifest(
    plan: Plan, frontier: Frontier, covered: Coverage, paused_hosts: dict[str, Pause], seconds: float
) -> dict[str, Any]:
    """Counts by status and outcome, errors with examples, extraction rates, usage of hosts, duration.

    Args:
        plan: of the source.
        frontier: its state at the end.
        covered: the pages of each rule, and the gaps.
        paused_hosts: host → why its remaining pages are deferred to the next crawl date.
        seconds: of all runs of this crawl date.
    """
    outcomes, unfinished = frontier.outcomes(), frontier.unfinished()
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
        "errors": {name: _examples(plan, frontier, name, n) for name, n in outcomes.items() if name not in GOOD},
        "records": frontier.record_count(),
        "records_by_type": frontier.record_types(),
        "extraction": {rule: _rate(count) for rule, count in sorted(covered.rules.items())},
        "without_record": {
            rule: dict(count.reasons.most_common()) for rule, count in sorted(covered.rules.items()) if count.reasons
        },
        "gaps": len(covered.gaps) + sum(unfinished.values()),
        "links_outside": _links_outside(frontier),
        "hosts": {host: vars(used) for host, used in sorted(frontier.usage.items())},
        "deferred": {
            host: {"pages": n, "reason": paused_hosts[host].reason if host in paused_hosts else ""}
            for host, n in unfinished.items()
        },
    }


def _examples(plan: Plan, frontier: Frontier, outcome: str, n: int) -> dict[str, Any]:
    # where ids are hashed, addresses contain the raw id, and details may quote addresses
    examples = [] if plan.pseudonym else frontier.examples(outcome, _EXAMPLES)
    return {"pages": n, "examples": [{"url": url, "detail": detail} for url, detail in examples]}


def _rate(count: RuleCount) -> dict[str, Any]:
    return {"pages": count.pages, "with_record": count.with_record, "rate": round(count.rate, 4)}


def _links_outside(frontier: Frontier) -> dict[str, Any]:
    """Links that were not followed: number by reason, and by host for hosts outside of `crawl.hosts`."""
    by_reason: dict[str, int] = {}
    by_host: dict[str, int] = {}
    for reason, host, links in frontier.outside_links():
        by_reason[reason] = by_reason.get(reason, 0) + links
        if reason == "offsite" and len(by_host) < _HOSTS:
            by_host[host] = links
    return {"links": sum(by_reason.values()), "by_reason": by_reason, "by_host": by_host}


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
        rates = [
            f"{rule}: {rate['with_record']:,} of {rate['pages']:,} pages{_reasons(facts, rule)}"
            for rule, rate in poor.items()
        ]
        raise QualityGateError(
            f"too few pages of {plan.name} have their record; perhaps the site has changed its layout, or refuses us",
            where=where,
            expected=f"records in at least {minimum:.0%} of the pages that should have one (crawl.min_extraction_rate)",
            found="; ".join(rates) or f"no record in {read:,} pages",
            hint="compare a page of `errors` in the manifest with the rules in [[crawl.records]]; the same command "
            "fetches the pages without a record again, and starts over with changed settings",
        )


def _reasons(facts: dict[str, Any], rule: str) -> str:
    reasons = [f"{n:,} × {reason}" for reason, n in facts["without_record"].get(rule, {}).items()]
    return f" ({', '.join(reasons)})" if reasons else ""


def _counts(facts: dict[str, Any]) -> str:
    outcomes = [f"{n:,} × {name}" for name, n in facts["pages_by_outcome"].items()]
    deferred = [f"{of['pages']:,} deferred at {host}: {of['reason']}" for host, of in facts["deferred"].items()]
    return ", ".join([*outcomes, *deferred]) or "no start page"
