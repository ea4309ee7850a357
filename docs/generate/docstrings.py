"""Conversion of docstrings to Markdown: prose, indented code after ``::``, and sections like ``Args:``."""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass
from typing import Any

SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):[ ]*$\n((?:(?:[ ]+.*)?\n?)*)", re.MULTILINE)
WIDTH = 120
ENTRY = re.compile(r"^(\w[\w., ]*):[ ]+(.*(?:\n[ ]+.*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Docstring:
    """A docstring in its parts; texts are Markdown but for the rows of tables.

    Attributes:
        body: text before the first section.
        rest: text after the last section.
        sections: title -> text.
        whole: the docstring on one line, as in the source.
    """

    body: str
    rest: str
    sections: dict[str, str]
    whole: str

    @classmethod
    def of(cls, thing: Any) -> Docstring:
        """Of a class, a function or a property."""
        text = inspect.cleandoc(thing.__doc__ or "") + "\n"
        found = list(SECTION.finditer(text))
        start, end = (found[0].start(), found[-1].end()) if found else (len(text), len(text))
        sections = {match[1]: textwrap.dedent(match[2]).strip() for match in found}
        return cls(_blocks(text[:start]), _blocks(text[end:]), sections, " ".join(text.split()))

    @property
    def arguments(self) -> dict[str, str]:
        """Name -> meaning."""
        return self._rows("Args")

    @property
    def attributes(self) -> dict[str, str]:
        """Name -> meaning."""
        return self._rows("Attributes")

    @property
    def raises(self) -> dict[str, str]:
        """Error -> when."""
        return self._rows("Raises")

    @property
    def returns(self) -> str:
        """Return the description of the return value."""
        return " ".join((self.sections.get("Returns") or self.sections.get("Yields") or "").split())

    def _rows(self, title: str) -> dict[str, str]:
        return {match[1]: " ".join(match[2].split()) for match in ENTRY.finditer(self.sections.get(title, ""))}


def markdown(text: str) -> str:
    """Convert a paragraph: roles and literals become code, and cell separators of tables are escaped."""
    named = re.sub(r":(?:class|func|meth|mod|attr|data):`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return re.sub(r"``([^`]+)``", r"`\1`", named).replace("|", "\\|")


def prose(text: str) -> str:
    """Wrap a paragraph to the page's width."""
    return textwrap.fill(markdown(text), WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def _blocks(text: str) -> str:
    """Paragraphs of prose, each in one line, and blocks of code."""
    blocks: list[str] = []
    code: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if block.startswith("    "):
            code.append(block)
            continue
        blocks += _fenced(code)
        code = []
        if block.strip():
            blocks.append(prose(re.sub(r"::$", ":", " ".join(block.split()))))
    return "\n".join([*blocks, *_fenced(code)])


def _fenced(code: list[str]) -> list[str]:
    return [f"```python\n{textwrap.dedent(chr(10).join(_joined(code)))}\n```\n"] if code else []


def _joined(code: list[str]) -> list[str]:
    """Join code blocks with an empty line, two before a definition, like formatters."""
    lines = code[0].splitlines()
    for block in code[1:]:
        lines += ["", ""] if re.match(r"    (?:@|def |class )", block) else [""]
        lines += block.splitlines()
    return lines
