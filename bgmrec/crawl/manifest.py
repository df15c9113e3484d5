"""What a crawl tells about itself, and the two reasons for which its result is not handed on."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import bgmrec
from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.plan import Plan
from bgmrec.errors import InputError, QualityGateError

_EXAMPLES = 3  # per outcome
_GOOD = {"record", "page", "redirected"}


def manifest(plan: Plan, frontier: Frontier, resting: dict[str, str], seconds: float) -> dict[str, Any]:
    """Counts by status and outcome, errors with examples, extraction rates, what hosts were asked, duration.

    Args:
        plan: of the source.
        frontier: its state at the end.
        resting: hosts whose pages were left, and why.
        seconds: of all runs of this crawl date.
    """
    outcomes, left = frontier.outcomes(), frontier.left()
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
        "left": {host: {"pages": n, "why": resting.get(host, "")} for host, n in left.items()},
    }


def _examples(plan: Plan, frontier: Frontier, outcome: str, n: int) -> dict[str, Any]:
    # where ids are hashed, an address would give the user away; details may quote it
    shown = [] if plan.pseudonym else frontier.examples(outcome, _EXAMPLES)
    return {"pages": n, "examples": [{"url": url, "detail": detail} for url, detail in shown]}


def _rate(expected: int, extracted: int) -> dict[str, Any]:
    return {"pages": expected, "with_record": extracted, "rate": round(extracted / expected, 4)}


def check(plan: Plan, facts: dict[str, Any], where: str) -> None:
    """Ends the job where the source gave nothing, or no longer looks as the settings say.

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
            found=_found(facts),
            hint="see errors and left in the manifest; is the host up, do crawl.start and crawl.hosts fit it?",
        )
    minimum = plan.settings.min_extraction_rate
    poor = {rule: rate for rule, rate in facts["extraction"].items() if rate["rate"] < minimum}
    if poor or (facts["records"] == 0 and minimum > 0):
        told = [f"{rule}: {rate['with_record']:,} of {rate['pages']:,} pages" for rule, rate in poor.items()]
        raise QualityGateError(
            f"the pages of {plan.name} no longer give their records: has the site changed its layout?",
            where=where,
            expected=f"records from at least {minimum:.0%} of the pages that should hold one (min_extraction_rate)",
            found="; ".join(told) or f"no record in {read:,} pages",
            hint="compare a page of errors in the manifest with the rules in [[crawl.records]]; "
            "with changed settings the crawl begins anew, and so it does where this folder is deleted",
        )


def _found(facts: dict[str, Any]) -> str:
    outcomes = [f"{n:,} × {name}" for name, n in facts["pages_by_outcome"].items()]
    left = [f"{of['pages']:,} left at {host}: {of['why']}" for host, of in facts["left"].items()]
    return ", ".join([*outcomes, *left]) or "no start page"
