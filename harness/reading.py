"""Foreign input: whatever a file, an archive or an answer of another program makes its reader raise becomes one error.

Parsers raise more than they document: RecursionError for deep nesting, OverflowError and KeyError for odd values, AttributeError
where a list takes the place of a mapping. A block that reads foreign input therefore translates every exception.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import HarnessError
from harness.text import harmless
from harness_guest.texts import shortened

MAX_REASON_CHARS = 500


@contextmanager
def foreign(what: str, error: type[HarnessError], advice: str = "") -> Iterator[None]:
    """Raise ``error`` for any exception of the block but a HarnessError, which says more.

    Args:
        what: the beginning of the message, e.g. "run.json cannot be read".
        error: the class to raise.
        advice: what to do, as sentences.
    """
    try:
        yield
    except HarnessError:
        raise
    except Exception as found:
        raise error(f"{what}: {reason(found)}. {advice}".rstrip()) from found


def reason(error: BaseException) -> str:
    """Return an exception's text, short and harmless for terminals; its class where it has no text or only a key."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = shortened(harmless(str(error)), MAX_REASON_CHARS).rstrip(".")
    if isinstance(error, KeyError):
        return f"{text} is missing"
    return text or type(error).__name__
