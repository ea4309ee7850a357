"""Text that came from a plugin, made harmless for terminals, logs and pages."""

from __future__ import annotations

KEPT = frozenset("\n\t ")


def harmless(text: str, max_chars: int | None = None) -> str:
    r"""``text`` with everything that does not print turned into a visible escape.

    Control characters, ANSI escapes, bidirectional overrides, zero-width characters, unusual spaces and lone surrogates become
    ``\x1b``, ``\u202e`` and the like; newline and tab stay; a carriage return before a newline goes.

    Args:
        text: anything.
        max_chars: length of the result at most; a longer text ends in an ellipsis.
    """
    lines = text.replace("\r\n", "\n")
    shown = lines if lines.isprintable() else "".join(map(_visible, lines))
    if max_chars is not None and len(shown) > max_chars:
        return shown[: max_chars - 1] + "…"
    return shown


def harmless_bytes(raw: bytes) -> str:
    """Like :func:`harmless`, of bytes that ought to be UTF-8; what is not becomes a visible escape."""
    return harmless(raw.decode("utf-8", errors="backslashreplace"))


def _visible(char: str) -> str:
    if char in KEPT or char.isprintable():
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
