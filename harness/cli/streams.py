"""Fault-tolerant standard output and error: unencodable characters and closed pipes do not end a command."""

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
"""ASCII replacements for characters that the terminal cannot encode; all others become escapes."""
GONE = frozenset({errno.EPIPE, errno.EIO, errno.ECONNRESET})
"""Errors of a pipe, terminal or socket that was closed at the other end."""


class OutputError(OSError):
    """Standard output cannot be written, and the cause is not a closed pipe."""


class _Tolerant(io.FileIO):
    """A raw stream that raises at most once, and never for a closed pipe; later output is dropped.

    With ``drops_all`` it never raises. If a non-blocking descriptor is full, it waits.
    """

    def __init__(self, descriptor: int, *, drops_all: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._drops_all = drops_all
        self._failed = False

    def write(self, data: Buffer, /) -> int:
        """Write ``data``, or drop it after an error."""
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
    """Replace ``sys.stdout`` and ``sys.stderr`` by tolerant streams on the same descriptors.

    A closed pipe is not an error, so the exit code reflects the command's work. A full disk is an error on standard output, but
    not on standard error: losing messages must not end a run.
    """
    codecs.register_error(HANDLER, _plain)
    sys.stdout = _tolerant(sys.stdout, 1, drops_all=False)
    sys.stderr = _tolerant(sys.stderr, 2, drops_all=True)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Handle an encoding error, see :func:`codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char = error.object[error.start]
    return PLAIN.get(char) or char.encode("ascii", "backslashreplace").decode(), error.start + 1


def _tolerant(stream: TextIO | None, number: int, *, drops_all: bool) -> TextIO:
    if stream is None:  # the descriptor was closed at start; occupy its number so that no file opened later gets it
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
        encoding, line_buffering = "utf-8", False
    else:
        stream.flush()
        number, encoding, line_buffering = stream.fileno(), stream.encoding, stream.isatty() or drops_all
    raw = io.BufferedWriter(_Tolerant(number, drops_all=drops_all))
    return io.TextIOWrapper(raw, encoding, errors=HANDLER, line_buffering=line_buffering)
