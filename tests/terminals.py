"""A terminal with the program on it, as a user has it: typed to, read from, resized, closed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tests import forks

PATIENCE_S = 120.0
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class OnTerminal:
    """The command line in a process of its own, forked, on a new terminal; a context manager that ends it.

    Args:
        arguments: of ``harness``.
        environment: all variables.
        folder: its working directory.
    """

    def __init__(self, *arguments: str | Path, environment: Mapping[str, str], folder: Path) -> None:
        self._shown = b""
        self._read_to = 0
        self._status: int | None = None
        self._fd, inside = pty.openpty()
        order = forks.Order.of(forks.PROGRAM, [*map(str, arguments)], {**environment, "TERM": "xterm"}, folder)
        assert forks.possible(order.environment)
        self.settings = termios.tcgetattr(self._fd)
        self._process = forks.Fork(order, (inside, inside, inside))
        self.pid = self._process.pid
        os.close(inside)

    def __enter__(self) -> OnTerminal:  # noqa: PYI034 -- typing.Self is not in Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is None:
            os.kill(self.pid, 15)
            self.end()
        self.close()

    @property
    def text(self) -> str:
        """All that was shown, without escape sequences."""
        return ESCAPES.sub("", self._shown.decode(errors="replace")).replace("\r", "")

    @property
    def raw(self) -> str:
        """All that was shown, as it came."""
        return self._shown.decode(errors="replace")

    def until(self, wanted: str) -> None:
        """Read until ``wanted`` is shown, after what an earlier call waited for."""
        deadline = time.monotonic() + PATIENCE_S
        while wanted.encode() not in self._shown[self._read_to :]:
            assert self._more(deadline), f"{wanted!r} was not shown, but: {self.text[-3000:]}"
        self._read_to = self._shown.index(wanted.encode(), self._read_to) + len(wanted)

    def type(self, keys: str) -> None:
        """Type."""
        os.write(self._fd, keys.encode())

    def answer(self, prompt: str, line: str) -> None:
        """Wait for a prompt and type a line."""
        self.until(prompt)
        self.type(f"{line}\n")

    def resize(self, rows: int, columns: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def settings_now(self) -> list[Any]:
        """As tcgetattr(3) tells them."""
        return termios.tcgetattr(self._fd)

    def close(self) -> None:
        """Close the terminal, as when its window is closed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def end(self) -> int:
        """Wait for the program's end; its exit status, or the negative number of the signal that ended it."""
        deadline = time.monotonic() + PATIENCE_S
        while self._fd >= 0 and self._more(deadline):
            continue
        if self._status is None:
            self._status = self._process.wait(PATIENCE_S)
        return self._status

    def _more(self, deadline: float) -> bool:
        """Read on; False at the end."""
        assert select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))[0], (
            f"nothing more was shown after: {self.text[-3000:]}"
        )
        try:
            chunk = os.read(self._fd, 1 << 16)
        except OSError:  # the other end is closed
            return False
        self._shown += chunk
        return bool(chunk)
