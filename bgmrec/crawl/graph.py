"""The objects of a page's linked data: plain values, names of schema.org, references across all blocks of the page.

Decided here: what a value of JSON-LD is (`@value`, `@list`, `@set`, texts in several languages), and which object a
reference means. References are looked up when a path asks for them and are never expanded, so that cycles end with the
path. An object that a page describes in several places has the properties of all of them; the first place wins.

No JSON-LD library does this here: measured with pyld 3.3, one odd value (an `@id` that is a number, a `@type` that is
null) ends the whole document with an error, names without a context are lost, and references stay as they are. Search
engines read such pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urljoin

from bgmrec.crawl.names import Context

Node = dict[str, Any]

_MAX_OBJECTS = 2_000  # of one page
_MAX_DEPTH = 60  # levels of nesting


class Graph:
    """The objects of one page.

    Args:
        blocks: values of its scripts, or its microdata.
        base: address that relative references start from.
        language: of the page; of a text in several languages this one is taken, else the first.
    """

    def __init__(self, blocks: Iterable[Any], base: str, language: str = ""):
        self._base, self._language = base, language.lower()
        self._places: dict[str, list[Node]] = {}  # address of an object → places that describe it
        self._keys: dict[int, str] = {}  # id() of a place → address of its object
        self._every = list(_walk([self._value(block, Context(), 0) for block in blocks]))  # kept, for their id()
        for node in self._every:
            self._register(node)
        self.objects = list(self._each_once(node for node in self._every if self.types(node)))

    def _register(self, node: Node) -> None:
        identifier = node.get("@id")
        if not isinstance(identifier, str) or not identifier:
            return
        key = self.address(identifier)
        self._keys[id(node)] = key
        if len(node) > 1:
            self._places.setdefault(key, []).append(node)

    def _each_once(self, nodes: Iterable[Node]) -> Iterator[Node]:
        """One place of each object. Objects of different types are different, even if they share an address."""
        seen: set[tuple[str, frozenset[str]]] = set()
        for node in nodes:
            key = (self._keys.get(id(node), f"no address {id(node)}"), frozenset(self.types(node)))
            if key not in seen:
                seen.add(key)
                yield node

    def address(self, reference: str) -> str:
        """The absolute address of a reference.

        Args:
            reference: as it is written.
        """
        try:
            return reference if reference.startswith("_:") else urljoin(self._base, reference)
        except ValueError:
            return reference

    def is_same(self, first: Node, second: Node) -> bool:
        """Whether two places describe one object.

        Args:
            first: an object or a reference to it.
            second: another one.
        """
        keys = self._keys.get(id(first)), self._keys.get(id(second))
        return first is second or (keys[0] is not None and keys[0] == keys[1])

    def described(self, reference: str) -> Node | None:
        """The fullest place that describes an object.

        Args:
            reference: its `@id`, as it is written.
        """
        return max(self._places.get(self.address(reference), ()), key=len, default=None)

    def property(self, node: Node, name: str) -> Any:
        """A property of an object, from the first place that has it; None if none has.

        Args:
            node: the object, or a reference to it.
            name: of the property.
        """
        if name in node:
            return node[name]
        places = self._places.get(self._keys.get(id(node), ""), ())
        return next((place[name] for place in places if name in place), None)

    def types(self, node: Node) -> set[str]:
        """The names of an object's types, without their vocabulary.

        Args:
            node: the object, or a reference to it.
        """
        value = self.property(node, "@type")
        names = value if isinstance(value, list) else [value]
        return {_local_name(name) for name in names if isinstance(name, str)}

    # ---- JSON-LD → plain values ----

    def _value(self, raw: Any, context: Context, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            return None
        if isinstance(raw, list):
            return self._several([self._value(one, context, depth + 1) for one in raw])
        if isinstance(raw, str):
            return _Text(raw, context.language)
        return self._object(raw, context, depth) if isinstance(raw, dict) else raw

    def _object(self, raw: dict[str, Any], context: Context, depth: int) -> Any:
        if "@context" in raw:
            context = context.extended(raw["@context"])
        node: Node = {}
        others: Node = {}  # of other vocabularies: a name of schema.org goes before them
        for key, value in raw.items():
            named = context.name(key)
            if named is None or key == "@context":
                continue
            name, is_known = named
            (node if is_known else others).setdefault(name, self._property(name, key, value, context, depth))
        return _unwrapped({**others, **node}, context)

    def _property(self, name: str, key: str, value: Any, context: Context, depth: int) -> Any:
        """The value of a key: names of types, references and values in containers included."""
        if name == "@type":
            names = value if isinstance(value, list) else [value]
            known = [context.name(one) for one in names if isinstance(one, str)]
            return self._several([found[0] for found in known if found is not None])
        if name == "@id":
            return self._identifier(value, context)
        if name in ("@value", "@language"):
            return value
        term = context.term(key)
        if term.container == "@language" and isinstance(value, dict):
            return self._several([text for name, one in value.items() for text in _texts(one, name)])
        if term.container == "@index" and isinstance(value, dict):
            value = list(value.values())
        if term.is_reference:
            value = _as_references(value)
        return self._settled(self._value(value, context, depth + 1))

    @staticmethod
    def _identifier(value: Any, context: Context) -> Any:
        """The `@id`; one that means something within its page only gets the address of the page when it is read."""
        if not isinstance(value, str) or value.startswith("_:"):
            return value
        try:
            return urljoin(context.base, value) if context.base else value
        except ValueError:
            return value

    def _settled(self, value: Any) -> Any:
        return self._several([value]) if isinstance(value, _Text) else value

    def _several(self, found: list[Any]) -> Any:
        """Several values as one flat list, in one language; a single value is the value itself."""
        flat = [inner for one in found for inner in (one if isinstance(one, list) else [one]) if inner is not None]
        languages = list(dict.fromkeys(filter(None, map(_language, flat))))
        if len(languages) > 1:
            wanted = ("", self._wanted(languages))
            flat = [one for one in flat if _language(one) in wanted]
        plain = [str(one) if isinstance(one, _Text) else one for one in flat]
        return plain[0] if len(plain) == 1 else plain

    def _wanted(self, languages: list[str]) -> str:
        primary = self._language.partition("-")[0]
        same = [one for one in languages if one == self._language] + [
            one for one in languages if primary and one.partition("-")[0] == primary
        ]
        return same[0] if same else languages[0]


class _Text(str):
    """A text with its language."""

    language: str

    def __new__(cls, text: str, language: str = "") -> _Text:
        made = super().__new__(cls, text)
        made.language = language
        return made


def _language(value: Any) -> str:
    return value.language.lower() if isinstance(value, _Text) else ""


def _texts(value: Any, language: str) -> list[_Text]:
    texts = value if isinstance(value, list) else [value]
    return [_Text(text, language.removeprefix("@none")) for text in texts if isinstance(text, str)]


def _unwrapped(node: Node, context: Context) -> Any:
    """The value of an object that only wraps one."""
    if "@value" in node:
        value, language = node["@value"], node.get("@language")
        if isinstance(value, str):
            return _Text(value, language if isinstance(language, str) else context.language)
        return value
    for wrapper in ("@list", "@set"):
        if wrapper in node:
            return node[wrapper]
    # schema.org's own context, which pages name by its address, calls @type and @id `type` and `id`
    if "@type" not in node and isinstance(node.get("type"), str):
        node["@type"] = [node["type"]]
    if "@id" not in node and isinstance(node.get("id"), str):
        node["@id"] = node["id"]
    return node


def _as_references(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_references(one) for one in value]
    return {"@id": value} if isinstance(value, str) else value


def _walk(level: list[Any]) -> Iterator[Node]:
    """Every object, breadth first, so that the main entity comes before those it mentions."""
    n_objects = 0
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, list):
                inner.extend(item)
            elif isinstance(item, dict):
                n_objects += 1
                if n_objects > _MAX_OBJECTS:
                    return
                yield item
                inner.extend(value for value in item.values() if isinstance(value, dict | list))
        level = inner


def _local_name(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1].rsplit("#", 1)[-1].rsplit(":", 1)[-1].strip()
