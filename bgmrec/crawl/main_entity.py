"""The main entity of a page: the object that the page says it is about.

Decided here: which of several objects of a kind the page's record is. An object at the page's own address, by `url`,
`@id`, `mainEntityOfPage` or the `mainEntity` of the page, goes before the order of the objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urldefrag, urljoin

from lxml.etree import _Element

from bgmrec.crawl.graph import Graph, Node
from bgmrec.crawl.urls import same_page_key


def page_addresses(tree: _Element, url: str, base: str) -> list[str]:
    """The addresses of a page: the canonical one, if it names one, before the one that was requested.

    Args:
        tree: the parsed page.
        url: that was requested.
        base: address that relative ones start from.
    """
    canonical = [
        link.get("href", "") for link in tree.iter("link") if "canonical" in link.get("rel", "").lower().split()
    ]
    shared = [meta.get("content", "") for meta in tree.iter("meta") if meta.get("property") == "og:url"]
    return [_joined(base, one.strip()) for one in [*canonical[:1], *shared[:1]] if one.strip()] + [url]


def _joined(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:
        return address


class MainEntity:
    """Orders the objects of a page by how clearly the page is about them.

    Args:
        graph: the objects.
        addresses: of the page, the canonical one first.
    """

    def __init__(self, graph: Graph, addresses: Sequence[str]):
        self._graph = graph
        self._pages = list(dict.fromkeys(map(same_page_key, addresses)))
        self._subjects = [
            subject
            for node in graph.objects
            for subject in _nodes(graph.property(node, "mainEntity"))
            if self._is_this_page(node)
        ]

    def rank(self, node: Node) -> int:
        """0 for an object at the page's first address, more for its further ones, most for one at none of them.

        Args:
            node: the object.
        """
        if any(self._graph.is_same(node, subject) for subject in self._subjects) or self._names_its_page(node):
            return 0
        ranks = [self._rank(address) for address in self._addresses(node)]
        return min(ranks, default=len(self._pages) + 1)

    def _rank(self, address: str) -> int:
        """By an address of the object; one with a fragment may be any object of the page."""
        page, fragment = urldefrag(address)
        key = same_page_key(page)
        if key not in self._pages:
            return len(self._pages) + 1
        return len(self._pages) if fragment else self._pages.index(key)

    def _names_its_page(self, node: Node) -> bool:
        of = self._graph.property(node, "mainEntityOfPage")
        if of is True or of in ("true", "True"):
            return True
        texts = [self._graph.address(text) for text in _texts(of)]
        if any(self._rank(urldefrag(text)[0]) < len(self._pages) for text in texts):
            return True
        return any(self._is_this_page(page) for page in _nodes(of))

    def _is_this_page(self, node: Node) -> bool:
        """Whether an object stands for the page itself: it is at the page's address, or at none."""
        pages = [same_page_key(urldefrag(address)[0]) for address in self._addresses(node)]
        return not pages or any(page in self._pages for page in pages)

    def _addresses(self, node: Node) -> Iterator[str]:
        for name in ("url", "@id"):
            value = self._graph.property(node, name)
            for text in [*_texts(value), *(one.get("@id", "") for one in _nodes(value))]:
                if isinstance(text, str) and text and not text.startswith("_:"):
                    yield self._graph.address(text)


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else [value]


def _nodes(value: Any) -> list[Node]:
    return [one for one in _listed(value) if isinstance(one, dict)]


def _texts(value: Any) -> list[str]:
    return [one for one in _listed(value) if isinstance(one, str)]
