"""Export of a notebook's code cells to a module; nothing is executed."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable

from harness.core.reading import foreign
from harness.errors import PluginPackagingError

MAGIC = re.compile(r"\s*(?:[%!?]|[\w\s.,\[\]]+=\s*[%!]|[\w.]+\?{1,2}\s*$)")
"""A line that IPython understands and Python does not: a magic, a shell command, a question."""
CELL_MAGIC = "%%"
LINE_END = re.compile("\r\n|\r|\n")
"""The ends of lines for Python; ``str.splitlines`` knows more, which may be part of a string."""
MAX_BYTES = 1 << 20
"""Most code in a single file or notebook."""
MAX_MAGICS = 200
"""Most groups of lines with magics in a cell, since the cell is parsed once for each."""
MAX_CELLS = 20
"""Most cells named in a sentence."""


def export(notebook: bytes, path: str) -> tuple[bytes, tuple[str, ...]]:
    """Return the code of a notebook as a module, and sentences on what was left out of it.

    Lines with magics become comments; a cell with a cell magic (``%%``) is left out.

    Args:
        notebook: content of the file, nbformat 4.
        path: path of the file, for messages.

    Raises:
        PluginPackagingError: it is not a notebook with Python code, or has more than :data:`MAX_BYTES` of it.
    """
    with foreign(f"{path} is not a notebook of format 4", PluginPackagingError):
        content = json.loads(notebook)
        language = content["metadata"].get("language_info", {}).get("name", "python")
        cells = [_text(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    if str(language).lower() not in ("python", "ipython"):
        raise PluginPackagingError(f"{path} is a notebook in {language!r}, not in Python.")
    if sum(map(len, cells)) > MAX_BYTES:
        raise PluginPackagingError(
            f"{path} has more than {MAX_BYTES >> 20} MiB of code. Make a package: harness new NAME"
        )
    parts, changed, dropped = [], [], []
    for number, cell in enumerate(cells, start=1):
        if cell.lstrip().startswith(CELL_MAGIC):
            dropped.append(number)
            cell = f"# left out: {cell.split()[0]}\n"
        without = _without_magics(cell)
        if without != cell:
            changed.append(number)
        parts.append(f"# code cell {number}\n{without.rstrip()}\n")
    notes = []
    if changed:
        notes.append(f"{path}: IPython's magics are commented out in {_cells(changed)}.")
    if dropped:
        notes.append(f"{path}: left out, because it begins with a cell magic ({CELL_MAGIC}): {_cells(dropped)}.")
    with foreign(f"{path} has text that is not Unicode", PluginPackagingError):
        return "\n\n".join(parts).encode(), tuple(notes)


def _text(source: object) -> str:
    """Return a cell's source, which is a string or a list of lines."""
    return source if isinstance(source, str) else "".join(source)  # type: ignore[arg-type]


def _without_magics(cell: str) -> str:
    """Return the cell with magics replaced by ``pass`` and a comment.

    Only lines at which Python's parser stops are replaced: elsewhere a line may begin with an operator or be part of a string.
    """
    lines = LINE_END.split(cell)
    for _ in range(MAX_MAGICS):
        stop = _first_error(lines)
        if stop is None or not MAGIC.match(lines[stop]):
            break
        while stop < len(lines) and MAGIC.match(lines[stop]):  # a line after a magic begins a statement, too
            magic = lines[stop].lstrip()
            lines[stop] = f"{lines[stop].removesuffix(magic)}pass  # {magic}"
            while lines[stop].endswith("\\") and stop + 1 < len(lines):  # a shell command goes on in the next line
                stop += 1
                lines[stop] = f"# {lines[stop]}"
            stop += 1
    return "\n".join(lines) if lines != LINE_END.split(cell) else cell


def _first_error(lines: list[str]) -> int | None:
    """Return the index of the line at which the parser stops; None if it does not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse("\n".join(lines))
    except SyntaxError as error:
        return min(max(error.lineno or 1, 1), len(lines)) - 1
    except (ValueError, MemoryError, RecursionError):
        return None  # told when the whole module is parsed
    return None


def _cells(numbers: Iterable[int]) -> str:
    found = list(numbers)
    rest = f" and {len(found) - MAX_CELLS} more" if len(found) > MAX_CELLS else ""
    return "code cell " + ", ".join(map(str, found[:MAX_CELLS])) + rest
