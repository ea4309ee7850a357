"""What a leaderboard is made of: frozen dataclasses, free of anything about how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.comparing.model import TradeOff
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
class Row:
    """One run.

    Attributes:
        slug: name of its folder under ``runs/``.
        digest: SHA-256 of its report.json.
        run_id: of the report.
        label: the method's name, unlike all others of the board.
        plugin: name of the entry point.
        distribution: its distribution.
        version: the distribution's version.
        options: handed to the plugin.
        rank: None where the run cannot be ranked.
        unranked: why not; empty where it is.
        way: how much was forgotten: 1 as retraining, 0 as if nothing was done.
        overshoots: the interval lies wholly beyond what retrained models score.
        metrics: by the names of the board's columns.
        seconds: median per model.
        finished: how many models came back and count.
        models: how many were to be unlearned.
        failures: causes of the others, in words, with their number.
        verdict: of the run, in one word.
        sentence: the verdict in words.
        isolation: in a few words.
        isolation_sentence: what held the plugin and what did not.
        runner: docker or process.
        torch: version of torch that the plugin ran with.
        device: the GPU's name, or CPU.
        machine: the machine in words.
        limit_s: per model, in the unit of ``clock``; None where there was none.
        limit: the limit in words.
        clock: what the limit counted: wall, cpu or steps.
        dependable: whether the run's times can be relied on; None where not known.
        undependable_because: why not, in words; empty where they can.
        failed_as: what failed models count as, in the rank too: missing (nowhere) or noop (their originals).
        created: when the run began, UTC.
        rejudged: when it was judged again, UTC; empty where it was not.
        harness: version of the program that made the report.
        python: version inside the sandbox; empty where not known.
        warnings: of the report.
    """

    slug: str
    digest: str
    run_id: str
    label: str
    plugin: str
    distribution: str
    version: str
    options: Mapping[str, Any]
    rank: Ranked | None
    unranked: str
    way: Number
    overshoots: bool
    metrics: Mapping[str, Number]
    seconds: Number
    finished: int
    models: int
    failures: tuple[tuple[str, int], ...]
    verdict: str
    sentence: str
    isolation: str
    isolation_sentence: str
    runner: str
    torch: str
    device: str
    machine: str
    limit_s: float | None
    limit: str
    clock: str
    dependable: bool | None
    undependable_because: str
    failed_as: str
    created: str
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
