"""Timeouts for engine calls that may hang."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from harness.errors import SandboxError

T = TypeVar("T")


def within(timeout_s: float, what: str, call: Callable[[], T]) -> T:
    """Return the call's result, or raise after ``timeout_s`` seconds; the call then continues in a background thread.

    Raises:
        SandboxError: if the call timed out.
        Exception: whatever the call raises.
    """
    result: Future[T] = Future()

    def work() -> None:
        try:
            result.set_result(call())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=work, name=what, daemon=True).start()
    try:
        return result.result(timeout_s)
    except FutureTimeoutError:
        raise SandboxError(f"{what} timed out after {timeout_s:.0f} s") from None
