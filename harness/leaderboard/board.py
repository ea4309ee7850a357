"""What a leaderboard is made of: frozen dataclasses, free of anything about how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.comparing.comparison import RunFacts, TradeOff
from harness.leaderboard.finding import Skipped

Ends = tuple[float, float]


@dataclass(frozen=True)
class Number:
    """A value with the ends of its 95 % interval; None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Ranked:
    """A run's place: no run that stands before it can be excluded from ``first`` to ``last``.

    Attributes:
        first: one more than how many runs have an interval wholly above this one's: the rank.
        last: how many runs have one that is not wholly below it.
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
        label: its name for people.
        unit: of the values.
        direction: which way is better.
        description: one sentence.
        control: what retrained models score, lowest and highest over the rows; None where not known.
        noop: what untouched originals score, likewise.
    """

    name: str
    label: str
    unit: str
    direction: str
    description: str
    control: Ends | None
    noop: Ends | None


@dataclass(frozen=True)
class Row(RunFacts):
    """One run.

    Attributes:
        slug: name of its folder under ``runs/``.
        digest: SHA-256 of its report.json.
        label: the method's name, unlike all others of the board.
        rank: None where the run cannot be ranked.
        unranked: why not; empty where it is.
        way: how much was forgotten: 1 as retraining, 0 as if nothing was done.
        overshoots: the interval lies wholly beyond what retrained models score.
        metrics: by the names of the board's columns.
        seconds: median per model.
        failures: causes of the others, in words, with their number.
        sentence: the verdict in words.
        isolation: in a few words.
        isolation_sentence: what held the plugin and what did not.
        device: the GPU's name, or CPU.
        machine: the machine in words.
        undependable_because: why not, in words; empty where they can.
        rejudged: when it was judged again, UTC; empty where it was not.
        harness: version of the program that made the report.
        python: version inside the sandbox; empty where not known.
        warnings: of the report.
    """

    slug: str
    digest: str
    label: str
    rank: Ranked | None
    unranked: str
    way: Number
    overshoots: bool
    metrics: Mapping[str, Number]
    seconds: Number
    failures: tuple[tuple[str, int], ...]
    sentence: str
    isolation: str
    isolation_sentence: str
    device: str
    machine: str
    undependable_because: str
    rejudged: str
    harness: str
    python: str
    warnings: tuple[str, ...]

    @property
    def torch_release(self) -> str:
        """The version of torch without the build, e.g. "2.13.0" of "2.13.0+cpu"."""
        return self.torch.partition("+")[0]


@dataclass(frozen=True)
class Board:
    """Runs that may be ranked together.

    Attributes:
        name: a short digest of what they share.
        task: its name.
        description: of the task, one sentence.
        data_digest: of the task's data.
        models: retrained models, on which every number rests as well.
        design: in words.
        shared: what all rows have in common, by name, as the report says it.
        apart: what tells this board from others of the same task, in words.
        columns: the metrics shown.
        rows: the best first.
        trade_off: for the pictures; None where not two rows have a place.
        drawn: how many rows have a place in the pictures' data.
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
        """How many rows have a rank."""
        return sum(row.rank is not None for row in self.rows)


@dataclass(frozen=True)
class Leaderboard:
    """The whole site.

    Attributes:
        title: of the page.
        ranked_by: the metric whose way to perfect ranks the runs, e.g. "lira.auc".
        utility: the metric of the pictures' other axis.
        boards: by task, those with most ranked runs first.
        skipped: files that were left out.
    """

    title: str
    ranked_by: str
    utility: str
    boards: tuple[Board, ...]
    skipped: tuple[Skipped, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Those of all boards."""
        return tuple(row for board in self.boards for row in board.rows)
