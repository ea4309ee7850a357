"""What a study will do, how long it will take and what it needs, before any of it begins."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.cache import cache_root
from harness.core.files import free_mib
from harness.core.progress import Progress, SilentProgress
from harness.errors import NoSpaceError, StudyInvalidError
from harness.plugins.discovery import find_task
from harness.runs.dry_run import dry_run
from harness.runs.plan import Plan, about, mib_text
from harness.runs.runner_choice import check_runner
from harness.studies.definition import Cell, Study, short_name
from harness.studies.running import CELLS, ended


@dataclass(frozen=True)
class Group:
    """The runs of a method on a task that have not ended, which take alike long.

    Attributes:
        plan: of the first of them.
        cells: the runs.
        first: it is the first of its task, which trains reference models and measures retraining.
    """

    plan: Plan
    cells: tuple[Cell, ...]
    first: bool

    @property
    def known_s(self) -> float:
        """Return the expected seconds of what has a known duration."""
        return sum(seconds * times for seconds, times in self._parts() if seconds is not None)

    @property
    def unknown(self) -> bool:
        """Return True if some durations are unknown."""
        return any(seconds is None for seconds, _ in self._parts())

    def _parts(self) -> Iterator[tuple[float | None, int]]:
        once = int(self.first)
        yield from ((self.plan.train_s, once), (self.plan.measure_s, once))
        yield from ((one, len(self.cells)) for one in (self.plan.unlearn_s, self.plan.score_s))
        yield self.plan.probe_s, len(self.cells)


@dataclass(frozen=True)
class StudyPlan:
    """A study before it begins, or goes on.

    Attributes:
        study: the study.
        groups: the runs to make.
        ended: number of runs that have ended.
    """

    study: Study
    groups: tuple[Group, ...]
    ended: int

    @property
    def cache_mib(self) -> float:
        """Return what will be written into the cache, MiB."""
        return sum(one.plan.cache_mib for one in self.groups if one.first)

    @property
    def runs_mib(self) -> float:
        """Return what will be written into the run folders, MiB."""
        return sum(one.plan.run_mib * len(one.cells) for one in self.groups)

    @property
    def time(self) -> str:
        """Return the expected duration in words."""
        known = about(sum(one.known_s for one in self.groups))
        if not any(one.unknown for one in self.groups):
            return known
        return f"{known.replace('about', 'more than')}; methods that have not run here yet count as nothing"

    def check(self, folder: Path) -> None:
        """Refuse a study that the disks cannot hold.

        Raises:
            NoSpaceError: a disk has too little space.
        """
        for place, needed, advice in (
            (cache_root(), self.cache_mib, "set HARNESS_CACHE_DIR"),
            (folder, self.runs_mib, "choose another folder with --output"),
        ):
            if needed > (free := free_mib(place)):
                raise NoSpaceError(
                    f"The study {self.study.name} needs {mib_text(needed)} at {place}, but {mib_text(free)} are free. Free "
                    f"some space, {advice}, or leave out some runs."
                )

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield a name and a text for each part of the plan."""
        cells, definition = self.study.cells, self.study.definition
        yield "Runs", f"{len(cells)}{f', {self.ended} of which have ended' if self.ended else ''}"
        settings: dict[str, dict[str, None]] = {}
        for cell in cells:
            settings.setdefault(cell.config.plugin, {})[str(sorted(cell.config.options.items()))] = None
        methods = ", ".join(
            short_name(one) + (f" ({len(tried)} settings)" if len(tried) > 1 else "") for one, tried in settings.items()
        )
        yield "Methods", methods
        yield "Tasks", ", ".join(dict.fromkeys(short_name(cell.config.task) for cell in cells))
        yield "Seeds", ", ".join(map(str, definition.seeds))
        if definition.budgets:
            yield "Budgets", ", ".join(f"{100 * one:g} %" for one in definition.budgets) + " of retraining"
        train = sum(one.plan.to_train for one in self.groups if one.first)
        seconds = sum(one.plan.train_s or 0.0 for one in self.groups if one.first)
        yield "References", f"{train} to train: {about(seconds)}"
        yield "Total", self.time
        yield "Disk", f"{mib_text(self.cache_mib)} in the cache, {mib_text(self.runs_mib)} in the run folders"


def plan_study(study: Study, folder: Path, progress: Progress, cells: Sequence[Cell] = ()) -> StudyPlan:
    """Check every method on every task, and return the plan of the runs that have not ended; nothing is trained or run.

    Args:
        study: the study.
        folder: its folder, which need not exist.
        progress: receives progress messages.
        cells: the runs to plan; none for all.

    Raises:
        HarnessError: the first fault that a run would end with, if it can be found without a sandbox.
    """
    chosen = cells or study.cells
    for task in dict.fromkeys(cell.config.task for cell in chosen):
        if find_task(task).deletions:
            raise StudyInvalidError(
                f"{task} is a stream of requests, which a study cannot repeat; use a task with a single request, or run the "
                "stream with `harness run`."
            )
    waiting = [cell for cell in chosen if not (folder / CELLS).exists() or ended(cell, folder) is None]
    groups: list[Group] = []
    found = _grouped(waiting)
    with progress.step("checking the study", len(found)) as step:
        for members in found:
            step.tell(members[0].title)
            plan = dry_run(replace(members[0].config, output=None), SilentProgress())
            for cell in {json.dumps(one.config.options, sort_keys=True): one for one in members}.values():
                check_runner(cell.config, SilentProgress())  # the method accepts these options
            first = all(one.plan.task.name != plan.task.name for one in groups)
            groups.append(Group(plan, members, first))
            step.advance()
    made = StudyPlan(study, tuple(groups), len(chosen) - len(waiting))
    made.check(folder)
    return made


def _grouped(cells: Iterable[Cell]) -> list[tuple[Cell, ...]]:
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.config.task, cell.config.plugin), []).append(cell)
    return [tuple(members) for members in groups.values()]
