"""Discovery of all reports below given folders, without duplicates, and the reasons for skipped files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.outcomes import Evidence, LogCapture
from harness.errors import HarnessError, ReportInvalidError, RunNotFoundError
from harness.report.document import Report
from harness.report.words import plain
from harness.report.writing import parsed_report
from harness.runs.folders import report_files

NEEDED_ARRAYS = "position_interval_"
REASON_CHARS = 300


@dataclass(frozen=True)
class Entry:
    """A report on the leaderboard.

    Attributes:
        report: without its large parts: logs, tracebacks, arrays for plots, digests of files.
        path: of the file.
        digest: SHA-256 of the file's bytes, in hex.
    """

    report: Report
    path: Path
    digest: str


@dataclass(frozen=True)
class Skipped:
    """A skipped file.

    Attributes:
        source: the file, relative to the given folder, so that it reveals nothing of the machine.
        reason: a sentence.
    """

    source: str
    reason: str


@dataclass(frozen=True)
class Found:
    """All reports: ``entries`` by digest, ``skipped`` by source."""

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]


def find_reports(folders: Sequence[Path]) -> Found:
    """Read every ``report.json`` below the folders, or files given by name.

    Hidden folders, sites of leaderboards and links to folders are skipped. A report found twice counts once. If a run was
    evaluated several times, the last report counts.

    Raises:
        RunNotFoundError: a folder does not exist, or it has no readable report; the message lists the skipped files.
    """
    entries: dict[str, tuple[Entry, str]] = {}
    skipped = []
    for path, source in _files(folders):
        try:
            entry = _entry(path)
        except (HarnessError, OSError) as error:
            skipped.append(Skipped(source, _reason(error, path)))
        else:
            entries.setdefault(entry.digest, (entry, source))
    kept, older = _last_judgements(list(entries.values()))
    skipped += older
    if not kept:
        raise RunNotFoundError(_nothing(folders, skipped))
    return Found(tuple(sorted(kept, key=lambda one: one.digest)), tuple(sorted(skipped, key=lambda one: one.source)))


def whole_report(entry: Entry) -> tuple[Report, bytes]:
    """Return the complete report, and the file's bytes.

    Raises:
        ReportInvalidError: the file has changed since it was first read.
    """
    raw = entry.path.read_bytes()
    if hashlib.sha256(raw).hexdigest() != entry.digest:
        raise ReportInvalidError(f"{entry.path} changed while the leaderboard was built. Run the command again.")
    return parsed_report(raw, entry.path), raw


def _files(folders: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Yield each file once, with its name on the page."""
    seen = set()
    for folder in folders:
        if not folder.exists():
            raise RunNotFoundError(f"There is no folder {folder}. Pass folders that contain finished runs.")
        root = folder.resolve()
        for path in [root] if root.is_file() else report_files(root):
            if path not in seen:
                seen.add(path)
                yield path, plain((Path(root.name) / path.relative_to(root)).as_posix())


def _entry(path: Path) -> Entry:
    raw = path.read_bytes()
    report = parsed_report(raw, path)
    if report.request is not None:
        raise ReportInvalidError(
            f"It is request {report.request.number} of {report.request.total} of a stream, and streams are not ranked; their "
            "summary.html is in the folder above."
        )
    shown = [report.plugin.options, report.recipe, report.architecture.options]
    try:
        json.dumps(shown, allow_nan=False)
    except ValueError as error:
        raise ReportInvalidError("One of its options is NaN or infinite.") from error
    return Entry(_slim(report), path, hashlib.sha256(raw).hexdigest())


def _slim(report: Report) -> Report:
    models = tuple(replace(one, log=LogCapture(), evidence=Evidence(), earlier_attempts=()) for one in report.models)
    evaluators = tuple(
        one.model_copy(
            update={"arrays": {key: value for key, value in one.arrays.items() if key.startswith(NEEDED_ARRAYS)}}
        )
        for one in report.evaluators
    )
    plugin = replace(report.plugin, files={}, dependencies={})
    return report.model_copy(update={"models": models, "evaluators": evaluators, "plugin": plugin})


def _last_judgements(found: Sequence[tuple[Entry, str]]) -> tuple[list[Entry], list[Skipped]]:
    runs: dict[tuple[object, ...], list[tuple[Entry, str]]] = {}
    for entry, source in found:
        report = entry.report
        key = report.run_id, report.created, report.plugin.digest, report.hardware, report.seeds
        runs.setdefault(key, []).append((entry, source))
    kept, older = [], []
    for copies in runs.values():
        copies.sort(key=lambda one: (one[0].report.rejudged or "", one[0].digest))
        kept.append(copies[-1][0])
        older += [
            Skipped(source, "The same run was evaluated again later; only the newer report is listed.")
            for _, source in copies[:-1]
        ]
    return kept, older


def _reason(error: Exception, path: Path) -> str:
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    return plain(text.replace(str(path), "It").replace(str(path.parent), "its folder"))[:REASON_CHARS]


def _nothing(folders: Sequence[Path], skipped: Sequence[Skipped]) -> str:
    places = ", ".join(map(str, folders))
    left_out = "".join(f"\n{one.source}: {one.reason}" for one in skipped[:10])
    return f"There is no readable report in {places}. Pass folders that contain finished runs.{left_out}"
