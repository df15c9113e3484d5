"""Raw fields from a page: schema.org data first, then CSS and XPath; JSON paths for API answers. No scripts run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import extruct
from extruct.jsonld import JsonLdExtractor
from lxml.etree import _Element, iterwalk
from parsel import Selector

from bgmrec.crawl.clean import is_empty
from bgmrec.crawl.plan import Find, Rule

Fields = dict[str, Any]

_SCRIPTS = "descendant-or-self::script[@type='application/ld+json']"
_MOST_OBJECTS = 2_000  # of one page
_DEEPEST_ITEM = 20  # schema.org nests three or four


class SchemaData:
    """The schema.org objects of a page, JSON-LD before microdata, outer objects before those inside them.

    Args:
        tree: the parsed page.
        url: its address, for relative links in microdata.
    """

    def __init__(self, tree: _Element, url: str):
        self.json_ld = list(_walk(list(_json_ld(tree))))
        self.microdata = list(_walk(_microdata(tree, url)))

    def all(self, rule: Rule) -> list[Fields]:
        """The rule's fields of every object of its types, JSON-LD first."""
        return [*self._fields(self.json_ld, rule), *self._fields(self.microdata, rule)]

    def own(self, rule: Rule) -> list[Fields]:
        """The page's own entity in its one or two notations; further objects are others that it mentions."""
        firsts = [found[0] for items in (self.json_ld, self.microdata) if (found := self._fields(items, rule))]
        ids = {str(fields["id"]) for fields in firsts if "id" in fields}
        return firsts if len(ids) <= 1 else firsts[:1]

    @staticmethod
    def _fields(items: list[dict[str, Any]], rule: Rule) -> list[Fields]:
        found = (_pick(rule.schema_fields, item) for item in items if rule.types & _types(item))
        return [fields for fields in found if fields]


def _json_ld(tree: _Element) -> Iterator[Any]:
    """Script by script: a broken one must not hide the others."""
    extractor = JsonLdExtractor()
    for script in tree.xpath(_SCRIPTS):
        try:
            yield from extractor.extract_items(script)
        except (ValueError, RecursionError):
            continue


def _microdata(tree: _Element, url: str) -> list[Any]:
    if not tree.xpath("boolean(//@itemscope)") or _item_depth(tree) > _DEEPEST_ITEM:
        return []
    found: list[Any] = extruct.extract(tree, base_url=url, syntaxes=["microdata"], uniform=True)["microdata"]
    return found


def _item_depth(tree: _Element) -> int:
    """The most items around one another: extruct's time grows with its cube (400 took 2 s, 800 took 25 s)."""
    depth = deepest = 0
    for event, element in iterwalk(tree, events=("start", "end")):
        if "itemscope" in element.attrib:
            depth += 1 if event == "start" else -1
            deepest = max(deepest, depth)
    return deepest


def _walk(items: list[Any]) -> Iterator[dict[str, Any]]:
    """Every object with a type, breadth first, so that a page's own entity comes before those it mentions."""
    level, seen = items, 0
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, list):
                inner.extend(item)
            elif isinstance(item, dict):
                seen += 1
                if seen > _MOST_OBJECTS:
                    return
                if "@type" in item:
                    yield item
                inner.extend(value for value in item.values() if isinstance(value, dict | list))
        level = inner


def _types(item: Mapping[str, Any]) -> set[str]:
    """Names of the types without their vocabulary."""
    named = item.get("@type")
    names = named if isinstance(named, list) else [named]
    return {name.rsplit("/", 1)[-1].rsplit(":", 1)[-1] for name in names if isinstance(name, str)}


def html_objects(rule: Rule, page: Selector, data: SchemaData) -> list[Fields]:
    """The rule's raw fields in an HTML page: one object, or with `many` each schema.org object.

    One object takes every field from the first that has it: JSON-LD, microdata, CSS, XPath.
    """
    if rule.settings.many:
        return data.all(rule)
    merged: Fields = {}
    for fields in [*data.own(rule), _select(page, rule)]:
        merged = {**fields, **merged}
    return [merged] if merged else []


def _select(page: Selector, rule: Rule) -> Fields:
    fields: Fields = {}
    for name, text in rule.settings.xpath.items():
        fields[name] = _single(page.xpath(text).getall())
    for name, text in rule.settings.css.items():
        if not is_empty(found := _single(page.css(text).getall())):
            fields[name] = found
    return {name: value for name, value in fields.items() if not is_empty(value)}


def _single(values: list[str]) -> Any:
    texts = [value.strip() for value in values if value.strip()]
    return texts[0] if len(texts) == 1 else texts


def json_objects(rule: Rule, answer: Any) -> list[Fields]:
    """The rule's raw fields in a JSON answer: one set per object that `json_items` finds."""
    if rule.json_items is None:
        return []
    items = rule.json_items(answer)
    objects = items if isinstance(items, list) else [items]
    return [fields for item in objects if item is not None and (fields := _pick(rule.json_fields, item))]


def _pick(paths: Mapping[str, Find], item: Any) -> Fields:
    found = {name: find(item) for name, find in paths.items()}
    return {name: value for name, value in found.items() if not is_empty(value)}


def parse_json(text: str) -> Any:
    """The answer's value.

    Raises:
        ValueError: it is no JSON, or nested beyond reason.
    """
    try:
        return json.loads(text.lstrip("\ufeff"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
