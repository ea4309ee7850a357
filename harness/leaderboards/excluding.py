"""Runs that an organiser has taken from a leaderboard; their names and the reasons stay on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import UsageError
from harness.leaderboards.finding import Entry, Found
from harness.tasks.yaml.wording import listed

FORM = "RUN=REASON, with the id or the folder of a run"


@dataclass(frozen=True)
class Excluded:
    """A run that was taken from the leaderboard.

    Attributes:
        plugin, distribution, version: of the method.
        task: name of the task.
        created: when the run began, UTC.
        reason: the organiser's.
    """

    plugin: str
    distribution: str
    version: str
    task: str
    created: str
    reason: str


def exclude(found: Found, given: Sequence[str]) -> tuple[Found, tuple[Excluded, ...]]:
    """Return the runs that remain, and the excluded ones.

    Args:
        found: all runs.
        given: texts as "3fa2c1=copied another submission".

    Raises:
        UsageError: a text has another form, or names no run or several.
    """
    reasons: dict[str, str] = {}
    for text in given:
        run, separator, reason = text.partition("=")
        if not separator or not run or not reason.strip():
            raise UsageError(f"--exclude {text!r}: write {FORM}.")
        reasons[_named(found.entries, run, text).digest] = reason.strip()
    gone = tuple(_tombstone(entry, reasons[entry.digest]) for entry in found.entries if entry.digest in reasons)
    kept = tuple(entry for entry in found.entries if entry.digest not in reasons)
    if given and not kept:
        raise UsageError("--exclude leaves no run on the leaderboard.")
    return replace(found, entries=kept), gone


def _named(entries: Sequence[Entry], run: str, text: str) -> Entry:
    place = Path(run).resolve()
    chosen = [entry for entry in entries if entry.report.run_id == run or place in (entry.path, entry.path.parent)]
    if len(chosen) != 1:
        known = listed(sorted(f"{entry.report.run_id} ({entry.path.parent.name})" for entry in entries)[:20])
        count = (
            f"{len(chosen)} runs have this id; name the folder"
            if chosen
            else f"no run has this id or folder; runs: {known}"
        )
        raise UsageError(f"--exclude {text!r}: {count}.")
    return chosen[0]


def _tombstone(entry: Entry, reason: str) -> Excluded:
    plugin = entry.report.plugin
    return Excluded(
        plugin.name, plugin.distribution, plugin.version, entry.report.task.name, entry.report.created, reason
    )
