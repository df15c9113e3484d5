"""JMESPath over the objects of schema.org, in which a value may be single or several, and text or an object.

Decided here: a property of a list is that of each of its objects; what expects a list takes a single value as a list of
one; a reference is the object that it means; a text in place of an object is its `name`.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter

from bgmrec.crawl.graph import Graph

_MAX_VALUES = 10_000  # of one path: lists of references to one another multiply

Syntax = dict[str, Any]


def parse(text: str) -> Syntax:
    """The syntax tree of a path.

    Args:
        text: the path.

    Raises:
        JMESPathError: it is no JMESPath.
    """
    parsed: Syntax = jmespath.compile(text).parsed
    return parsed


class SchemaPaths(TreeInterpreter):
    """Finds the values of paths in the objects of one page.

    Args:
        graph: the objects.
    """

    def __init__(self, graph: Graph):
        super().__init__()
        self._graph = graph

    def find(self, path: Syntax, item: Any) -> Any:
        """The raw value of a path; None where it does not fit the object.

        Args:
            path: from `parse`.
            item: the object.
        """
        try:
            value = self.visit(path, item)
        except JMESPathError:
            return None  # a function over a value of another type
        return [self._whole(one) for one in value] if isinstance(value, list) else self._whole(value)

    def _whole(self, value: Any) -> Any:
        """What a reference means; its address where the page does not describe it."""
        if isinstance(value, dict) and value.keys() == {"@id"}:
            return self._graph.described(str(value["@id"])) or self._identifier(value["@id"])
        return value

    def visit_field(self, node: Syntax, value: Any) -> Any:
        """A property.

        Args:
            node: of the syntax tree.
            value: an object, several, or text.
        """
        if isinstance(value, list):
            found = [inner for one in value for inner in _listed(self.visit_field(node, one))]
            return None if not found else found[0] if len(found) == 1 else found[:_MAX_VALUES]
        if isinstance(value, str):
            return self._of_text(node["value"], value)
        if not isinstance(value, dict):
            return None
        found = self._graph.property(value, node["value"])
        return self._identifier(found) if node["value"] == "@id" else found

    def _of_text(self, name: str, text: str) -> Any:
        """A property of an object that is written as text: its address, or its name."""
        described = self._graph.described(text)
        if described is not None:
            return self._graph.property(described, name)
        is_address = text.startswith(("http://", "https://", "#", "_:"))
        return text if name == "name" and not is_address else None

    def _identifier(self, value: Any) -> Any:
        """The `@id` as it is written; an address for one that means something within its page only."""
        if not isinstance(value, str) or value.startswith("_:"):
            return None
        return self._graph.address(value) if value.startswith("#") else value

    def visit_listed(self, node: Syntax, value: Any) -> list[Any]:
        """A value as a list.

        Args:
            node: of the syntax tree, made by `_on_list`.
            value: the value.
        """
        return list(islice(_listed(self.visit(node["children"][0], value)), _MAX_VALUES))

    def visit_projection(self, node: Syntax, value: Any) -> Any:
        """`path[*]`.

        Args:
            node: of the syntax tree.
            value: the value.
        """
        return super().visit_projection(_on_list(node), value)

    def visit_filter_projection(self, node: Syntax, value: Any) -> Any:
        """`path[?condition]`.

        Args:
            node: of the syntax tree.
            value: the value.
        """
        return super().visit_filter_projection(_on_list(node), value)

    def visit_flatten(self, node: Syntax, value: Any) -> Any:
        """`path[]`.

        Args:
            node: of the syntax tree.
            value: the value.
        """
        return super().visit_flatten(_on_list(node), value)

    def visit_index(self, node: Syntax, value: Any) -> Any:
        """`path[0]`.

        Args:
            node: of the syntax tree.
            value: the value.
        """
        return super().visit_index(node, _listed(value))

    def visit_slice(self, node: Syntax, value: Any) -> Any:
        """`path[:3]`.

        Args:
            node: of the syntax tree.
            value: the value.
        """
        return super().visit_slice(node, _listed(value))


def _on_list(node: Syntax) -> Syntax:
    """The node with its first child as a list."""
    first, *others = node["children"]
    return {**node, "children": [{"type": "listed", "children": [first]}, *others]}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
