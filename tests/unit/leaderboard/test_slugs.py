from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.leaderboards.slugs import slugs
from tests.unit.leaderboard.ground import HOSTILE


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("neggrad_plus", "neggrad-plus-abcdef0123"),
        ("../../etc/passwd", "etc-passwd-abcdef0123"),
        ("CON", "con-abcdef0123"),
        ("модель", "run-abcdef0123"),
        ("", "run-abcdef0123"),
        ("javascript:alert(1)", "javascript-alert-1-abcdef0123"),
        ("x" * 300, "x" * 40 + "-abcdef0123"),
    ],
)
def test_a_slug_is_safe_whatever_the_plugin_is_called(name: str, slug: str) -> None:
    assert slugs([(name, "abcdef0123" * 6)]) == [slug]


def test_slugs_that_would_be_alike_take_more_of_their_digests() -> None:
    digests = ["a" * 10 + "b" * 50, "a" * 10 + "c" * 50]

    assert slugs([("m", digests[0]), ("M", digests[1])]) == ["m-" + "a" * 10 + "b" * 10, "m-" + "a" * 10 + "c" * 10]


@given(
    st.lists(
        st.tuples(st.text() | st.just(HOSTILE), st.text("0123456789abcdef", min_size=1, max_size=64)),
        max_size=8,
        unique_by=lambda pair: pair[1],
    )
)
def test_slugs_are_safe_and_no_two_alike(names: list[tuple[str, str]]) -> None:
    made = slugs(names)

    assert len(set(made)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug) for slug in made)
