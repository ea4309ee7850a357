"""``harness run --pdb``: a plugin's process on the user's own terminal, and the debugger where it failed."""

from __future__ import annotations

import bdb
import os
import pdb  # noqa: T100 -- it is what this is for
import sys
import traceback


def take_terminal(path: str) -> None:
    """Make a terminal the standard streams of this process, so that ``breakpoint()`` and prints work there.

    It stays the controlling terminal of the host's session alone: Ctrl-C goes to the host, which ends the run.
    """
    terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
    for fd in (0, 1, 2):
        os.dup2(terminal, fd)
    os.close(terminal)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]  # noqa: SIM115


def post_mortem(error: BaseException) -> None:
    """Show an exception and let the user look at the place where it was raised."""
    if isinstance(error, bdb.BdbQuit) or error.__traceback__ is None:
        return
    traceback.print_exception(type(error), error, error.__traceback__)
    sys.stderr.write("The plugin failed. Post-mortem debugger: `w` where, `u` and `d` up and down, `q` quits.\n")
    sys.stderr.flush()
    pdb.post_mortem(error.__traceback__)
