"""Do the evaluators' 95 % intervals hold the mean over new draws of models, and how often do they raise a false alarm?

::

    python -m benchmarks.intervals            # more than a quarter of an hour of one core
    python -m benchmarks.intervals --quick    # less than a minute
    python -m benchmarks.intervals --write    # and docs/coverage.md, docs/coverage/*.csv
    python -m benchmarks.intervals --write --keep    # the second table anew, the first one from docs/coverage/cells.csv
"""

from __future__ import annotations

import argparse
import csv
import inspect
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from scipy.stats import binomtest

from benchmarks import pages
from benchmarks.intervals import alarms, perfect, populations
from benchmarks.intervals.alarms import Alarms
from benchmarks.intervals.populations import FORGOTTEN, KINDS, UNSEEN
from benchmarks.intervals.study import METRICS, Cell, study
from benchmarks.pages import Table, markdown

DRAWS = {8: 40, 16: 40, 32: 16, 64: 3}
"""Draws of each state by size: larger models' populations take longer."""

PERFECT = {8: 100, 16: 60, 32: 60, 64: 40}
"""Draws of perfect unlearning by size, for the second table."""

WANTED = 0.9, 0.99
"""The coverage that is aimed at."""

CONCLUSIONS = ("yes", "not excluded", "too narrow", "too wide")


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, print the tables, and write the page where it is asked for."""
    options = _parser().parse_args(arguments)
    draws = {16: 4} if options.quick else DRAWS
    if options.draws:
        draws = {int(size): int(count) for size, _, count in (one.partition("=") for one in options.draws)}
    begin = time.monotonic()
    cells = kept(options.docs) if options.keep else _cells(draws)
    rows = summary(cells)
    called: list[Alarms] = []
    for size, count in ({16: 4} if options.quick else PERFECT).items():
        print(f"{size} models, perfect unlearning", flush=True)
        called += alarms.alarms(size, count)
    tables = [_table("cells", Cell, cells), _table("coverage", Row, rows), _table("perfect", Alarms, called)]
    print(*tables, by_metric(rows), alarms.text(called), f"{time.monotonic() - begin:.0f} s", sep="\n")
    if options.write:
        shown = f"intervals --draws {' '.join(f'{size}={count}' for size, count in draws.items())}"
        facts = [f"first table kept from {kept_command(options.docs)}"] if options.keep else []
        made_with = pages.made_with("intervals --keep" if options.keep else shown, _versions(), *facts)
        pages.write(options.docs, "coverage", page(rows, called, made_with), tables)


def _cells(draws: Mapping[int, int]) -> list[Cell]:
    found: list[Cell] = []
    for size, count in draws.items():
        for kind in KINDS:
            print(f"{size} models, {kind.name}", flush=True)
            found += study(kind, size, count)
    return found


def _versions() -> list[tuple[str, str]]:
    return [
        (one.name, one.version) for one in (module.harness_evaluator() for module in (*METRICS, *perfect.EVALUATORS))
    ]


def kept(docs: Path) -> list[Cell]:
    """Return the cells of the page that was written last.

    Raises:
        SystemExit: an evaluator's version is another one now, so that its cells must be computed anew.
    """
    made = re.findall(r"^- evaluators (.*)$", (docs / "coverage.md").read_text(), re.MULTILINE)[-1].split(", ")
    if other := [
        f"{name} {version}" for name, version in _versions()[: len(METRICS)] if f"{name} {version}" not in made
    ]:
        raise SystemExit(f"{docs / 'coverage.md'} was not made with {', '.join(other)}; run without --keep")
    with (docs / "coverage" / "cells.csv").open(newline="") as file:
        return [_read(one) for one in csv.DictReader(file)]


def kept_command(docs: Path) -> str:
    """Return the command that computed the first table of the page that was written last."""
    found: list[str] = re.findall(r"`python -m benchmarks.intervals --draws [^`]*`", (docs / "coverage.md").read_text())
    return found[-1]


def _read(row: Mapping[str, str]) -> Cell:
    number = {name: float(row[name]) for name in ("mean", "coverage", "ratio")}
    return Cell(
        metric=row["metric"],
        kind=row["kind"],
        state=row["state"],
        n_models=int(row["n_models"]),
        draws=int(row["draws"]),
        false_alarms=float(row["false_alarms"]) if row["false_alarms"] else None,
        **number,
    )


@dataclass(frozen=True)
class Row:
    """Coverage of one metric over all kinds of populations.

    Attributes:
        metric: with its evaluator.
        state: what is left in the unlearned models, see SHIFTS.
        n_models: of each population.
        draws: how many.
        coverage: share of intervals that hold the mean.
        low, high: its own 95 % interval (Clopper and Pearson 1934).
        least_ratio, largest_ratio: over kinds, of claimed to true standard deviation.
        conclusion: whether coverage is as wanted, one of CONCLUSIONS.
    """

    metric: str
    state: str
    n_models: int
    draws: int
    coverage: float
    low: float
    high: float
    least_ratio: float
    largest_ratio: float
    conclusion: str


def summary(cells: Iterable[Cell]) -> list[Row]:
    """Return the coverage of each metric, state and size over all kinds."""
    groups: dict[tuple[str, str, int], list[Cell]] = {}
    for cell in sorted(cells, key=lambda one: (one.metric, one.state, one.n_models)):
        groups.setdefault((cell.metric, cell.state, cell.n_models), []).append(cell)
    rows = []
    for group, some in groups.items():
        draws = sum(cell.draws for cell in some)
        covered = round(sum(cell.coverage * cell.draws for cell in some))
        found = binomtest(covered, draws).proportion_ci(0.95)
        low, high, share = float(found.low), float(found.high), covered / draws
        ratios = [cell.ratio for cell in some]
        rows.append(Row(*group, draws, share, low, high, min(ratios), max(ratios), conclusion(share, low, high)))
    return rows


def conclusion(share: float, low: float, high: float) -> str:
    """Return whether coverage is between 90 and 99 %, given the ends of its own interval."""
    if high < WANTED[0]:
        return "too narrow"
    if low > WANTED[1]:
        return "too wide"
    return "yes" if WANTED[0] <= share <= WANTED[1] else "not excluded"


def _table(name: str, kind: type[Cell | Row | Alarms], rows: Iterable[Cell | Row | Alarms]) -> Table:
    return Table(name, [one.name for one in fields(kind)], [astuple(one) for one in rows])


def page(rows: Sequence[Row], called: Sequence[Alarms], made_with: str) -> str:
    """Return the page on coverage."""
    model = " ".join(inspect.cleandoc(populations.__doc__ or "").partition("\n\n")[2].split())
    nulls = " ".join(inspect.cleandoc(perfect.__doc__ or "").partition("\n\n")[2].split()).replace("``", "`")
    return f"""# Coverage of the intervals

<!-- Written by `python -m benchmarks.intervals --write`; do not edit. -->

A 95 % interval should hold, in 95 % of draws of models, the mean of its metric over all draws of as many models. Here models
are drawn from made-up populations. {model}

Each draw has {FORGOTTEN} forgotten and {UNSEEN} unseen examples, and its own seed of the evaluation. *Left* is the share of
the no-op's shift in the unlearned models: 0 (null), {populations.SHIFTS["moderate"]:g} (moderate) or 1 (no-op). Control
models count as the null too. The true mean and standard deviation are those of the draws, so that with d draws the
ratio is uncertain by 1 / √(2 d) of itself. A *false alarm* is a difference of value and control, both
from the null, above `smallest_visible`.

No interval is given where none could be made right: for `lira`, `ks` and `forgetting_quality` below 16 models, for mean
epsilons and cross-fitted values below 64, and where halves of the models cannot resolve a false positive rate.

## Findings

Each metric was looked at with several numbers of models, in three states; all kinds of populations are taken together. The
columns count these cells by coverage against 90 to 99 %: *yes*; *not excluded* where it lies outside but its own 95 % interval
(Clopper and Pearson) reaches inside; else *too narrow* or *too wide*.

{by_metric(rows)}
[coverage.csv](coverage/coverage.csv) has every one of these cells; [cells.csv](coverage/cells.csv) has the kinds apart, with the
ratio of claimed to true standard deviation and the share of false alarms.

## Perfect unlearning

How often do evaluators call unlearned models different that have the law of retrained ones? {nulls}

Each cell has two percentages. The first one is that of runs called different: `p` ≤ 0.05, or a difference of value and control
above `smallest_visible`. About 5 is right, fewer is cautious, and (!) marks a share that is above 5 by more than chance (95 %
interval of Clopper and Pearson). The second one is that of intervals, of values and of controls, that miss the mean over draws;
– where there is none. Draws: {_counts(called)}.

{alarms.text(called)}
[perfect.csv](coverage/perfect.csv) has the intervals of these shares. For `difference` they are with
[its metrics](reference/evaluators.md#difference).

{made_with}"""


def _counts(called: Sequence[Alarms]) -> str:
    most = {size: max(row.draws for row in called if row.n_models == size) for size in {row.n_models for row in called}}
    return ", ".join(f"{count} at N = {size}" for size, count in sorted(most.items()))


def by_metric(rows: Sequence[Row]) -> str:
    """Return a table with the number of cells by conclusion, and the least and largest coverage of each metric."""
    lines = []
    for metric in dict.fromkeys(row.metric for row in rows):
        mine = [row for row in rows if row.metric == metric]
        counts = [str(sum(row.conclusion == one for row in mine)) for one in CONCLUSIONS]
        bad = ", ".join(f"{row.state} {row.n_models}" for row in mine if row.conclusion.startswith("too"))
        shares = [row.coverage for row in mine]
        lines.append([f"`{metric}`", f"{min(shares):.3f} to {max(shares):.3f}", *counts, bad])
    return markdown(["metric", "coverage", *CONCLUSIONS, "where too narrow or too wide"], lines)


def _parser() -> argparse.ArgumentParser:
    parser = pages.parser("intervals", __doc__)
    parser.add_argument("--quick", action="store_true", help="few draws of 16 models")
    parser.add_argument(
        "--draws", nargs="+", metavar="N=D", help="draws of each state by number of models, e.g. 8=40 16=28"
    )
    parser.add_argument("--keep", action="store_true", help="read the first table from the docs folder")
    return parser


if __name__ == "__main__":
    main()
