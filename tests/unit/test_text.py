"""Text of a plugin does nothing to a terminal."""

from __future__ import annotations

import pytest

from harness.core.text import harmless, harmless_bytes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text,\n\twith ünïcödé 字 🙂", "plain text,\n\twith ünïcödé 字 🙂"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("over\rwritten", r"over\x0dwritten"),
        ("windows\r\nline", "windows\nline"),
        ("\u202eevil\u2066x\u200b", r"\u202eevil\u2066x\u200b"),
        ("\x00\x7f\x9b\xad", r"\x00\x7f\x9b\xad"),
        ("\udc80", r"\udc80"),
        ("\U000e0041", r"\U000e0041"),
        ("a\u2028b\xa0c", r"a\u2028b\xa0c"),
    ],
)
def test_what_does_not_print_becomes_a_visible_escape(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_the_result_is_never_longer_than_asked_for() -> None:
    assert harmless("\x1b" * 100, 10) == "\\x1b\\x1b\\…"
    assert harmless("short", 5) == "short"


def test_bytes_that_are_not_utf8_become_visible_escapes() -> None:
    assert harmless_bytes(b"ok \xff \xc3\xa9\x1b") == "ok \\xff é\\x1b"
