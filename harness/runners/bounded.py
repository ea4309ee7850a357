"""Calls to an engine that may hang, waited for no longer than is said."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from harness.errors import SandboxError

T = TypeVar("T")


def within(timeout_s: float, what: str, call: Callable[[], T]) -> T:
    """The call's result; when it takes longer it goes on in the background and this returns.

    Raises:
        SandboxError: it took longer than ``timeout_s`` seconds; and whatever the call raises.
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
        raise SandboxError(f"{what} took longer than {timeout_s:.0f} s") from None
