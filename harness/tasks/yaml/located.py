"""A strict YAML parser that returns JSON values and the line of each key.

It follows YAML 1.2's core schema: ``yes`` and ``2023-01-01`` are text, ``1e-3`` is a number. Duplicate keys, anchors, tags,
``.inf`` and ``.nan`` are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, Union

import yaml

from harness.core.reading import reason

Json: TypeAlias = Union[bool, int, float, str, list["Json"], dict[str, "Json"], None]  # noqa: UP007 - quoted names
KeyPath: TypeAlias = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"


MAX_DIGITS = 400
"""Maximum length of a number, characters; the largest float has 309 digits."""
MAX_DEPTH = 40
"""Maximum nesting depth; a task needs six, and Python's recursion limit allows some hundreds."""


class _CoreLoader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own protocol
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"nested more than {MAX_DEPTH} levels deep", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


for _name, _pattern, _first in (
    ("null", r"^(~|null|)$", ["~", "n", ""]),
    ("bool", r"^(true|false)$", list("tf")),
    ("int", r"^[-+]?(0|[1-9][0-9]*)$", list("-+0123456789")),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    ("float", r"^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$", list("-+.")),
):
    _CoreLoader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)


@dataclass(frozen=True)
class Problem:
    """A fault of a task file.

    Attributes:
        line: 1-based line; 0 for the whole file.
        path: key path, e.g. ``("dataset", "persons")``; empty for the document itself.
        text: the found and the allowed value.
    """

    line: int
    path: KeyPath
    text: str

    def __str__(self) -> str:
        line = f"line {self.line}: " if self.line else ""
        path = f"{dotted(self.path)}: " if self.path else ""
        return f"{line}{path}{self.text}"


@dataclass
class Document:
    """A parsed file.

    Attributes:
        value: the top-level mapping; empty if there is none (``problems`` then gives the reason).
        lines: 1-based line per key path.
        problems: faults of the YAML itself.
    """

    value: dict[str, Json] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def dotted(path: KeyPath) -> str:
    """Return a key path as text: ``("forget", "classes", 0)`` as ``forget.classes[0]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """Return the line of ``path``, or of its nearest known parent; 1 if none is known."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def parse(text: str, what: str = "task") -> Document:
    """Parse a YAML document with a mapping at the top level, a ``what``; collect its faults in ``problems``."""
    document = Document()
    try:
        loader = _CoreLoader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        document.problems.append(_syntax_problem(error, text))
        return document
    except Exception as error:  # PyYAML's scanner raises others, e.g. for escapes beyond Unicode
        document.problems.append(Problem(0, (), f"not valid YAML: {reason(error)}"))
        return document
    if not isinstance(node, yaml.MappingNode):
        document.problems.append(_not_a_mapping(node, what))
        return document
    document.value = _Builder(document).mapping(node, ())
    return document


def _not_a_mapping(node: yaml.Node | None, what: str) -> Problem:
    if node is None:
        return Problem(0, (), f"the file is empty; a {what} starts with 'schema: 1'")
    kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
    line = node.start_mark.line + 1
    return Problem(line, (), f"found {kind}; a {what} is a mapping of keys, starting with 'schema: 1'")


def _syntax_problem(error: yaml.YAMLError, text: str) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        advice = "; indent with spaces, not with tabs" if "'\\t'" in (error.problem or "") else ""
        words = ", ".join(part for part in (error.context, error.problem) if part)
        return Problem(error.problem_mark.line + 1, (), f"not valid YAML: {words}{advice}")
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Problem(line, (), f"not valid YAML: the character {_character(error)!r} is not allowed")
    return Problem(0, (), f"not valid YAML: {error}")


def _character(error: yaml.reader.ReaderError) -> str:
    found = error.character
    return chr(found) if isinstance(found, int) else str(found)


class _Builder:
    """Conversion of YAML nodes into values; records lines and problems in a document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._seen: set[int] = set()

    def _problem(self, node: yaml.Node, path: KeyPath, text: str) -> None:
        line = self._document.lines.get(path, node.start_mark.line + 1)
        self._document.problems.append(Problem(line, path, text))

    def value(self, node: yaml.Node, path: KeyPath) -> Json:
        if id(node) in self._seen:
            self._problem(node, path, "anchors and aliases (&name, *name) are not allowed; write the value out")
            return None
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, path)
        return self._scalar(node, path)

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, path, "a key must be plain text")
                continue
            key = str(key_node.value)
            if not _encodable(key):
                self._problem(key_node, path, f"a key contains a lone surrogate: {key!a}")
                continue
            here = (*path, key)
            if key in found:
                text = f"duplicate key; the first is on line {self._document.lines[here]}"
                self._document.problems.append(Problem(key_node.start_mark.line + 1, here, text))
                continue
            self._document.lines[here] = key_node.start_mark.line + 1
            found[key] = self.value(value_node, here)
        return found

    def _sequence(self, node: yaml.SequenceNode, path: KeyPath) -> list[Json]:
        values = []
        for position, item in enumerate(node.value):
            here = (*path, position)
            self._document.lines[here] = item.start_mark.line + 1
            values.append(self.value(item, here))
        return values

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Json:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind == "str":
            if not _encodable(text):
                self._problem(node, path, f"found {text!a}, which contains a lone surrogate")
                return None
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text == "true"
        if kind == "int" and len(text) <= MAX_DIGITS:
            return int(text)
        if kind == "float" and len(text) <= MAX_DIGITS and math.isfinite(number := _float(text)):
            return number
        shown = text if len(text) <= MAX_DIGITS else f"{text[:20]}… ({len(text)} characters)"
        fault = f"found {shown!r}; must be finite" if kind in ("int", "float") else "tags (!...) are not allowed"
        self._problem(node, path, fault)
        return None


def _float(text: str) -> float:
    """Return a YAML float; ``.inf`` and ``.nan`` are converted to Python's spelling."""
    return float(re.sub(r"\.(?=[a-zA-Z])", "", text))


def _encodable(text: str) -> bool:
    """Return False for text that UTF-8 cannot encode, which YAML's escapes can produce."""
    return not any("\ud800" <= char <= "\udfff" for char in text)
