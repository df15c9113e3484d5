"""The addresses that a sitemap lists: XML, sitemap indexes, plain text, RSS and Atom.

Decided here: the format, by the content alone. Servers send sitemaps with all kinds of media types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

from lxml import etree

# element of an entry by the name of the root
_ENTRIES = {"urlset": "url", "sitemapindex": "sitemap", "rss": "item", "RDF": "item", "feed": "entry"}
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_ADDRESS = re.compile(r"https?://\S", re.IGNORECASE)


def listed(body: bytes) -> tuple[bool, list[str]]:
    """Whether a sitemap is an index, and the addresses in it.

    Args:
        body: the sitemap, decompressed.

    Raises:
        ValueError: it is in none of the formats.
    """
    encoding = _BYTE_ORDER_MARKS.get(body[:2], "utf-8-sig")
    stripped = body if encoding == "utf-16" else body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if body.decode(encoding, "replace")[:1000].lstrip()[:1] == "<":
        return _of_xml(stripped)
    lines = [line.strip() for line in stripped.decode(encoding, "replace").splitlines()]
    addresses = [line for line in lines if _ADDRESS.match(line)]
    if not addresses:
        raise ValueError("neither XML nor text with one address per line")
    return False, addresses


def _of_xml(body: bytes) -> tuple[bool, list[str]]:
    events = etree.iterparse(
        BytesIO(body),
        events=("start", "end"),
        recover=True,
        resolve_entities=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    _, root = next(events, (None, None))
    name = _name(root) if root is not None else "nothing"
    if name not in _ENTRIES:
        raise ValueError(f"the root element is {name}, expected one of {', '.join(_ENTRIES)}")
    return name == "sitemapindex", list(_addresses(events, _ENTRIES[name]))


def _addresses(events: Iterator[tuple[str, etree._Element]], entry: str) -> Iterator[str]:
    for event, element in events:
        if event == "end" and _name(element) == entry:
            address = next(_of_entry(element), None)
            if address:
                yield address
            element.clear()
            while element.getprevious() is not None:  # what was read needs no memory
                del element.getparent()[0]


def _of_entry(entry: etree._Element) -> Iterator[str]:
    """The possible addresses of an entry, the best first: `loc`; of a feed's entry the link to its page, or `guid`."""
    children = [(_name(child), child) for child in entry]
    for wanted in ("loc", "link", "guid"):
        for name, child in children:
            text = (child.get("href") or child.text or "").strip()
            if name == wanted and text and _is_page(name, child, text):
                yield text


def _is_page(name: str, child: etree._Element, text: str) -> bool:
    """Whether an address is that of a page, not of the feed itself, of a file or of a translation."""
    if name == "guid":
        return child.get("isPermaLink", "true").strip().lower() == "true" and _ADDRESS.match(text) is not None
    return child.get("rel", "alternate") == "alternate" and not child.get("hreflang")


def _name(element: etree._Element) -> str:
    """The name of an element without its namespace."""
    tag = element.tag
    return etree.QName(tag).localname if isinstance(tag, str) else ""
