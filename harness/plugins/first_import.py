"""Trial import of a trusted plugin in a forked process, so that a plugin that exits cannot end the harness."""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

LIMIT_S = 120.0
"""Timeout of a trial import, in wall-clock seconds."""


def how_it_ends(load: Callable[[], object]) -> str:
    """Call ``load`` in a forked process, with its output discarded, and describe an abnormal end.

    Returns:
        Empty if ``load`` returned or raised; else a clause, e.g. "ends the process (exit code 0)".
    """
    reading, writing = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_try, args=(load, writing), daemon=True)
    with reading, warnings.catch_warnings():
        # Python 3.12 warns of forking with threads; the child takes no lock that they may hold.
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
        return f"times out after {LIMIT_S:g} s"
    return (
        f"is killed by signal {-code} ({signal.strsignal(-code)})"
        if code < 0
        else f"ends the process (exit code {code})"
    )


def _try(load: Callable[[], object], finished: Connection) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    with suppress(BaseException):  # an exception recurs, and is reported, when the plugin is loaded in this process
        load()
    finished.send(True)
