"""The plan of a crawl: checked settings, compiled patterns and paths, filled-in secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import jmespath
from jmespath.exceptions import JMESPathError
from parsel import Selector
from parsel.csstranslator import HTMLTranslator

import bgmrec
from bgmrec.config.crawl import CrawlSettings, RecordRule
from bgmrec.crawl.schema_paths import Syntax, parse
from bgmrec.crawl.urls import Scope
from bgmrec.errors import SettingsError
from bgmrec.runtime.pseudonyms import pseudonymizer_from_environment
from bgmrec.runtime.secrets import NAMED, filled, refuse_plain

_SECRET_HEADER = re.compile("authorization|cookie|key|token|secret|password", re.IGNORECASE)  # names of headers
PRODUCT = "bgmrec"  # the name of the crawler in robots.txt
_CONTACT = re.compile(r"^(https?://[^\s/]+\.[^\s]+|[^@\s]+@[^@\s]+\.[^@\s]+)$")

JsonPath = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Rule:
    """A `RecordRule` with compiled patterns and paths.

    Args:
        number: of the rule in the settings; tells rules of one entity type apart.
        settings: the rule.
        pages: addresses of the pages that should have the record.
        types: of schema.org.
        schema_fields: field → path in a schema.org object.
        json_items: path of the objects in a JSON answer.
        json_fields: field → path in such an object.
        id_from_url: its first group is the id.
    """

    number: int
    settings: RecordRule
    pages: re.Pattern[str] | None
    types: frozenset[str]
    schema_fields: Mapping[str, Syntax]
    json_items: JsonPath | None
    json_fields: Mapping[str, JsonPath]
    id_from_url: re.Pattern[str] | None

    @property
    def name(self) -> str:
        """Name in the manifest."""
        return f"{self.settings.entity_type} {self.number}"

    def expected_on(self, url: str) -> bool:
        """Whether a page should have the record.

        Args:
            url: address of the page.
        """
        return self.pages is not None and self.pages.search(url) is not None

    def may_be_on(self, url: str) -> bool:
        """Whether a page may have the record.

        Args:
            url: address of the page.
        """
        return self.pages is None or self.expected_on(url)


@dataclass(frozen=True)
class Plan:
    """The plan of the crawl of one source and date.

    Args:
        name: of the source.
        ds: the logical date.
        user_agent: of every request.
        settings: `[crawl]`.
        scope: allowed hosts.
        rules: `[[crawl.records]]`.
        headers: of the requests for pages, with secrets.
        secrets: values that must not be written anywhere.
        pseudonym: id → keyed hash; None: no rule hashes ids.
        sitemap_allow: patterns of the pages that are read from sitemaps.
        json_urls: paths of addresses in JSON answers.
        json_token: path of the token of the next page.
        json_next: path of the address of the next page.
        denied: names of members that are not stored, in lower case.
    """

    name: str
    ds: date
    user_agent: str
    settings: CrawlSettings
    scope: Scope
    rules: tuple[Rule, ...]
    headers: Mapping[str, str]
    secrets: tuple[str, ...]
    pseudonym: Callable[[str], str] | None
    sitemap_allow: tuple[re.Pattern[str], ...]
    json_urls: tuple[JsonPath, ...]
    json_token: JsonPath | None
    json_next: JsonPath | None
    denied: frozenset[str]


def make_plan(settings: CrawlSettings, ds: date) -> Plan:
    """Checks the settings of a source and compiles their patterns and paths.

    Args:
        settings: `[crawl]`.
        ds: the logical date.

    Raises:
        SettingsError: name, contact, hosts, records or start are missing; a pattern or path does not compile; a secret
            is missing.
    """
    _check_whole(settings)
    headers, secrets = _headers(settings.headers)
    follow, paging = settings.follow, settings.paging
    for name, texts in {"follow.allow": follow.allow, "follow.deny": follow.deny}.items():
        for text in texts:
            _pattern(text, f"crawl.{name}")
    for text in [*follow.restrict_css, *([paging.css] if paging.css else [])]:
        _css(text, "crawl.follow.restrict_css or crawl.paging.css")
    hashes = any(rule.hash_id for rule in settings.records)
    return Plan(
        name=settings.name or "",
        ds=ds,
        user_agent=f"{PRODUCT}/{bgmrec.__version__} ( {settings.contact} )",
        settings=settings,
        scope=Scope(settings.hosts),
        rules=tuple(_rule(number, rule) for number, rule in enumerate(settings.records)),
        headers=headers,
        secrets=secrets,
        pseudonym=pseudonymizer_from_environment() if hashes else None,
        sitemap_allow=tuple(_pattern(text, "crawl.start.sitemap_allow") for text in settings.start.sitemap_allow),
        json_urls=tuple(json_path(text, "crawl.follow.json_urls") for text in follow.json_urls),
        json_token=json_path(paging.json_token, "crawl.paging.json_token") if paging.json_token else None,
        json_next=json_path(paging.json_url, "crawl.paging.json_url") if paging.json_url else None,
        denied=frozenset(name.lower() for name in settings.deny_fields),
    )


def _check_whole(settings: CrawlSettings) -> None:
    start = settings.start
    if settings.contact is None or not _CONTACT.match(settings.contact):
        raise SettingsError(
            "no contact for the owners of the sites is set",
            where="crawl.contact",
            expected="a mail address, or the http(s) address of a page about this crawler",
            found=settings.contact or "nothing",
            hint="--set crawl.contact=data-team@your.company, or the same in an overlay",
        )
    missing = [
        name
        for name, value in {
            "crawl.name": settings.name,
            "crawl.hosts": settings.hosts,
            "crawl.records": settings.records,
            "crawl.start": start.urls or start.sitemaps or start.lists,
        }.items()
        if not value
    ]
    if missing:
        raise SettingsError(
            "the settings of the source are incomplete",
            where=", ".join(missing),
            expected="a name, hosts, records, and start pages (urls, sitemaps or lists)",
            found="no value",
            hint="add a --config file with the source, for example conf/crawl/schema-org.toml",
        )
    _check_starts(settings)


def _check_starts(settings: CrawlSettings) -> None:
    scope = Scope(settings.hosts)
    lists = [seeds.url.replace("{value}", "x") for seeds in settings.start.lists]
    for url in [*settings.start.urls, *settings.start.sitemaps, *lists]:
        if refusal := scope.refusal(url):
            raise SettingsError(
                f"a start page is not allowed: {refusal}",
                where="crawl.start",
                expected=f"http or https addresses of {', '.join(settings.hosts)} and subdomains",
                found=urlsplit(url)._replace(query="").geturl() if refusal == "offsite" else refusal,
                hint="correct the address, or add its host to crawl.hosts",
            )


def _headers(settings: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The headers with `${NAME}` replaced by the variable, and the values of the variables."""
    for name, text in settings.items():
        _check_header(name, text)
    values = {key: filled(text, f"crawl.headers.{key}") for key, text in settings.items()}
    return {key: text for key, (text, _) in values.items()}, tuple(
        secret for _, secrets in values.values() for secret in secrets
    )


def _check_header(name: str, text: str) -> None:
    if name.lower() == "user-agent":
        raise SettingsError(
            "the user agent cannot be set",
            where="crawl.headers",
            expected="other headers; the user agent is bgmrec/<version> ( <crawl.contact> )",
            found=name,
            hint="remove the header, and set crawl.contact",
        )
    if _SECRET_HEADER.search(name) and not NAMED.search(text):
        raise refuse_plain(name, f"crawl.headers.{name}")


def _rule(number: int, settings: RecordRule) -> Rule:
    where = f"crawl.records.{number}"
    for name, text in settings.css.items():
        _css(text, f"{where}.css.{name}")
    for name, text in settings.xpath.items():
        _xpath(text, f"{where}.xpath.{name}")
    return Rule(
        number=number,
        settings=settings,
        pages=_pattern(settings.pages, f"{where}.pages") if settings.pages else None,
        types=frozenset(settings.types),
        schema_fields={n: _syntax(text, f"{where}.schema_fields.{n}") for n, text in settings.schema_fields.items()},
        json_items=json_path(settings.json_items, f"{where}.json_items") if settings.json_items else None,
        json_fields={n: json_path(text, f"{where}.json_fields.{n}") for n, text in settings.json_fields.items()},
        id_from_url=_pattern(settings.id_from_url, f"{where}.id_from_url") if settings.id_from_url else None,
    )


def json_path(text: str, where: str) -> JsonPath:
    """Compiles a JMESPath to a function of a JSON value, which returns None where the path does not fit the value.

    Args:
        text: the path.
        where: the setting, for the error.

    Raises:
        SettingsError: it is no JMESPath.
    """
    _syntax(text, where)
    compiled = jmespath.compile(text)

    def find(value: Any) -> Any:
        try:
            return compiled.search(value)
        except JMESPathError:
            return None  # a function over a value of another type

    return find


def _syntax(text: str, where: str) -> Syntax:
    try:
        return parse(text)
    except JMESPathError as error:
        raise _bad(where, "a JMESPath (jmespath.org)", text, error) from None


def _pattern(text: str, where: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise _bad(where, "a regular expression of Python", text, error) from None


def _css(text: str, where: str) -> None:
    try:
        HTMLTranslator().css_to_xpath(text)
    except SyntaxError as error:  # cssselect's errors are syntax errors
        raise _bad(where, "a CSS selector, with ::text or ::attr(name) at the end", text, error) from None


def _xpath(text: str, where: str) -> None:
    try:
        Selector("<html></html>").xpath(text)
    except ValueError as error:
        raise _bad(where, "an XPath 1.0 expression", text, error) from None


def _bad(where: str, expected: str, found: str, error: Exception) -> SettingsError:
    return SettingsError(
        "a pattern or path is not valid",
        where=where,
        expected=expected,
        found=f"{found!r}: {error}",
        hint="correct the setting",
    )
