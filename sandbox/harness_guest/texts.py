"""Truncation that keeps beginning and end: a message begins with what happened, a traceback ends with where."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

LINE_CHARS = 800
"""Maximum length of one frame, message or note of a traceback."""


def shortened(text: str, max_chars: int) -> str:
    """Return the text, or its two ends with the number of characters omitted."""
    if len(text) <= max_chars:
        return text
    mark = f" … {len(text) - max_chars:,} characters left out … "
    kept = max(0, max_chars - len(mark))
    tail = kept // 2
    return (text[: kept - tail] + mark + text[len(text) - tail :])[:max_chars]


def traceback_text(error: BaseException, max_chars: int) -> str:
    """Return an exception's traceback; a long message cannot displace the frames."""
    return joined(traceback.format_exception(type(error), error, error.__traceback__), max_chars)


def joined(parts: Sequence[str], max_chars: int) -> str:
    """Return the parts of a traceback, each truncated, as one text."""
    return shortened("".join(shortened(part, LINE_CHARS) for part in parts), max_chars)
