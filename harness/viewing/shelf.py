"""The runs of a folder, read again only if their files have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.outcomes import ModelOutcome
from harness.errors import HarnessError
from harness.report.writing import REPORT_NAME, load_report
from harness.runs.folders import MODELS, run_folders
from harness.runs.listing import RunEntry, read_entry
from harness.runs.marks import MARKS
from harness.runs.store import LOCK, RUN, RunStore

SETTLED = ("finished", "failed", "damaged")
Stamp = tuple[tuple[int, int], ...]


@dataclass
class Shelf:
    """The runs below ``root``.

    Attributes:
        root: the folder.
        known: name -> files' times and sizes when a settled run was read, and the run.
    """

    root: Path
    known: dict[str, tuple[Stamp, RunEntry]] = field(default_factory=dict)

    def runs(self) -> dict[str, RunEntry]:
        """Return name -> run, the newest first; names are made from the folders' paths and can be part of an address."""
        found = {}
        for folder in run_folders(self.root):
            name = run_name(folder)
            stamp = _stamp(folder)
            known = self.known.get(name)
            if known is None or known[0] != stamp:
                known = stamp, read_entry(folder)
            if known[1].state in SETTLED:
                self.known[name] = known
            else:
                self.known.pop(name, None)  # a lock or a model's file changes none of the files that are looked at
            found[name] = known[1]
        return dict(sorted(found.items(), key=lambda pair: (pair[1].created, str(pair[1].folder)), reverse=True))


def run_name(folder: Path) -> str:
    """Return a name of a run's folder, 16 hexadecimal digits."""
    return hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _stamp(folder: Path) -> Stamp:
    """Return the time and size of each file that a settled run rests on; zeros for a missing one."""
    stamps = []
    for name in (RUN, REPORT_NAME, MARKS, MODELS, LOCK):
        try:
            status = (folder / name).stat()
            stamps.append((status.st_mtime_ns, status.st_size))
        except OSError:
            stamps.append((0, 0))
    return tuple(stamps)


def outcomes_of(one: RunEntry) -> Mapping[int, ModelOutcome]:
    """Return the outcomes of a run's ended models by index; none if they cannot be read."""
    try:
        if (one.folder / RUN).is_file() and (one.folder / MODELS).is_dir():
            return RunStore.open(one.folder).finished()
        return {model.index: model for model in load_report(one.folder).models}
    except (HarnessError, OSError):
        return {}
