"""Pages with commands: what a reader types, and what is shown of the answer.

A block ``console`` holds lines that begin with ``$`` and what they print; ``...`` stands for what is left out. Another word
behind ``console`` says what a command needs: ``sandbox``, ``upload``, or a library that may not be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/.-]+\.\w+)\n")
LEFT_OUT = "..."


@dataclass(frozen=True)
class Step:
    """One command of a page.

    Attributes:
        command: a line of shell.
        needs: empty, or the word behind ``console``.
        shown: the parts of its output that the page shows, in order.
    """

    command: str
    needs: str
    shown: tuple[str, ...]


def steps(page: Path) -> list[Step]:
    """All commands of a page, in order."""
    blocks = [match for match in BLOCK.finditer(page.read_text()) if match[1] == "console"]
    return [step for block in blocks for step in _steps(block[2] or "", block[3])]


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks in a language."""
    return [match[3] for match in BLOCK.finditer(page.read_text()) if match[1] == language]


def write_files(page: Path, folder: Path) -> None:
    """Write the files that a page shows, blocks that begin with a comment of a path, into a folder."""
    for match in BLOCK.finditer(page.read_text()):
        if match[1] != "console" and (named := FILE.match(match[3])):
            path = folder / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(match[3])


def missing(step: Step, printed: str) -> str | None:
    """Return the first part of the page's output that was not printed in order; None if all were."""
    text, position = stable(printed), 0
    for part in step.shown:
        found = text.find(stable(part), position)
        if found < 0:
            return part
        position = found + len(stable(part))
    return None


def stable(text: str) -> str:
    """Normalise output across runs: replace numbers by 0, and ignore line breaks."""
    without_gpu = re.sub(r", \d+ skipped", "", text)
    return " ".join(re.sub(r"\d+(?:[.-]\d+)*", "0", without_gpu).split())


def _steps(needs: str, text: str) -> Iterator[Step]:
    for piece in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = piece.partition("\n")
        parts = re.split(rf"^{re.escape(LEFT_OUT)}$", output, flags=re.MULTILINE)
        yield Step(command, needs, tuple(part.strip() for part in parts if part.strip()))
