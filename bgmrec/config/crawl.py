"""`[crawl]` and `[frontier]`: one source of side information, how it is read, and what manners and limits hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from bgmrec.config.base import AtLeastOne, Count, Name, NonNegative, Positive, Section, Share

Host = Annotated[str, Field(pattern=r"^[^\s/:@]+$", description="a host name or address, without port")]

# what every record holds besides the raw fields
RECORD_COLUMNS = ("url", "status", "fetched_at", "source", "entity_type", "id")


class SeedList(Section):
    """Pages made from a list: of ids that still lack side information, or of words to search for.

    `url` holds `{value}`, which the list's values replace, percent-encoded. Values stand here or in `files`: text
    with one per line, or JSON lines with a member `id`; `{data}`, `{root}` and `{ds}` are filled in, globs expanded.
    With `values_are_ids` a page's record gets the list's id, the one that the rating log knows.
    """

    url: str
    values: list[str] = []
    files: list[str] = []
    values_are_ids: bool = True

    @model_validator(mode="after")
    def _has_place_and_values(self) -> SeedList:
        if "{value}" not in self.url:
            raise ValueError("url must hold {value}, the place of the list's values")
        if not self.values and not self.files:
            raise ValueError("either values or files must be given")
        return self


class StartSettings(Section):
    """`[crawl.start]`: where a crawl begins, in this order."""

    lists: list[SeedList] = []
    urls: list[str] = []
    sitemaps: list[str] = []  # sitemaps and sitemap indexes, plain or gzip
    sitemap_allow: list[str] = []  # regular expressions; only these of a sitemap's pages; none: all


class FollowSettings(Section):
    """`[crawl.follow]`: which links of a page become pages; regular expressions over the absolute URL."""

    allow: list[str] = []  # none: no link is followed
    deny: list[str] = []
    restrict_css: list[str] = []  # only links inside these parts of a page
    json_urls: list[str] = []  # JMESPath: addresses of further pages in a JSON answer
    drop_parameters: list[str] = []  # of the query, for example utm_source: the same page without them
    depth: Count = 5  # links away from a start page


class PagingSettings(Section):
    """`[crawl.paging]`: where the next page of a list is named."""

    json_token: str | None = None  # JMESPath of a token …
    parameter: str | None = None  # … that this query parameter carries
    json_url: str | None = None  # JMESPath of the next page's address
    css: str | None = None  # link in HTML
    pages: AtLeastOne = 10_000  # of one list, at most

    @model_validator(mode="after")
    def _token_has_a_parameter(self) -> PagingSettings:
        if (self.json_token is None) != (self.parameter is None):
            raise ValueError("json_token and parameter belong together")
        return self


class RecordRule(Section):
    """`[[crawl.records]]`: one kind of record, which pages hold it and where its raw fields are found.

    Each field is taken from the first that has it: schema.org data (JSON-LD, then microdata), CSS, XPath, JSON. The
    field `id` names the entity; where it is missing, the first group of `id_from_url` does. Only the fields named
    here are stored, raw.
    """

    entity_type: Name
    pages: str | None = None  # regular expression over the URL; these pages must hold one: the extraction rate
    types: list[str] = []  # schema.org types, for example MusicRecording
    schema_fields: dict[Name, str] = {}  # JMESPath in the schema.org object
    css: dict[Name, str] = {}
    xpath: dict[Name, str] = {}
    json_items: str | None = None  # JMESPath of the objects in a JSON answer; @ is the whole answer
    json_fields: dict[Name, str] = {}  # JMESPath in each object
    id_from_url: str | None = None
    many: bool = False  # all objects of the page, and not only the first of an HTML page
    hash_id: bool = False  # store the id as a keyed hash (BGMREC_PSEUDONYM_KEY)

    @model_validator(mode="after")
    def _reads_something(self) -> RecordRule:
        names = [name for where in (self.schema_fields, self.css, self.xpath, self.json_fields) for name in where]
        if not names:
            raise ValueError("a record needs fields: schema_fields, css, xpath or json_fields")
        if taken := sorted({name for name in names if name in RECORD_COLUMNS and name != "id"}):
            raise ValueError(f"{taken[0]} is written for every record; give the field another name")
        if bool(self.types) != bool(self.schema_fields):
            raise ValueError("types and schema_fields belong together")
        if bool(self.json_items) != bool(self.json_fields):
            raise ValueError("json_items and json_fields belong together")
        return self


class PolitenessSettings(Section):
    """`[crawl.politeness]`: how a host is asked. robots.txt and its Crawl-delay always hold."""

    delay: NonNegative = 1.0  # seconds between two requests to a host, at least
    start_delay: NonNegative = 2.0  # the first delay; the throttle moves it with the host's latency
    max_delay: Positive = 60.0  # of the throttle; a Crawl-delay may be longer
    concurrency_per_host: AtLeastOne = 1
    concurrency: AtLeastOne = 16  # over all hosts
    timeout: Positive = 30.0  # seconds for a whole answer, so that one without an end ends
    retries: Count = 3  # of 408, 429, 5xx and broken connections
    retry_wait: Positive = 2.0  # seconds before the first retry; doubles with every further one
    max_retry_after: Positive = 600.0  # a host that asks for a longer rest is left for another day
    failures_in_a_row: AtLeastOne = 20  # of a host, after which it is left for another day
    cache_days: NonNegative = 30.0  # whole pages are kept this long for conditional requests; 0: nothing is kept


class BudgetSettings(Section):
    """`[crawl.budget]`: the most that a crawl date may ask of one host, all its runs together."""

    requests: AtLeastOne = 100_000  # robots.txt, redirects and retries count
    bytes: AtLeastOne = 10 * 2**30  # as they came over the wire
    seconds: Positive = 6 * 3600.0
    page_bytes: AtLeastOne = 8 * 2**20  # of one answer, as it comes and as it unpacks


class CrawlSettings(Section):
    """`[crawl]`: a source. `jobs/crawl_side_info.py` refuses to start without `name`, `contact` and a start."""

    name: Name | None = None  # of the source, of its folder, and in every record
    contact: str | None = None  # mail address or page that tells a host's owner who is asking; no default
    out: str = "{data}/crawled"  # results: <out>/<name>/date=<ds>
    hosts: list[Host] = []  # these and their subdomains, nothing else
    private_hosts: list[Host] = []  # may have a private, loopback or link-local address
    headers: dict[str, str] = {}  # of every request; ${NAME} is taken from the environment
    start: StartSettings = StartSettings()
    follow: FollowSettings = FollowSettings()
    paging: PagingSettings = PagingSettings()
    records: list[RecordRule] = []
    politeness: PolitenessSettings = PolitenessSettings()
    budget: BudgetSettings = BudgetSettings()
    deny_fields: list[str] = []  # names that are never stored, however deep in a raw field
    min_extraction_rate: Share = 0.5  # share of a rule's pages that gave its record; below it the job fails

    @model_validator(mode="after")
    def _keeps_its_promises(self) -> CrawlSettings:
        denied = {name.lower() for name in self.deny_fields}
        for rule in self.records:
            names = {*rule.schema_fields, *rule.css, *rule.xpath, *rule.json_fields}
            if wrong := sorted(name for name in names if name.lower() in denied):
                raise ValueError(f"deny_fields forbids {wrong[0]}, which the records {rule.entity_type} ask for")
        if self.politeness.cache_days and any(rule.hash_id for rule in self.records):
            raise ValueError("records with hash_id need politeness.cache_days = 0: a cache would keep the whole page")
        return self


class FrontierSettings(Section):
    """`[frontier]`: which ids of the rating log are worth a crawl: those that lack side information."""

    item_fields: list[Name] = []  # an item lacks side information where it has no row, or one of these is missing
    user_fields: list[Name] = []
    limit: AtLeastOne = 100_000  # ids per side
