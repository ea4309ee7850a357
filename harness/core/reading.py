"""Conversion of any exception raised while parsing untrusted input into a HarnessError.

Parsers raise more than they document: RecursionError for deep nesting, OverflowError and KeyError for odd values, AttributeError
for a list in place of a mapping. A block that parses untrusted input therefore converts every exception.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.core.text import harmless
from harness.errors import HarnessError
from harness_guest.texts import shortened

MAX_REASON_CHARS = 500


@contextmanager
def foreign(what: str, error: type[HarnessError], advice: str = "") -> Iterator[None]:
    """Convert any exception of the block except a HarnessError into ``error``.

    Args:
        what: beginning of the message, e.g. "run.json cannot be read".
        error: class to raise.
        advice: sentences of advice, the end of the message.
    """
    try:
        yield
    except HarnessError:
        raise
    except Exception as found:
        raise error(f"{what}: {reason(found)}. {advice}".rstrip()) from found


def reason(error: BaseException) -> str:
    """Return an exception's text, shortened and escaped for terminals; its class name if it has no text."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = shortened(harmless(str(error)), MAX_REASON_CHARS).rstrip(".")
    if isinstance(error, KeyError):
        return f"{text} is missing"
    return text or type(error).__name__
