"""Calls that may hang are waited for no longer than is said."""

from __future__ import annotations

import threading

import pytest

from harness.errors import SandboxError
from harness.runners.engine.bounded import within


def test_a_call_that_answers_gives_its_result() -> None:
    assert within(60.0, "asking", lambda: 5) == 5


def test_a_call_that_fails_fails_alike() -> None:
    with pytest.raises(ZeroDivisionError):
        within(60.0, "dividing", lambda: 1 // 0)


def test_a_call_that_hangs_is_left_behind() -> None:
    released = threading.Event()
    ended = threading.Event()

    def hang() -> None:
        released.wait()
        ended.set()

    with pytest.raises(SandboxError, match="removing it timed out"):
        within(0.01, "removing it", hang)
    assert not ended.is_set()
    released.set()
    assert ended.wait(60)
