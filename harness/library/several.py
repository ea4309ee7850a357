"""Several runs in Python: their comparison, a leaderboard of them, and the checks of a plugin."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.comparing.comparison import Comparison
from harness.comparing.loading import LoadedReport
from harness.comparing.trade_off import UTILITY
from harness.conformance.check import Finding
from harness.leaderboards.board import Leaderboard
from harness.library.frames import pandas_module
from harness.library.showing import ShownProgress, shown
from harness.report.document import Report

from .calls import PathLike, names_given
from .result import TEXT_WIDTH, RunReport

if TYPE_CHECKING:
    import pandas

    from harness.choices import Adapter


@dataclass(frozen=True)
class RunComparison(Comparison):
    """A comparison of runs; ``print(comparison)`` shows the command line's table."""

    def __str__(self) -> str:
        """Return the table that ``harness compare`` prints, without colours."""
        from rich.console import Console

        from harness.comparing.table import print_comparison

        text = io.StringIO()
        print_comparison(self, Console(file=text, width=TEXT_WIDTH, color_system=None, force_jupyter=False))
        return text.getvalue().rstrip("\n")

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def to_pandas(self) -> pandas.DataFrame:
        """Return one row per metric and run, with the columns of ``harness compare --csv``.

        Raises:
            LibraryMissingError: pandas is not installed.
        """
        from harness.comparing.csv_file import csv_text

        return _frame(csv_text(self))

    def to_html(self) -> str:
        """Return the self-contained page of ``harness compare --output``."""
        from harness.comparing.page import page_text

        return page_text(self)


@dataclass(frozen=True)
class RunLeaderboard(Leaderboard):
    """Ranked runs; ``print(leaderboard)`` shows rank, method and verdict of each."""

    def __str__(self) -> str:
        """Return a line for each run, best first, below a heading for each board."""
        return "\n".join(_lines(self))

    def to_pandas(self) -> pandas.DataFrame:
        """Return one row per run, with the columns of the site's ``leaderboard.csv``.

        Raises:
            LibraryMissingError: pandas is not installed.
        """
        from harness.leaderboards.csv_file import csv_text

        return _frame(csv_text(self))


@dataclass(frozen=True)
class CheckResult:
    """The findings of all conformance checks of a plugin, in order."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Return True if no check failed; skipped checks do not count."""
        return not any(one.status == "fail" for one in self.findings)

    def __str__(self) -> str:
        """Return a line for each check, with the requirement and advice if it failed."""
        from harness.core.text import harmless

        lines = []
        for one in self.findings:
            lines.append(f"{one.status:<7} {one.check.name}{f': {one.detail}' if one.detail else ''}")
            if one.status == "fail":
                lines += [f"        required: {one.check.demand}", f"        -> {one.advice}"]
        return harmless("\n".join(lines))


def compare(
    *runs: Report | PathLike,
    metrics: Sequence[str] = (),
    everything: bool = False,
    forgetting: str | None = None,
    utility: str = UTILITY,
) -> RunComparison:
    """Compare finished runs, as ``harness compare`` does; the first is the baseline.

    Args:
        runs: reports, run folders or folders of runs.
        metrics: names such as "lira.auc"; empty for the headline metrics.
        everything: all metrics.
        forgetting, utility: metrics of the page's plots.

    Raises:
        NotComparableError: the runs are not comparable; the message says why and what to do.
        RunNotFoundError, ReportInvalidError: a run has no report, or a damaged one.
        UsageError: fewer than two runs, or a metric that none of them has.
    """
    from harness.comparing import compare as compared

    chosen = names_given(metrics, "metrics")
    made = compared(loaded(runs), metrics=chosen, everything=everything, forgetting=forgetting, utility=utility)
    return RunComparison(**vars(made))


def loaded(runs: Sequence[Report | PathLike]) -> list[LoadedReport]:
    """Return reports and the reports of folders, each run once."""
    from harness.comparing import load_reports

    found: dict[object, LoadedReport] = {}
    for run in runs:
        if isinstance(run, Report):
            folder = run.folder if isinstance(run, RunReport) else None
            found.setdefault(id(run) if folder is None else folder.resolve(), LoadedReport(run, folder))
        else:
            for one in load_reports([Path(run)]):
                found.setdefault(one.folder, one)
    return list(found.values())


def leaderboard(
    *folders: PathLike,
    site: PathLike | None = None,
    rank_by: str | None = None,
    utility: str = UTILITY,
    title: str | None = None,
    public: bool | None = None,
    key: PathLike | None = None,
    exclude: Mapping[str, str] | None = None,
) -> RunLeaderboard:
    """Rank all finished runs below folders, as ``harness leaderboard`` does.

    Args:
        folders: searched at any depth; unusable reports are in ``skipped`` of the result.
        site: folder of the static site to write; None to write nothing.
        rank_by: metric to rank by; None for ``forgetting.memory_left_worst``.
        utility: metric on the other axis of the plots.
        title: of the page; None for the default.
        public: leave seeds, example ids, task definitions, paths and output of plugins out of the site; None: if a task has
            ``secret: true``.
        key: file with the key of a public site's commitments; None for ``SITE.key`` beside the site.
        exclude: run id or folder -> reason, for runs to take from the tables.

    Raises:
        RunNotFoundError: a folder does not exist or has no readable report.
        SiteOccupiedError: ``site`` exists and is not a leaderboard.
        UsageError: no report has a metric that was requested by name.
    """
    from harness.leaderboards import check_target, find_reports
    from harness.leaderboards.making import make_leaderboard

    target = None if site is None else Path(site)
    if target is not None:
        check_target(target)
    made = make_leaderboard(
        find_reports([Path(folder) for folder in folders]),
        target,
        ranked_by=rank_by,
        utility=utility,
        title=title,
        public=public,
        key=None if key is None else Path(key),
        excluded=[f"{run}={reason}" for run, reason in (exclude or {}).items()],
    )
    return RunLeaderboard(**vars(made))


def check(
    plugin: PathLike,
    *,
    adapter: Adapter = "auto",
    runner: str = "auto",
    options: Mapping[str, Any] | None = None,
    progress: ShownProgress = "auto",
) -> CheckResult:
    """Check that an unlearner meets the conformance rules, as ``harness check`` does; a failed check is not an error.

    Args:
        plugin, adapter, runner, options, progress: see :func:`harness.run`.

    Raises:
        HarnessError: the plugin does not exist, or the runner is not available.
    """
    from harness.conformance.running import Examination, opened

    with (
        shown(progress) as drawn,
        opened(os.fspath(plugin), runner, dict(options or {}), drawn, adapter) as trials,
        drawn.step(f"checking {trials.facts.name}", None),
    ):
        return CheckResult(tuple(Examination(trials).findings()))


def _frame(text: str) -> pandas.DataFrame:
    return pandas_module().read_csv(io.StringIO(text))


def _lines(made: Leaderboard) -> Iterator[str]:
    from harness.leaderboards import words
    from harness.report.words import VERDICT_WORDS, plain, position_text

    for board in made.boards:
        yield words.heading(board)
        for row in board.rows:
            rank = "–" if row.rank is None else str(row.rank.first)
            way = f"{position_text(row.way.value)} forgotten"
            parts = (plain(row.label), way, VERDICT_WORDS[row.report.verdict.level], row.unranked)
            yield f"{rank:>3}  " + ", ".join(part for part in parts if part)
    for one in made.skipped:
        yield f"Skipped: {one.source}: {one.reason}"
