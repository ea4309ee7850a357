"""A hook of MkDocs. Blocks may say what their commands need (```` ```console sandbox ````), which MkDocs cannot read."""

from __future__ import annotations

import re
from typing import Any

MARKED = re.compile(r"^```(\w+) \w+$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page without these words."""
    return MARKED.sub(r"```\1", markdown)
