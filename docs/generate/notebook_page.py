"""The notebook as a page: its text and its code, in order."""

from __future__ import annotations

import json
from pathlib import Path

NOTEBOOK = Path(__file__).parents[1] / "tutorials" / "notebook.ipynb"
NOTE = """\
*This page is the notebook [{name}]({name}), written by `python docs/generate`. The project's tests run it in a real kernel.*
"""


def page(notebook: Path = NOTEBOOK) -> str:
    """Return the page, with the note below its title."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    first, *rest = [_cell(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    title, _, introduction = first.partition("\n")
    return "\n".join([f"{title}\n", NOTE.format(name=notebook.name), f"{introduction.strip()}\n", *rest])


def _cell(kind: str, source: str) -> str:
    """Return a cell as Markdown, without the semicolon that hides a cell's value in a notebook."""
    text = source.strip()
    return f"```python\n{text.removesuffix(';')}\n```\n" if kind == "code" else f"{text}\n"
