"""Names of properties and types in JSON-LD: contexts, prefixes and vocabularies.

Decided here: which name of schema.org a key or type stands for. Contexts at an address are never fetched: every one is
taken for schema.org's, so that a bare name is the name itself. Names of other vocabularies stay as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

_SCHEMA_ORG = re.compile(r"(?:https?:)?//(?:[\w-]+\.)?schema\.org/+(?:#)?([^/#?]+)", re.IGNORECASE)
_WELL_KNOWN = {"schema": "https://schema.org/"}  # prefixes that pages use without a context
_MAX_STEPS = 8  # of a term that is defined by another one


@dataclass(frozen=True)
class Term:
    """A term of a context.

    Args:
        iri: what it stands for, perhaps by another term; empty: the name itself.
        container: `@language`, `@index` …: what an object as its value is.
        is_reference: whether a text as its value is the `@id` of an object.
    """

    iri: str = ""
    container: str = ""
    is_reference: bool = False


@dataclass(frozen=True)
class Context:
    """The terms that are valid inside an object.

    Args:
        vocab: put before a name that is no term.
        base: resolves relative addresses, where a context states one.
        language: of texts without one.
        terms: name → term; None: the name has no meaning.
    """

    vocab: str = ""
    base: str = ""
    language: str = ""
    terms: Mapping[str, Term | None] = field(default_factory=dict)

    def extended(self, local: Any) -> Context:
        """The context with a local one on top; what is not valid in it is passed over.

        Args:
            local: the value of `@context`.
        """
        if local is None:
            return Context()
        if isinstance(local, list):
            context = self
            for part in local:
                context = context.extended(part)
            return context
        if not isinstance(local, dict):
            return self
        settings = {
            name: local["@" + name] for name in ("vocab", "base", "language") if isinstance(local.get("@" + name), str)
        }
        terms = {name: _term(value) for name, value in local.items() if not name.startswith("@")}
        return replace(self, **settings, terms={**self.terms, **terms} if terms else self.terms)

    def term(self, key: str) -> Term:
        """The definition of a key.

        Args:
            key: as it is written.
        """
        return self.terms.get(key) or Term()

    def name(self, key: str) -> tuple[str, bool] | None:
        """The name that a key or type stands for, and whether it is one of schema.org or JSON-LD; None: it has none.

        Args:
            key: as it is written.
        """
        if key in self.terms and self.terms[key] is None:
            return None
        iri = self._expanded(key, _MAX_STEPS)
        if iri.startswith("@"):
            return iri, True
        known = _SCHEMA_ORG.fullmatch(iri)
        if known:
            return known[1], True
        return key, ":" not in key and key not in self.terms

    def _expanded(self, text: str, steps: int) -> str:
        """The IRI of a name, by terms, prefixes and the vocabulary."""
        if text.startswith("@") or steps == 0:
            return text
        term = self.terms.get(text)
        if term is not None and term.iri and term.iri != text:
            return self._expanded(term.iri, steps - 1)
        prefix, colon, suffix = text.partition(":")
        if not colon:
            return f"{self._expanded(self.vocab, steps - 1)}{text}" if self.vocab and self.vocab != text else text
        if suffix.startswith("//"):
            return text
        of_prefix = self.terms.get(prefix)
        if of_prefix is not None and of_prefix.iri:
            return self._expanded(of_prefix.iri, steps - 1) + suffix
        return _WELL_KNOWN[prefix] + suffix if prefix in _WELL_KNOWN else text


def _term(value: Any) -> Term | None:
    if value is None:
        return None
    if isinstance(value, str):
        return Term(value)
    if not isinstance(value, dict):
        return Term()
    if "@id" in value and value["@id"] is None:
        return None
    iri, container = value.get("@id"), value.get("@container")
    containers = container if isinstance(container, list) else [container]
    return Term(
        iri=iri if isinstance(iri, str) else "",
        container=next((name for name in containers if isinstance(name, str) and name != "@set"), ""),
        is_reference=value.get("@type") in ("@id", "@vocab"),
    )
