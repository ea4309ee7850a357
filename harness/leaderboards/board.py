"""Data of a leaderboard: frozen dataclasses, independent of presentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.comparing.comparison import TradeOff
from harness.leaderboards.excluding import Excluded
from harness.leaderboards.finding import Skipped
from harness.report.document import Report

Ends = tuple[float, float]


@dataclass(frozen=True)
class Number:
    """A value with the ends of its 95 % interval; None if missing."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Ranked:
    """A run's place: by its interval it may be anywhere from ``first`` to ``last``.

    Attributes:
        first: the rank: one more than the number of runs with an interval wholly above this one's.
        last: number of runs with an interval not wholly below this one's.
        shared: another run has the same rank.
    """

    first: int
    last: int
    shared: bool


@dataclass(frozen=True)
class Column:
    """A metric.

    Attributes:
        name: e.g. "lira.auc".
        label: readable name.
        unit: of the values.
        direction: which way is better.
        description: one sentence.
        control: score of retrained models, lowest and highest over the rows; None if unknown.
        noop: score of untouched originals, lowest and highest over the rows; None if unknown.
    """

    name: str
    label: str
    unit: str
    direction: str
    description: str
    control: Ends | None
    noop: Ends | None


@dataclass(frozen=True)
class Row:
    """A ranked run.

    Attributes:
        label: the method's name, unique in the board.
        report: the run's report, without its large parts.
        slug: name of its folder under ``runs/``.
        digest: SHA-256 of its report.json.
        rank: None if the run cannot be ranked.
        unranked: why it cannot be ranked; empty if it is.
        way: how much was forgotten: 1 as after retraining, 0 as for the no-op.
        overshoots: the interval is wholly beyond the score of retrained models.
        metrics: by the names of the board's columns.
        seconds: median per model.
    """

    label: str
    report: Report
    slug: str
    digest: str
    rank: Ranked | None
    unranked: str
    way: Number
    overshoots: bool
    metrics: Mapping[str, Number]
    seconds: Number


@dataclass(frozen=True)
class Board:
    """Runs that may be ranked together.

    Attributes:
        name: a short digest of the shared properties.
        task: its name.
        description: of the task, one sentence.
        data_digest: of the task's data.
        models: number of retrained models.
        design: in words.
        shared: properties that all rows share, by name, as in the report.
        apart: differences from other boards of the same task, in words.
        columns: the metrics shown.
        rows: best first.
        trade_off: for the plots; None if fewer than two rows have a position.
        drawn: number of rows in the plots.
    """

    name: str
    task: str
    description: str
    data_digest: str
    models: int
    design: str
    shared: Mapping[str, Any]
    apart: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    trade_off: TradeOff | None
    drawn: int

    @property
    def ranked(self) -> int:
        """Return how many rows have a rank."""
        return sum(row.rank is not None for row in self.rows)


@dataclass(frozen=True)
class Leaderboard:
    """The whole site.

    Attributes:
        title: of the page.
        ranked_by: the metric by which runs are ranked, e.g. "lira.auc".
        utility: the metric on the x axis of the plots.
        boards: sorted by task, then by number of ranked runs, most first.
        skipped: skipped files.
        excluded: runs that the organiser has taken from it.
        public: reports are public ones, without secrets.
    """

    title: str
    ranked_by: str
    utility: str
    boards: tuple[Board, ...]
    skipped: tuple[Skipped, ...]
    excluded: tuple[Excluded, ...] = ()
    public: bool = False

    @property
    def rows(self) -> tuple[Row, ...]:
        """Return the rows of all boards."""
        return tuple(row for board in self.boards for row in board.rows)
