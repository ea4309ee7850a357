"""Imports a trusted plugin in a forked process first, so that one that ends its process cannot end the harness with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

LIMIT_S = 120.0
"""Seconds of the wall clock that a first import may take."""


def how_it_ends(load: Callable[[], object]) -> str:
    """Call ``load`` in a forked process, without its output, and return how it ended that process.

    Returns:
        Empty if it returned or raised; else a clause such as "ends the process (exit code 0)".
    """
    reading, writing = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_try, args=(load, writing), daemon=True)
    with reading, warnings.catch_warnings():
        # Python 3.12 and newer warn of forks beside threads; the child takes no lock that those may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
        writing.close()
        ended = reading.poll(LIMIT_S)
        try:
            if ended:
                reading.recv()
                return ""
        except EOFError:
            process.join()
        finally:
            code = process.exitcode or 0
            process.kill()
            process.join()
            process.close()
    if not ended:
        return f"takes longer than {LIMIT_S:g} s"
    return (
        f"is killed by signal {-code} ({signal.strsignal(-code)})"
        if code < 0
        else f"ends the process (exit code {code})"
    )


def _try(load: Callable[[], object], came_through: Connection) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    with suppress(BaseException):  # what it raises is raised again, and told, where it is loaded for good
        load()
    came_through.send(True)
