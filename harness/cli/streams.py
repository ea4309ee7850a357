"""Standard output and error that cannot end a command: no character that they lack, no reader that has gone."""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

HANDLER = "harness-plain"
PLAIN = {
    "…": "...",
    "–": "-",
    "—": "-",
    "−": "-",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "’": "'",
    "·": ".",
    "─": "-",
    "━": "-",
}
"""What stands for a character in a terminal that lacks it; for all others an escape does."""
GONE = frozenset({errno.EPIPE, errno.EIO, errno.ECONNRESET})
"""The errors of a pipe, a terminal or a socket whose other end was closed."""


class OutputError(OSError):
    """Standard output cannot be written, for a reason other than a reader that has gone."""


class _Tolerant(io.FileIO):
    """A descriptor that fails at most once, and not at all if its reader has gone; what is written later is dropped.

    With ``drops_all`` it never fails. It waits where a descriptor that does not block is full.
    """

    def __init__(self, descriptor: int, *, drops_all: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._drops_all = drops_all
        self._failed = False

    def write(self, data: Buffer, /) -> int:
        """Write, or pretend to."""
        try:
            while not self._failed:
                written: int | None = super().write(data)
                if written is not None:
                    return written
                select.select([], [self], [])
        except OSError as error:
            self._failed = True
            if not self._drops_all and error.errno not in GONE:
                raise OutputError(error.errno, error.strerror) from None
        return memoryview(data).nbytes


def make_tolerant() -> None:
    """Replace ``sys.stdout`` and ``sys.stderr`` by streams on the same descriptors that replace what they cannot encode.

    A closed pipe is no error: the exit code belongs to what was done. A full disk under standard output still is one; messages
    on standard error are never worth the loss of a run.
    """
    codecs.register_error(HANDLER, _plain)
    sys.stdout = _tolerant(sys.stdout, 1, drops_all=False)
    sys.stderr = _tolerant(sys.stderr, 2, drops_all=True)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Handle an error of encoding: see :func:`codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char = error.object[error.start]
    return PLAIN.get(char) or char.encode("ascii", "backslashreplace").decode(), error.start + 1


def _tolerant(stream: TextIO | None, number: int, *, drops_all: bool) -> TextIO:
    if (
        stream is None
    ):  # the descriptor was closed before the start; a file that is opened later must not get its number
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
        encoding, line_buffering = "utf-8", False
    else:
        stream.flush()
        number, encoding, line_buffering = stream.fileno(), stream.encoding, stream.isatty() or drops_all
    raw = io.BufferedWriter(_Tolerant(number, drops_all=drops_all))
    return io.TextIOWrapper(raw, encoding, errors=HANDLER, line_buffering=line_buffering)
