"""Error message for an unhandled exception: one line, and a file with the traceback."""

from __future__ import annotations

import platform
import sys
import tempfile

from harness._version import __version__
from harness.core.reading import reason
from harness_guest.texts import traceback_text

TRACEBACK_CHARS = 100_000


def fault_message(error: BaseException) -> str:
    """Write versions, command and traceback to a file for a bug report; return one line that names the file.

    If the file cannot be written, the traceback follows the line.
    """
    line = f"{type(error).__name__}: {reason(error)}".replace("\n", " ")
    text = _report(error)
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="harness-fault-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(text)
    except OSError:
        return f"{line}. This is a bug in the harness; please report it with this text:\n{text}"
    return f"{line}. This is a bug in the harness; please report it and attach {file.name}"


def _report(error: BaseException) -> str:
    trace = traceback_text(error, TRACEBACK_CHARS)
    about = f"unlearning-harness {__version__}, Python {platform.python_version()}, {platform.platform()}"
    return f"{about}\n{sys.argv}\n\n{trace}"
