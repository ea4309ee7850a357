"""The study as the page in ``docs``: what to report, a table of the most faithful metrics, and all numbers as CSV."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.faithfulness.study import Measured, recommended
from benchmarks.pages import Table, listed, markdown

MOST = 12
ALIKE = 0.9

INTRODUCTION = """\
# Which metrics to report

<!-- Written by `python -m benchmarks.faithfulness --write`; do not edit. -->

A metric is **faithful** if it tells models that have knowledge of the forget set from models that have none, and **robust** if it
still does so after a change that neither adds nor removes knowledge, and that both have had. This page measures both for every
metric, and recommends the fewest that are worth reporting.

The models are those of [the validity study](validity.md): trained on the retain set and 0 %, 10 % or 50 % of the forget set.
The changes are a temperature (logits halved or doubled), weights and running statistics rounded to 8 and 4 bits, and one more
epoch on the retain set at a tenth of the learning rate; the reference models of the metric are never changed. Blocks of
models are drawn at random and judged as a run would be. **Separation** is the probability that a block with the knowledge is
judged worse than one without (area under the ROC curve): 1 is perfect, 1/2 says nothing.
"""

TABLES = """\
[separation.csv](faithfulness/separation.csv) has all metrics, [agreement.csv](faithfulness/agreement.csv) the rank correlation of
each pair.
"""

LIMITS = """\
## What the study does not show

- Blocks of one task are drawn from the same models, so separations have errors that repeated draws do not show.
- The knowledge is that of whole examples, in models that were trained ordinarily. Methods that hide knowledge are in
  [the study of deceptions](deceptions.md).
- Evaluators that read [probes](reference/evaluators.md#probes) are not part of it: the blocks have outputs alone.
- The separation of 1 at 50 % is easy for most metrics; the level 10 % and the changes tell them apart.
"""


def page(found: Sequence[Measured], made_with: str) -> str:
    """Return the page as Markdown."""
    blocks = listed(f"`{one.task}`: {one.blocks} blocks of {one.size} models" for one in found)
    return "\n".join([INTRODUCTION, blocks, _advice(found), _table(found), LIMITS, made_with])


def _advice(found: Sequence[Measured]) -> str:
    chosen = recommended(found)
    never = sorted(
        {
            case
            for one in found
            for case in _cases(one)
            if not any(one.separation[name][case] >= 0.95 for name in one.metrics)
        }
    )
    points = [f"`{name}`{_alike(name, found)}" for name in chosen]
    text = f"## Report these\n\nThe fewest metrics that together separate (at least 0.95) wherever any does:\n\n{listed(points)}"
    if never:
        text += f"\nIn these cases none reaches 0.95 on some task: {', '.join(never)}.\n"
    return text


def _alike(name: str, found: Sequence[Measured]) -> str:
    """Return the metrics that rank blocks as this one does on every task."""
    others = [other for other in found[0].metrics if other != name]
    alike = [other for other in others if all(_tau(one, name, other) >= ALIKE for one in found)]
    return f", which ranks as {', '.join(f'`{other}`' for other in alike)} (tau at least {ALIKE})" if alike else ""


def _tau(one: Measured, name: str, other: str) -> float:
    if name not in one.separation or other not in one.separation:
        return 0.0
    return float(one.agreement[one.metrics.index(name), one.metrics.index(other)])


def _cases(one: Measured) -> list[str]:
    return list(next(iter(one.separation.values())))


def _table(found: Sequence[Measured]) -> str:
    parts = ["## The most faithful metrics\n"]
    for one in found:
        ranked = sorted(one.metrics, key=lambda name: (-one.worst(name), -sum(one.separation[name].values())))[:MOST]
        rows = [[f"`{name}`", *(f"{value:.2f}" for value in one.separation[name].values())] for name in ranked]
        parts += [f"`{one.task}`, separation, by the smallest:\n", markdown(["metric", *_cases(one)], rows)]
    parts.append(TABLES)
    return "\n".join(parts)


def separation(found: Sequence[Measured]) -> Table:
    """Return the separation of each metric in each case."""
    rows = [
        [one.task, name, case, value]
        for one in found
        for name in one.metrics
        for case, value in one.separation[name].items()
    ]
    return Table("separation", ["task", "metric", "case", "separation"], rows)


def agreement(found: Sequence[Measured]) -> Table:
    """Return the rank correlation of each pair of metrics."""
    rows = [
        [one.task, name, other, _tau(one, name, other)]
        for one in found
        for at, name in enumerate(one.metrics)
        for other in one.metrics[:at]
    ]
    return Table("agreement", ["task", "metric", "other", "tau"], rows)
