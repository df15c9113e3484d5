"""`[crawl]` and `[frontier]`: one source of side information, how it is read, politeness and limits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from bgmrec.config.base import AtLeastOne, Conflict, Count, Days, Name, NonNegative, Seconds, Section, Share, Unit

HOST = r"^[^\s/:@]+$"
Host = Annotated[str, Field(pattern=HOST)]
Requests = Annotated[AtLeastOne, Unit("requests")]

# what every record holds besides the raw fields
RECORD_COLUMNS = ("url", "status", "fetched_at", "source", "entity_type", "id")


class SeedList(Section):
    """Start pages made from a list: of ids that lack side information, or of words to search for."""

    url: str
    """Address of a page; `{value}` is replaced by each value of the list, percent-encoded."""

    values: list[str] = []
    """The list itself. `values` or `files` is needed."""

    files: list[str] = []
    """Files with the list: text with one value per line, or JSON lines with a member `id`. `{data}`, `{root}` and
    `{ds}` are filled in, globs are expanded. The result of jobs/crawl_frontier.py:
    `"{root}/frontier/ds={ds}/items/part-*"`."""

    values_are_ids: bool = True
    """The record of a page gets the list's value as its id, which is the id of the rating log. `false` where the values
    are search words."""

    @model_validator(mode="after")
    def _has_a_gap_and_values(self) -> SeedList:
        if "{value}" not in self.url:
            raise Conflict(
                "url",
                expected="an address with {value} where each value goes",
                found=self.url,
                hint="add {value}, or use crawl.start.urls for single pages",
            )
        if not self.values and not self.files:
            raise Conflict(
                "values",
                "files",
                expected="values, or files that hold them",
                found="neither",
                hint="state one of the two",
            )
        return self


class StartSettings(Section):
    """`[crawl.start]`: the first pages of a crawl: lists, then addresses, then sitemaps."""

    lists: list[SeedList] = []
    """Pages made from lists: `[[crawl.start.lists]]`."""

    urls: list[str] = []
    """Addresses of pages."""

    sitemaps: list[str] = []
    """Addresses of sitemaps: XML, sitemap indexes, text with one address per line, RSS or Atom; plain or gzip."""

    sitemap_allow: list[str] = []
    """Regular expressions; only pages of the sitemaps whose address matches one are read. Empty: all."""


class FollowSettings(Section):
    """`[crawl.follow]`: which links of a page are followed. Regular expressions match the absolute address."""

    allow: list[str] = []
    """Links that match one of these are followed. Empty: none are."""

    deny: list[str] = []
    """Links that match one of these are not followed."""

    restrict_css: list[str] = []
    """CSS selectors; only links inside these parts of a page are followed. Empty: the whole page."""

    json_urls: list[str] = []
    """JMESPath expressions of the addresses of further pages in a JSON answer."""

    drop_parameters: list[str] = []
    """Query parameters that do not change a page, for example `utm_source`; they are removed from links."""

    depth: Annotated[Count, Unit("links")] = 5
    """Links between a start page and a page, at most."""


class PagingSettings(Section):
    """`[crawl.paging]`: how a list that spans several pages names its next page. At most one of the ways is needed."""

    json_token: str | None = None
    """JMESPath of a token in a JSON answer; the next page has it in the query parameter `parameter`."""

    parameter: str | None = None
    """See `json_token`."""

    json_url: str | None = None
    """JMESPath of the next page's address in a JSON answer."""

    css: str | None = None
    """CSS selector of the link to the next page in HTML."""

    pages: Annotated[AtLeastOne, Unit("pages")] = 10_000
    """Pages of one list, at most: ends a list that leads back to itself."""

    @model_validator(mode="after")
    def _token_has_a_parameter(self) -> PagingSettings:
        if (self.json_token is None) != (self.parameter is None):
            raise Conflict(
                "json_token",
                "parameter",
                expected="both or neither",
                found=f"json_token = {self.json_token}, parameter = {self.parameter}",
                hint="name the query parameter that carries the token",
            )
        return self


class RecordRule(Section):
    """One kind of record: which pages hold it, and where its raw fields are found.

    A field is taken from the first that has it: schema.org data (JSON-LD, then microdata), CSS, XPath, JSON. The
    field `id` names the entity. Only the fields named here are stored, as they are on the page.
    """

    entity_type: Name
    """Kind of the entity, stored with each record, for example `MusicRecording`."""

    pages: str | None = None
    """Regular expression of the addresses of pages that must hold a record; `min_extraction_rate` is measured on them.
    Not set: any page may hold one."""

    types: list[str] = []
    """schema.org types of the object that is the record."""

    schema_fields: dict[Name, str] = {}
    """Field → JMESPath in the schema.org object; names are those of schema.org, without prefix. A value may be single
    or several, text or an object; `path[]` always gives a list."""

    css: dict[Name, str] = {}
    """Field → CSS selector with `::text` or `::attr(name)`."""

    xpath: dict[Name, str] = {}
    """Field → XPath."""

    json_items: str | None = None
    """JMESPath of the records in a JSON answer; `@` is the whole answer."""

    json_fields: dict[Name, str] = {}
    """Field → JMESPath in each of these records."""

    id_from_url: str | None = None
    """Regular expression whose first group in the address is the id, where the field `id` is missing."""

    many: bool = False
    """Store every matching object of an HTML page. By default the first one only."""

    hash_id: bool = False
    """Store the id as a keyed hash (key: environment variable BGMREC_PSEUDONYM_KEY), for people. Needs
    `politeness.cache_days = 0`."""

    @model_validator(mode="after")
    def _reads_something(self) -> RecordRule:
        names = [name for where in (self.schema_fields, self.css, self.xpath, self.json_fields) for name in where]
        if not names:
            raise Conflict(
                "schema_fields",
                "css",
                "xpath",
                "json_fields",
                expected="at least one field",
                found=f"none for {self.entity_type}",
                hint="name the fields of the record in one of these tables",
            )
        if reserved := sorted({name for name in names if name in RECORD_COLUMNS and name != "id"}):
            raise Conflict(
                "entity_type",
                expected=f"fields with other names than {', '.join(RECORD_COLUMNS)}, which every record has",
                found=f"{reserved[0]} among the fields of {self.entity_type}",
                hint="rename the field",
            )
        self._check_pair("types", "schema_fields")
        self._check_pair("json_items", "json_fields")
        return self

    def _check_pair(self, first: str, second: str) -> None:
        if bool(getattr(self, first)) != bool(getattr(self, second)):
            stated, missing = (first, second) if getattr(self, first) else (second, first)
            raise Conflict(
                first, second, expected="both or neither", found=f"{stated} without {missing}", hint=f"state {missing}"
            )


class PolitenessSettings(Section):
    """`[crawl.politeness]`: how a host is treated. robots.txt and its Crawl-delay are always obeyed."""

    delay: Annotated[NonNegative, Unit("seconds")] = 1.0
    """Seconds between two requests to a host, at least. A crawl begins with twice as many; then the throttle follows
    the host's response time, between this delay and 60 seconds."""

    concurrency_per_host: Requests = 1
    """Requests to a host at the same time."""

    concurrency: Requests = 16
    """Requests at the same time, over all hosts."""

    timeout: Seconds = 30.0
    """Seconds for a whole answer."""

    retries: Annotated[Count, Unit("retries")] = 3
    """Retries of a request after status 408, 429, 5xx or a broken connection."""

    retry_wait: Seconds = 2.0
    """Seconds before the first retry; doubled before each further one."""

    max_retry_after: Seconds = 600.0
    """A host whose Retry-After is longer is left alone for the rest of the run."""

    failures_in_a_row: Annotated[AtLeastOne, Unit("requests")] = 20
    """After so many failed requests in a row a host is left alone for the rest of the run."""

    cache_days: Days = 30.0
    """Days that whole pages are cached for conditional requests. 0: no cache, for pages about people."""


class BudgetSettings(Section):
    """`[crawl.budget]`: limits per host and crawl date, over all runs of that date."""

    requests: Requests = 100_000
    """Requests, with robots.txt, redirects and retries."""

    bytes: Annotated[AtLeastOne, Unit("bytes")] = 10 * 2**30
    """Bytes received, compressed."""

    seconds: Seconds = 6 * 3600.0
    """Duration of the crawl."""

    page_bytes: Annotated[AtLeastOne, Unit("bytes")] = 8 * 2**20
    """Bytes of one answer, compressed or not; a longer one is dropped."""


class CrawlSettings(Section):
    """`[crawl]`: a source of side information. jobs/crawl_side_info.py needs `name`, `contact`, `hosts` and a start.

    Complete examples: conf/crawl/.
    """

    name: Name | None = None
    """Name of the source, of its folder, and in every record."""

    contact: str | None = None
    """Mail address or page that tells a host's owner who crawls; part of the user agent. Nothing is crawled without
    one."""

    out: str = "{data}/crawled"
    """Folder of the results, <out>/<name>/date=<ds>. `{data}` stands for `paths.data`."""

    hosts: list[Host] = []
    """Host names; only these and their subdomains are visited. International names in any form: `bücher.example`,
    `xn--bcher-kva.example`."""

    private_hosts: list[Host] = []
    """Hosts that may have a private, loopback or link-local address. All others are refused there, so that a public
    page cannot lead the crawler into the own network."""

    headers: dict[str, str] = {}
    """Headers of every request. `${NAME}` is taken from the environment; a secret in plain text is refused."""

    start: StartSettings = StartSettings()
    follow: FollowSettings = FollowSettings()
    paging: PagingSettings = PagingSettings()

    records: list[RecordRule] = []
    """Kinds of records: `[[crawl.records]]`."""

    politeness: PolitenessSettings = PolitenessSettings()
    budget: BudgetSettings = BudgetSettings()

    deny_fields: list[str] = []
    """Names of fields that are never stored, at any depth of a raw value, in any case; for personal data."""

    min_extraction_rate: Share = 0.5
    """Share of the pages of a kind of record that gave one, of all pages that match `pages`, also refused ones; below
    it the job fails, as the site has probably changed or refuses pages."""

    @model_validator(mode="after")
    def _personal_data_stays_out(self) -> CrawlSettings:
        denied = {name.lower() for name in self.deny_fields}
        for position, rule in enumerate(self.records):
            names = {*rule.schema_fields, *rule.css, *rule.xpath, *rule.json_fields}
            if wrong := sorted(name for name in names if name.lower() in denied):
                raise Conflict(
                    "deny_fields",
                    f"records.{position}",
                    expected="no field of a record among deny_fields",
                    found=f"deny_fields forbids {wrong[0]}, which the records {rule.entity_type} store",
                    hint="remove the field from one of the two",
                )
            if rule.hash_id and self.politeness.cache_days:
                raise Conflict(
                    f"records.{position}.hash_id",
                    "politeness.cache_days",
                    expected="politeness.cache_days = 0 for records with hash_id: a cache would keep the whole page",
                    found=f"cache_days = {self.politeness.cache_days}",
                    hint="set crawl.politeness.cache_days = 0",
                )
        return self


class FrontierSettings(Section):
    """`[frontier]`: which ids of the rating log jobs/crawl_frontier.py lists for a crawl: those that lack side
    information.
    """

    item_fields: list[Name] = []
    """An item is listed if it has no side information, or if one of these fields is missing."""

    user_fields: list[Name] = []
    """The same for users."""

    limit: Annotated[AtLeastOne, Unit("ids")] = 100_000
    """Ids per side, at most; the most rated first."""
