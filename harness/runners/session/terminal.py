"""Execution of a program on the user's terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TextIO

from harness.core.text import harmless_bytes
from harness.runners.base import Beside
from harness_guest.linux import PR_SET_PDEATHSIG, prctl

CHUNK_BYTES = 1 << 16


def attend(program: Beside, *, interactive: bool, keep_interrupts: bool = False) -> int:
    """Run a program on this process's standard streams and return its exit status, 128 + signal if a signal ended it.

    Args:
        program: what to run.
        interactive: the program controls the terminal until it ends: it alone receives Ctrl-C, and its output is unchanged. If
            False, it has no input, and its output to a terminal is escaped.
        keep_interrupts: Ctrl-C interrupts this process nevertheless.

    Raises:
        OSError: the program cannot be started.
        KeyboardInterrupt: this process was interrupted; the program is dead.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with kept_terminal(interactive), _without_interrupts(interactive and not keep_interrupts):
        process = subprocess.Popen(
            program.command,
            cwd=program.folder,
            env=None if program.environment is None else dict(program.environment),
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE if not interactive and sys.stdout.isatty() else None,
            stderr=subprocess.PIPE if not interactive and sys.stderr.isatty() else None,
            start_new_session=not interactive,
            preexec_fn=_die_with_parent,  # safe, because no other thread of this process runs now
        )
        try:
            _show_harmless(process)
            status = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
    return status if status >= 0 else 128 - status


def _die_with_parent() -> None:
    """Make the kernel kill the program if this process is killed, so that it does not keep reading the terminal."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _show_harmless(process: subprocess.Popen[bytes]) -> None:
    """Copy the program's pipes to this process's streams until both have ended."""

    def copy(pipe: IO[bytes], to: TextIO) -> None:
        while chunk := os.read(pipe.fileno(), CHUNK_BYTES):
            to.write(harmless_bytes(chunk))
            to.flush()

    pairs = ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
    copiers = [threading.Thread(target=copy, args=pair, daemon=True) for pair in pairs if pair[0] is not None]
    for copier in copiers:
        copier.start()
    for copier in copiers:
        copier.join()


@contextmanager
def _without_interrupts(wanted: bool) -> Iterator[None]:
    """Ignore Ctrl-C, in this process and not in those that it starts."""
    if not wanted:
        yield
        return
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def kept_terminal(wanted: bool = True) -> Iterator[None]:
    """Restore the terminal's settings and its foreground process group at the end."""
    if not wanted:
        yield
        return
    fd = sys.stdin.fileno()
    settings = termios.tcgetattr(fd)
    try:
        yield
    finally:
        # A shell that was killed leaves its own process group in the foreground; from the background, both calls raise SIGTTOU.
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        with contextlib.suppress(OSError):  # the terminal was closed, or is not this session's own
            os.tcsetpgrp(fd, os.getpgrp())
        with contextlib.suppress(termios.error):
            termios.tcsetattr(fd, termios.TCSADRAIN, settings)
        signal.signal(signal.SIGTTOU, before)
