"""Keys from text: one form, no character that cannot be seen, one order whatever the hash seed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.keys import KeyTextError, key, look_alike, ordered, shown
from harness_guest.entry_points import normal


def test_two_forms_of_one_text_are_one_key() -> None:
    assert key("cafe\u0301") == key("caf\u00e9") == "caf\u00e9"
    assert key("\u1112\u1161\u11ab") == "\ud55c"
    assert key("T-shirt/top") == "T-shirt/top"


REFUSED = {
    "": "is empty",
    " cat": "has leading or trailing spaces",
    "cat ": "has leading or trailing spaces",
    "cat\u200b": r"'cat\\u200b' contains U\+200B \(invisible character\)",
    "cat\u202egod": r"U\+202E",
    "cat\u2066": r"U\+2066",
    "\ufeffcat": r"U\+FEFF",
    "cat\x1b[31m": r"U\+001B \(control character\)",
    "cat\x00": r"U\+0000",
    "ca\tt": r"U\+0009",
    "cat\n": r"U\+000A",
    "cat\u2028": r"U\+2028 \(line separator\)",
    "black\u00a0cat": r"U\+00A0 \(space other than U\+0020\)",
    "\u3000cat": r"U\+3000",
    "cat\ufe0f": r"U\+FE0F",
    "cat\u3164": r"U\+3164",
    "cat\udcff": r"U\+DCFF \(lone surrogate\)",
    "cat\ue000": r"U\+E000 \(private-use character\)",
    "1" * 5000: "has 5000 characters; shorten it to at most 200",
}


@pytest.mark.parametrize("text", REFUSED, ids=ascii)
def test_what_cannot_be_seen_is_refused(text: str) -> None:
    with pytest.raises(KeyTextError, match=REFUSED[text]) as caught:
        key(text)

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("name", ["a/b", "../a", "a\\b"])
def test_a_name_holds_no_separator(name: str) -> None:
    assert key(name) == name
    with pytest.raises(KeyTextError, match="contains"):
        key(name, separators=False)


@given(st.text(max_size=30))
def test_a_key_is_its_own_key_or_there_is_none(text: str) -> None:
    try:
        found = key(text)
    except KeyTextError:
        return
    assert key(found) == found


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("10", "9", "-1"), ("-1", "9", "10")),
        (("1", "01", "2"), ("01", "1", "2")),
        (("10", "9", "x"), ("10", "9", "x")),
        (("1", "\uff12", "10"), ("1", "10", "\uff12")),
        (("b", "B", "\u00e4", "a"), ("B", "a", "b", "\u00e4")),
    ],
)
def test_the_order_is_total(names: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert {ordered(each) for each in itertools.permutations(names)} == {expected}


def test_names_that_read_alike_are_found() -> None:
    assert look_alike(["1", "2", "01", "\uff11", "+2", "x", "\uff58", "a\u00b2", "a2", "X"]) == {
        "01": "1",
        "\uff11": "1",
        "+2": "2",
        "\uff58": "x",
        "a2": "a\u00b2",
    }
    assert look_alike(["a", "b", "a"]) == {}


def test_a_text_is_shown_so_that_it_can_be_told_from_another() -> None:
    assert shown("caf\u00e9") == "'caf\u00e9'"
    assert shown("cafe\u0301") == "'cafe\\u0301'"
    assert shown("x" * 100) == repr("x" * 59 + "\u2026")


def test_distributions_are_compared_as_pep_503_has_it() -> None:
    assert {normal(name) for name in ("My.Method", "my_method", "my--method", "my-._method")} == {"my-method"}
