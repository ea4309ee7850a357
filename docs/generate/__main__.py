"""Writes the pages that follow from the code: ``python docs/generate``; with ``--check`` it only says which are out of date."""

from __future__ import annotations

import argparse
import difflib
import sys
from functools import partial
from pathlib import Path

import cli_reference
import hook_reference
import metrics_page
import notebook_page
import python_reference
import report_reference

from harness.report.glossary import ENTRIES

DOCS = Path(__file__).parents[1]
PAGES = {
    "reference/cli.md": cli_reference.page,
    "reference/hooks.md": hook_reference.page,
    "reference/metrics.md": metrics_page.page,
    **{f"{metrics_page.FOLDER}/{one.anchor}.svg": partial(metrics_page.picture, one.anchor) for one in ENTRIES},
    "reference/python.md": python_reference.page,
    "reference/report.md": report_reference.page,
    "tutorials/notebook.md": notebook_page.page,
}


def main() -> int:
    """Write all pages, or compare them; 1 where a compared page differs."""
    parser = argparse.ArgumentParser(prog="python docs/generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 where a page is out of date")
    only_check = parser.parse_args().check
    stale = [name for name in PAGES if _handle(name, only_check)]
    if stale and only_check:
        sys.stdout.write(f"Out of date: {', '.join(stale)}. Run `python docs/generate`.\n")
    return int(bool(stale) and only_check)


def _handle(name: str, only_check: bool) -> bool:
    """Return True if the page was out of date; write it unless ``only_check``."""
    path, text = DOCS / name, PAGES[name]()
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if only_check:
        lines = (before.splitlines(keepends=True), text.splitlines(keepends=True))
        sys.stdout.writelines(difflib.unified_diff(*lines, f"{name} as it is", f"{name} as it should be", n=1))
    elif before != text:
        path.write_text(text, encoding="utf-8")
    return before != text


if __name__ == "__main__":
    sys.exit(main())
