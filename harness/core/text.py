"""Escaping of untrusted text for terminals, logs and pages."""

from __future__ import annotations

KEPT = frozenset("\n\t ")


def harmless(text: str, max_chars: int | None = None) -> str:
    r"""Return ``text`` with every non-printable character replaced by a visible escape.

    Control characters, ANSI escapes, bidirectional overrides, zero-width characters, unusual spaces and lone surrogates become
    ``\x1b``, ``\u202e`` and so on. Newline and tab are kept; a carriage return before a newline is removed.

    Args:
        text: untrusted text.
        max_chars: maximum length of the result; a longer text is cut and ends with an ellipsis.
    """
    lines = text.replace("\r\n", "\n")
    shown = lines if lines.isprintable() else "".join(map(_visible, lines))
    if max_chars is not None and len(shown) > max_chars:
        return shown[: max_chars - 1] + "…"
    return shown


def harmless_bytes(raw: bytes) -> str:
    """Decode bytes as UTF-8 and apply :func:`harmless`; invalid bytes become visible escapes."""
    return harmless(raw.decode("utf-8", errors="backslashreplace"))


def _visible(char: str) -> str:
    if char in KEPT or char.isprintable():
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
