"""Commands that run a module in a new interpreter."""

from __future__ import annotations

import sys

_PROGRAM = (
    "import sys; sys.path[:] = filter(None, sys.path); import runpy; runpy.run_module({!r}, None, '__main__', True)"
)


def module_command(name: str, *arguments: str) -> list[str]:
    """Return a command like ``python -m name``, but without the working directory on the path.

    With it, a file there that is named as a library, e.g. ``numpy.py``, would be imported in the library's place. Python's own
    option for this, ``-P``, came with 3.11.
    """
    return [sys.executable, "-c", _PROGRAM.format(name), *arguments]
