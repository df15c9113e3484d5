"""Reads an answered page: its records, the pages that it leads to, and whether it has the expected records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from scrapy.http import HtmlResponse, Response, TextResponse
from scrapy.linkextractors import LinkExtractor
from scrapy.utils.gz import gunzip, gzip_magic_number
from scrapy.utils.response import get_base_url

from bgmrec.crawl.extract import Fields, SchemaData, html_objects, json_objects, parse_json
from bgmrec.crawl.plan import Plan, Rule
from bgmrec.crawl.results import PAGE, SITEMAP, NewPage, OutsideLinks, Page, PageResult, Record
from bgmrec.crawl.sanitize import clean, id_text, record_line
from bgmrec.crawl.sitemaps import listed
from bgmrec.crawl.urls import host_of, with_ascii_host, without_parameters

_MAX_SITEMAP_DEPTH = 3  # an index of indexes


class Reader:
    """Reads the pages of one source.

    Args:
        plan: of the source.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        follow = plan.settings.follow
        # Scope checks hosts: the extractor would compare them together with the port
        self._links = LinkExtractor(
            allow=follow.allow, deny=follow.deny, restrict_css=follow.restrict_css, process_value=with_ascii_host
        )

    def read(self, page: Page, response: Response, fetched_at: datetime) -> PageResult:
        """Reads an answer of status 2xx.

        Args:
            page: of the frontier.
            response: the answer.
            fetched_at: time of the answer, UTC.
        """
        if page.kind == SITEMAP:
            return self._sitemap(page, response)
        response = _readable(response)
        if isinstance(response, HtmlResponse):
            data = SchemaData.of_page(response.selector.root, response.url, get_base_url(response))
            objects = {rule: html_objects(rule, response.selector, data) for rule in self._rules(response.url)}
            return self._page_result(page, response, objects, [*self._followed(page, response)], fetched_at)
        if not isinstance(response, TextResponse):
            return self._unreadable(
                response, "not text", (response.headers.get("Content-Type") or b"no type").decode("latin-1")
            )
        try:
            answer = parse_json(response.text)
        except ValueError as error:
            return self._unreadable(response, "not readable", str(error))
        objects = {rule: json_objects(rule, answer, response.url) for rule in self._rules(response.url)}
        return self._page_result(page, response, objects, [*self._named(page, response, answer)], fetched_at)

    def _rules(self, url: str) -> list[Rule]:
        return [rule for rule in self.plan.rules if rule.may_be_on(url)]

    def _unreadable(self, response: Response, outcome: str, detail: str) -> PageResult:
        """The result of an unreadable page, which counts as one without its record."""
        return PageResult(outcome, response.status, detail, expected=self._expected(response.url))

    def _expected(self, url: str) -> tuple[str, ...]:
        return tuple(rule.name for rule in self.plan.rules if rule.expected_on(url))

    def _page_result(
        self,
        page: Page,
        response: Response,
        objects: dict[Rule, list[Fields]],
        pages: list[NewPage],
        fetched_at: datetime,
    ) -> PageResult:
        records = {
            rule: list(self._records(page, response, rule, fields, fetched_at)) for rule, fields in objects.items()
        }
        expected = self._expected(response.url)
        extracted = tuple(rule.name for rule, of_rule in records.items() if of_rule)
        missing = sorted(set(expected) - set(extracted))
        inside, outside = self._by_scope(pages)
        return PageResult(
            outcome="record" if any(records.values()) else "no record" if missing else "page",
            status=response.status,
            detail=f"no {', no '.join(missing)}" if missing else "",
            records=tuple(record for of_rule in records.values() for record in of_rule),
            pages=inside,
            outside=outside,
            expected=expected,
            extracted=extracted,
        )

    def _by_scope(self, pages: Iterable[NewPage]) -> tuple[tuple[NewPage, ...], tuple[OutsideLinks, ...]]:
        """The pages that may be requested, and the number of the others by reason and host."""
        inside: list[NewPage] = []
        outside: Counter[tuple[str, str]] = Counter()
        for page in pages:
            refusal = self.plan.scope.refusal(page.url)
            if refusal is None:
                inside.append(page)
            else:
                outside[refusal, host_of(page.url)] += 1
        return tuple(inside), tuple(OutsideLinks(*of, links) for of, links in outside.items())

    # ---- records ----

    def _records(
        self, page: Page, response: Response, rule: Rule, objects: list[Fields], fetched_at: datetime
    ) -> Iterator[Record]:
        is_single = not rule.settings.many and len(objects) == 1
        for fields in objects:
            entity_id = (page.entity_id if is_single else None) or self._id(rule, fields, response.url)
            raw = {name: value for name, value in fields.items() if name != "id"}
            if entity_id and raw:
                yield self._record(rule, response, entity_id, raw, fetched_at)

    def _id(self, rule: Rule, fields: Fields, url: str) -> str | None:
        if (extracted := id_text(fields.get("id"))) is not None:
            return extracted
        match = rule.id_from_url.search(url) if rule.id_from_url else None
        return unquote(match[1]) if match else None

    def _record(self, rule: Rule, response: Response, entity_id: str, raw: Fields, fetched_at: datetime) -> Record:
        url, stored_id = response.url, entity_id
        if rule.settings.hash_id and self.plan.pseudonym:
            stored_id = self.plan.pseudonym(entity_id)
            url = _without_id(url, entity_id, stored_id)
        columns = {
            "url": url,
            "status": response.status,
            "fetched_at": fetched_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "source": self.plan.name,
            "entity_type": rule.settings.entity_type,
            "id": stored_id,
        }
        values = {name: clean(value, self.plan.denied) for name, value in raw.items()}
        return Record(rule.settings.entity_type, stored_id, record_line(clean(columns, ()), values, self.plan.secrets))

    # ---- further pages ----

    def _followed(self, page: Page, response: HtmlResponse) -> Iterator[NewPage]:
        if self.plan.settings.paging.css and page.list_page < self.plan.settings.paging.pages:
            for target in response.css(self.plan.settings.paging.css).getall()[:1]:
                yield NewPage(_joined(response, target), PAGE, page.depth, page.list_page + 1)
        if not self.plan.settings.follow.allow or page.depth >= self.plan.settings.follow.depth:
            return
        if "nofollow" in response.xpath("string(//meta[@name='robots']/@content)").get("").lower():
            return
        for link in self._links.extract_links(response):
            if not link.nofollow:
                yield self._deeper(page, link.url)

    def _named(self, page: Page, response: TextResponse, answer: Any) -> Iterator[NewPage]:
        """The pages whose addresses or token are in a JSON answer."""
        plan = self.plan
        if page.list_page < plan.settings.paging.pages:
            token = plan.json_token(answer) if plan.json_token else None
            if isinstance(token, str | int) and token and plan.settings.paging.parameter:
                url = _with_parameter(response.url, plan.settings.paging.parameter, str(token))
                yield NewPage(url, PAGE, page.depth, page.list_page + 1)
            target = plan.json_next(answer) if plan.json_next else None
            if isinstance(target, str):
                yield NewPage(_joined(response, target), PAGE, page.depth, page.list_page + 1)
        if page.depth < plan.settings.follow.depth:
            for path in plan.json_urls:
                value = path(answer)
                for target in value if isinstance(value, list) else [value]:
                    if isinstance(target, str):
                        yield self._deeper(page, _joined(response, target))

    def _deeper(self, page: Page, url: str) -> NewPage:
        return NewPage(without_parameters(url, self.plan.settings.follow.drop_parameters), PAGE, page.depth + 1)

    def _sitemap(self, page: Page, response: Response) -> PageResult:
        body = response.body
        if gzip_magic_number(response):
            body = gunzip(body, max_size=self.plan.settings.budget.page_bytes)
        try:
            is_index, entries = listed(body)
        except (SyntaxError, ValueError) as error:  # lxml's parse errors are syntax errors
            return PageResult("not readable", response.status, f"no sitemap: {error}")
        if is_index and page.depth >= _MAX_SITEMAP_DEPTH:
            return PageResult("not readable", response.status, "sitemap indexes nested too deeply")
        kind, depth = (SITEMAP, page.depth + 1) if is_index else (PAGE, 0)
        new = [NewPage(_joined(response, entry), kind, depth) for entry in entries]
        inside, outside = self._by_scope(one for one in new if is_index or self._is_allowed(one.url))
        return PageResult("page", response.status, pages=inside, outside=outside)

    def _is_allowed(self, url: str) -> bool:
        allow = self.plan.sitemap_allow
        return not allow or any(pattern.search(url) for pattern in allow)


def _joined(response: Response, address: str) -> str:
    """The absolute address; one that is not valid stays as it is, and is counted as broken."""
    try:
        return response.urljoin(address)
    except ValueError:
        return address


def _readable(response: Response) -> Response:
    """The response, decoded as Windows-1252 if its declared UTF-8 is not valid."""
    if not isinstance(response, TextResponse) or response.encoding != "utf-8" or "\ufffd" not in response.text:
        return response
    try:
        response.body.decode()
    except UnicodeDecodeError:
        return response.replace(encoding="cp1252")
    return response  # the text itself contains U+FFFD


def _without_id(url: str, entity_id: str, pseudonym: str) -> str:
    """The address with the pseudonym in place of the id."""
    parts = urlsplit(url)
    rest = parts._replace(scheme="", netloc="").geturl()
    for spelling in dict.fromkeys((quote(entity_id, safe=""), entity_id)):
        rest = rest.replace(spelling, pseudonym)
    return f"{parts.scheme}://{parts.netloc}{rest}"


def _with_parameter(url: str, name: str, value: str) -> str:
    """The address with the parameter set in its query."""
    parts = urlsplit(url)
    query = [(key, old) for key, old in parse_qsl(parts.query, keep_blank_values=True) if key != name]
    return parts._replace(query=urlencode([*query, (name, value)])).geturl()
