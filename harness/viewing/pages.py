"""The HTML of the local view: the list of runs, and a page for each; a part of each is fetched again while it is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import harness.report
from harness.core.outcomes import ModelOutcome
from harness.report.page import PAGE_NAME, policy_source, render
from harness.report.words import failures
from harness.runs import run_words
from harness.runs.listing import STATES, RunEntry
from harness.viewing.shelf import outcomes_of

LOG_LINES = 40
STYLES = ("plots.css", "page.css", "view.css")
SCRIPT = "view.js"


def list_page(root: Path, runs: Mapping[str, RunEntry]) -> str:
    """Return the page of all runs."""
    return render(
        "view.html.j2",
        title=f"Runs in {root}",
        home="",
        source="runs.part",
        filtered=True,
        **_list_values(runs),
        **_assets(),
    )


def list_part(runs: Mapping[str, RunEntry]) -> str:
    """Return the part of the page of all runs that changes."""
    return render("view_runs.html.j2", **_list_values(runs))


def run_page(name: str, one: RunEntry) -> str:
    """Return the page of a run."""
    title, source = one.folder.name or str(one.folder), f"{name}.part"
    return render(
        "view.html.j2", title=title, home="..", source=source, filtered=False, **_run_values(name, one), **_assets()
    )


def run_part(name: str, one: RunEntry) -> str:
    """Return the part of a run's page that changes."""
    return render("view_run.html.j2", **_run_values(name, one))


def policy() -> str:
    """Return the Content-Security-Policy of all pages: this script and style alone, and requests to this server."""
    assets = _assets()
    return (
        f"default-src 'none'; script-src {policy_source(assets['script'])}; style-src {policy_source(assets['style'])}; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _list_values(runs: Mapping[str, RunEntry]) -> dict[str, Any]:
    counts = Counter(one.state for one in runs.values())
    return {
        "part": "view_runs.html.j2",
        "runs": runs,
        "words": run_words,
        "common": run_words.common([one.settings for one in runs.values() if one.settings]),
        "counted": ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state]) or "no runs",
    }


def _run_values(name: str, one: RunEntry) -> dict[str, Any]:
    outcomes = outcomes_of(one)
    return {
        "part": "view_run.html.j2",
        "name": name,
        "run": one,
        "words": run_words,
        "outcomes": outcomes,
        "causes": failures(outcomes.values()),
        "log": _last_log(outcomes),
        "has_report": (one.folder / PAGE_NAME).is_file(),
    }


def _last_log(outcomes: Mapping[int, ModelOutcome]) -> tuple[int, str] | None:
    """Return index and last lines of output of the last model that printed something; None if none did."""
    for index in sorted(outcomes, reverse=True):
        log = outcomes[index].log
        lines = f"{log.head}\n{log.tail}".strip().splitlines()
        if lines:
            return index, "\n".join(lines[-LOG_LINES:])
    return None


@cache
def _assets() -> dict[str, str]:
    folder = Path(harness.report.__file__).parent
    style = "\n".join((folder / name).read_text(encoding="utf-8") for name in STYLES)
    return {"style": style, "script": (folder / SCRIPT).read_text(encoding="utf-8")}
