"""Tags and a note of a run, which help to find it again; no result depends on them.

They are given to ``harness run`` and stored with its options and in its report. ``harness note`` changes them later: it writes
``marks.json`` into the run folder, which takes precedence, so that the report stays as it was and a run in progress can be
marked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.core.files import atomic_write_json
from harness.core.reading import foreign
from harness.errors import RunNotFoundError, UsageError

MARKS = "marks.json"
MAX_TAGS, MAX_TAG_CHARS, MAX_NOTE_CHARS = 50, 40, 2000


@dataclass(frozen=True)
class Marks:
    """The tags, in the order in which they were given, and the note of a run."""

    tags: tuple[str, ...] = ()
    note: str = ""

    def changed(self, add: Iterable[str], remove: Iterable[str], note: str | None) -> Marks:
        """Return the marks with tags added and removed, and with another note unless it is None.

        Raises:
            UsageError: a tag or the note is invalid, or a tag to remove is not there.
        """
        removed = tuple(remove)
        if missing := [tag for tag in removed if tag not in self.tags]:
            raise UsageError(f"The run has no tag {missing[0]!r}. It has: {', '.join(self.tags) or 'none'}.")
        kept = [tag for tag in self.tags if tag not in removed]
        return Marks(checked_tags([*kept, *add]), self.note if note is None else checked_note(note))


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the tags without repetitions.

    Raises:
        UsageError: a tag is empty, too long, or has a space, a comma or a control character; or there are too many.
    """
    found = tuple(dict.fromkeys(tags))
    for tag in found:
        if not isinstance(tag, str) or not 0 < len(tag) <= MAX_TAG_CHARS:
            raise UsageError(f"A tag has 1 to {MAX_TAG_CHARS} characters; {tag!r} has not.")
        if not tag.isprintable() or "," in tag or " " in tag:
            raise UsageError(f"A tag is one word without commas, unlike {tag!a}. Pass several tags one by one.")
    if len(found) > MAX_TAGS:
        raise UsageError(f"A run has at most {MAX_TAGS} tags, not {len(found)}.")
    return found


def checked_note(note: str) -> str:
    """Return the note; raise UsageError if it is too long."""
    if len(note) > MAX_NOTE_CHARS:
        raise UsageError(f"A note has at most {MAX_NOTE_CHARS} characters, not {len(note)}.")
    return note


def read_marks(folder: Path) -> Marks | None:
    """Return the marks that were changed after the start of the run in ``folder``; None if none were.

    Raises:
        RunNotFoundError: the file is damaged.
    """
    file = folder / MARKS
    if not file.is_file():
        return None
    advice = "Remove it; the run's first tags and note are kept elsewhere."
    with foreign(f"{file} is damaged", RunNotFoundError, advice):
        content: dict[str, Any] = json.loads(file.read_bytes())
        return Marks(checked_tags(content["tags"]), checked_note(content["note"]))


def write_marks(folder: Path, marks: Marks) -> None:
    """Write the marks of the run in ``folder``.

    Raises:
        NoSpaceError, OutputUnwritableError: the file cannot be written.
    """
    atomic_write_json(folder / MARKS, asdict(marks))
