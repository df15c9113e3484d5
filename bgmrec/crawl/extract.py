"""Raw fields of a page: from schema.org data, then CSS and XPath; of API answers by JMESPath. No scripts run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import extruct
from lxml.etree import _Element, iterwalk
from parsel import Selector

from bgmrec.crawl.graph import Graph, Node
from bgmrec.crawl.json_ld import json_ld
from bgmrec.crawl.main_entity import MainEntity, page_addresses
from bgmrec.crawl.plan import JsonPath, Rule
from bgmrec.crawl.sanitize import id_text, is_empty
from bgmrec.crawl.schema_paths import SchemaPaths

Fields = dict[str, Any]

_MAX_ITEM_DEPTH = 20  # levels of microdata; schema.org nests three or four


class SchemaData:
    """The schema.org objects of a page: JSON-LD before microdata.

    Args:
        notations: the objects of each notation.
    """

    def __init__(self, notations: Iterable[_Notation]):
        self._notations = list(notations)

    @classmethod
    def of_page(cls, tree: _Element, url: str, base: str) -> SchemaData:
        """The objects of an HTML page.

        Args:
            tree: the parsed page.
            url: address of the page.
            base: address that relative ones start from.
        """
        language, addresses = str(tree.xpath("string(/*/@lang)")), page_addresses(tree, url, base)
        return cls(_Notation(blocks, base, language, addresses) for blocks in (json_ld(tree), _microdata(tree, base)))

    @classmethod
    def of_answer(cls, answer: Any, url: str) -> SchemaData:
        """The objects of an answer that is JSON-LD itself.

        Args:
            answer: the parsed JSON.
            url: address of the answer.
        """
        return cls([_Notation([answer], url, "", [url])])

    def all(self, rule: Rule) -> list[Fields]:
        """The fields of every object of the rule's types, JSON-LD first.

        Args:
            rule: types and fields.
        """
        return [fields for notation in self._notations for _, fields in notation.objects(rule)]

    def main_entity(self, rule: Rule) -> list[Fields]:
        """The fields of the page's main entity, once per notation; further objects are entities that it mentions.

        Args:
            rule: types and fields.
        """
        found = [main for notation in self._notations if (main := notation.main_entity(rule)) is not None]
        firsts = [fields for _, fields in sorted(found, key=lambda ranked: ranked[0])]
        ids = {id_text(fields["id"]) for fields in firsts if "id" in fields}
        return firsts if len(ids) <= 1 else firsts[:1]


class _Notation:
    """The objects of one notation, outer ones before inner ones."""

    def __init__(self, blocks: Iterable[Any], base: str, language: str, addresses: Sequence[str]):
        self._graph = Graph(blocks, base, language)
        self._paths = SchemaPaths(self._graph)
        self._main = MainEntity(self._graph, addresses)

    def objects(self, rule: Rule) -> list[tuple[Node, Fields]]:
        nodes = [node for node in self._graph.objects if rule.types & self._graph.types(node)]
        return [(node, fields) for node in nodes if (fields := self._fields(rule, node))]

    def main_entity(self, rule: Rule) -> tuple[int, Fields] | None:
        """The fields of the main entity, and how clearly it is the page's: less is clearer."""
        ranked = [(self._main.rank(node), fields) for node, fields in self.objects(rule)]
        return min(ranked, key=lambda one: one[0], default=None)

    def _fields(self, rule: Rule, node: Node) -> Fields:
        values = {name: self._paths.find(path, node) for name, path in rule.schema_fields.items()}
        return {name: value for name, value in values.items() if not is_empty(value)}


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
    return _merged([*data.main_entity(rule), _select(page, rule)])


def _merged(places: Iterable[Fields]) -> list[Fields]:
    """One object with each field from the first place that has it."""
    merged: Fields = {}
    for fields in places:
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


def json_objects(rule: Rule, answer: Any, url: str) -> list[Fields]:
    """The raw fields of a rule in a JSON answer: for each object of `json_items`, else in its schema.org objects.

    Args:
        rule: paths of objects and fields.
        answer: the parsed answer.
        url: address of the answer.
    """
    if rule.json_items is None:
        data = SchemaData.of_answer(answer, url)
        return data.all(rule) if rule.settings.many else _merged(data.main_entity(rule))
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
