"""Raw fields of a page: from schema.org data, then CSS and XPath; of API answers by JMESPath. No scripts run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import extruct
from extruct.jsonld import JsonLdExtractor
from lxml.etree import _Element, iterwalk
from parsel import Selector

from bgmrec.crawl.plan import JsonPath, Rule
from bgmrec.crawl.sanitize import is_empty

Fields = dict[str, Any]

_SCRIPTS = "descendant-or-self::script[@type='application/ld+json']"
_MAX_OBJECTS = 2_000  # of one page
_MAX_ITEM_DEPTH = 20  # levels of microdata; schema.org nests three or four


class SchemaData:
    """The schema.org objects of a page: JSON-LD before microdata, outer objects before inner ones.

    Args:
        tree: the parsed page.
        url: address of the page, for relative links in microdata.
    """

    def __init__(self, tree: _Element, url: str):
        self.json_ld = list(_walk(list(_json_ld(tree))))
        self.microdata = list(_walk(_microdata(tree, url)))

    def all(self, rule: Rule) -> list[Fields]:
        """The fields of every object of the rule's types, JSON-LD first.

        Args:
            rule: types and fields.
        """
        return [*self._fields(self.json_ld, rule), *self._fields(self.microdata, rule)]

    def main_entity(self, rule: Rule) -> list[Fields]:
        """The fields of the page's main entity, once per notation; further objects are entities that it mentions.

        Args:
            rule: types and fields.
        """
        firsts = [objects[0] for items in (self.json_ld, self.microdata) if (objects := self._fields(items, rule))]
        ids = {str(fields["id"]) for fields in firsts if "id" in fields}
        return firsts if len(ids) <= 1 else firsts[:1]

    @staticmethod
    def _fields(items: list[dict[str, Any]], rule: Rule) -> list[Fields]:
        objects = (_pick(rule.schema_fields, item) for item in items if rule.types & _types(item))
        return [fields for fields in objects if fields]


def _json_ld(tree: _Element) -> Iterator[Any]:
    """The objects of all scripts; one that is not valid JSON is skipped."""
    extractor = JsonLdExtractor()
    for script in tree.xpath(_SCRIPTS):
        try:
            yield from extractor.extract_items(script)
        except (ValueError, RecursionError):
            continue


def _microdata(tree: _Element, url: str) -> list[Any]:
    if not tree.xpath("boolean(//@itemscope)") or _item_depth(tree) > _MAX_ITEM_DEPTH:
        return []
    items: list[Any] = extruct.extract(tree, base_url=url, syntaxes=["microdata"], uniform=True)["microdata"]
    return items


def _item_depth(tree: _Element) -> int:
    """The nesting depth of items: extruct's time grows with its cube (depth 400 took 2 s, 800 took 25 s)."""
    depth = deepest = 0
    for event, element in iterwalk(tree, events=("start", "end")):
        if "itemscope" in element.attrib:
            depth += 1 if event == "start" else -1
            deepest = max(deepest, depth)
    return deepest


def _walk(items: list[Any]) -> Iterator[dict[str, Any]]:
    """Every object with a type, breadth first, so that the main entity comes before those it mentions."""
    level, n_objects = items, 0
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, list):
                inner.extend(item)
            elif isinstance(item, dict):
                n_objects += 1
                if n_objects > _MAX_OBJECTS:
                    return
                if "@type" in item:
                    yield item
                inner.extend(value for value in item.values() if isinstance(value, dict | list))
        level = inner


def _types(item: Mapping[str, Any]) -> set[str]:
    """Names of the types, without their vocabulary."""
    value = item.get("@type")
    names = value if isinstance(value, list) else [value]
    return {name.rsplit("/", 1)[-1].rsplit(":", 1)[-1] for name in names if isinstance(name, str)}


def html_objects(rule: Rule, page: Selector, data: SchemaData) -> list[Fields]:
    """The raw fields of a rule in an HTML page: one object, or with `many` each schema.org object.

    A field of the one object comes from the first that has it: JSON-LD, microdata, CSS, XPath.

    Args:
        rule: types and fields.
        page: the page.
        data: its schema.org objects.
    """
    if rule.settings.many:
        return data.all(rule)
    merged: Fields = {}
    for fields in [*data.main_entity(rule), _select(page, rule)]:
        merged = {**fields, **merged}
    return [merged] if merged else []


def _select(page: Selector, rule: Rule) -> Fields:
    fields: Fields = {}
    for name, text in rule.settings.xpath.items():
        fields[name] = _single(page.xpath(text).getall())
    for name, text in rule.settings.css.items():
        if not is_empty(value := _single(page.css(text).getall())):
            fields[name] = value
    return {name: value for name, value in fields.items() if not is_empty(value)}


def _single(values: list[str]) -> Any:
    texts = [value.strip() for value in values if value.strip()]
    return texts[0] if len(texts) == 1 else texts


def json_objects(rule: Rule, answer: Any) -> list[Fields]:
    """The raw fields of a rule in a JSON answer, for each object of `json_items`.

    Args:
        rule: paths of objects and fields.
        answer: the parsed answer.
    """
    if rule.json_items is None:
        return []
    items = rule.json_items(answer)
    objects = items if isinstance(items, list) else [items]
    return [fields for item in objects if item is not None and (fields := _pick(rule.json_fields, item))]


def _pick(paths: Mapping[str, JsonPath], item: Any) -> Fields:
    values = {name: path(item) for name, path in paths.items()}
    return {name: value for name, value in values.items() if not is_empty(value)}


def parse_json(text: str) -> Any:
    """The value of a JSON answer.

    Args:
        text: the answer.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text.lstrip("\ufeff"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
