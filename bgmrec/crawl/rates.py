"""The share of the pages of a rule that gave its record, and the gaps of a crawl.

Decided here: which pages count. Every page whose address matches `pages` of a rule does, however it ended: refused,
forbidden, timed out, too large, empty, or never fetched because its host had to be left alone. A redirected page has
the record of the page at the end of its redirects. Several pages with one such end count once, and a page that only
redirects lead to does not count itself. Pages that wait because `[crawl.budget]` is used up do not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.plan import Plan, Rule
from bgmrec.crawl.results import GOOD, PAGE, REDIRECTED, Pause, StoredPage

LOOP = "redirect loop"


@dataclass
class RuleCount:
    """The pages that should have the record of a rule.

    Args:
        pages: their number.
        with_record: number of those that have it.
        reasons: reason why a page has none → number of pages.
    """

    pages: int = 0
    with_record: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """The share of the pages that have the record."""
        return self.with_record / self.pages


@dataclass
class Coverage:
    """What a crawl reached.

    Args:
        rules: name of a rule → its pages; rules of which no page was found are missing.
        gaps: numbers of the finished pages that could not be read, or lack a record that they should have.
    """

    rules: dict[str, RuleCount] = field(default_factory=dict)
    gaps: set[int] = field(default_factory=set)

    def count(self, rule: Rule) -> RuleCount:
        """The pages of a rule, to be counted.

        Args:
            rule: the rule.
        """
        return self.rules.setdefault(rule.name, RuleCount())


def coverage(plan: Plan, frontier: Frontier, paused_hosts: Mapping[str, Pause]) -> Coverage:
    """Counts the pages of each rule.

    Args:
        plan: with the rules.
        frontier: state of the crawl.
        paused_hosts: host → why its remaining pages were not fetched.
    """
    found = Coverage()
    targets = _targets(plan, frontier)
    counted: set[tuple[str, str]] = set()  # rule and page with its record
    for page in frontier.every_page():
        if page.outcome is not None and page.outcome not in GOOD:
            found.gaps.add(page.id)
        if _waits_by_budget(page, paused_hosts):
            continue
        for rule in _rules(plan, page):
            if page.hops > 0 and (rule.name, page.key) in targets:
                continue
            end = _end(page, frontier)
            if end is None or rule.name not in end.extracted:
                _count_missing(found, rule, page, end)
            elif (rule.name, end.key) not in counted:
                counted.add((rule.name, end.key))
                found.count(rule).pages += 1
                found.count(rule).with_record += 1
    return found


def _rules(plan: Plan, page: StoredPage) -> list[Rule]:
    return [rule for rule in plan.rules if page.kind == PAGE and rule.expected_on(page.url)]


def _targets(plan: Plan, frontier: Frontier) -> set[tuple[str, str]]:
    """Rule and key of the pages that pages of the rule are redirected to."""
    redirected = ((page, page.target) for page in frontier.every_page() if page.target is not None)
    return {(rule.name, target) for page, target in redirected for rule in _rules(plan, page)}


def _waits_by_budget(page: StoredPage, paused_hosts: Mapping[str, Pause]) -> bool:
    return page.outcome is None and page.host in paused_hosts and paused_hosts[page.host].by_budget


def _end(page: StoredPage, frontier: Frontier) -> StoredPage | None:
    """The page at the end of the redirects; None if they lead back."""
    seen = set()
    while page.outcome == REDIRECTED and page.target is not None:
        seen.add(page.key)
        following = frontier.page_of(page.target)
        if following is None or following.key in seen:
            return None
        page = following
    return page


def _count_missing(found: Coverage, rule: Rule, page: StoredPage, end: StoredPage | None) -> None:
    found.count(rule).pages += 1
    found.count(rule).reasons[_reason(page, end)] += 1
    if page.outcome is not None:
        found.gaps.add(page.id)


def _reason(page: StoredPage, end: StoredPage | None) -> str:
    if end is None:
        return LOOP
    if end.outcome is None:
        return "deferred"
    if end.outcome not in GOOD:
        return end.outcome
    return "no record" if end is page else "redirected to a page of another kind"
