"""The study as tables: for the terminal, and as the page in ``docs``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchmarks.output import table
from benchmarks.validity import conclusions
from benchmarks.validity.conclusions import percent
from benchmarks.validity.findings import ORDERS, Summary
from benchmarks.validity.levels import LEVELS
from benchmarks.validity.study import Study
from harness.report.words import number

Cell = Callable[[Summary], str]
DASH = "–"
MARKS = {"right": "right", "noise": "noise", "unsure": "unsure", "wrong": "**wrong**"}

INTRODUCTION = """\
# Do the metrics rank unlearners of known quality?

<!-- Written by `python -m benchmarks.validity --write`; do not edit. -->

The [verdict](reference/verdict.md) asks two questions: are the models **different** from retrained ones, and **how much** is
left? This page asks both of every metric. *Does it see a difference*, from which remembered share on, and how often where
there is none? *Does it order* a better unlearner before a worse one?

That needs unlearners whose quality is known because it was made: models that were truly trained on the retain set and a
**share of the forget set**. At 0 % they are retrained models, of seeds of their own; at 10 %, 50 % and 90 % they have forgotten
all but that share; the no-op is the originals, which have forgotten nothing. No unlearning method is involved. How often the
verdict itself is wrong is another study, [of its error rates](verdict-study.md).

The remembered share is the same for all models of a level, drawn once by seed, and nested: the 10 % lie within the 50 %, and
these within the 90 %. Some examples are thus wholly remembered and all others wholly forgotten, as by a method that
overlooks a part of its request. (The other way, a share of its own for each model, would make every example's distribution a
mixture; that case was not tried.) It is drawn by what the task forgets: by subjects where examples have
subjects, else by examples.
"""

READING = """\
## How to read the tables

- **Order**: *right* where the metric's distance from perfect rises over all five levels (less is better, more is
  better, or the distance from the control, whichever holds for the metric). *noise*: not strictly, but of each pair that is
  the wrong way round the 95 % interval of the difference holds 0. *wrong*: by more than that. *unsure*: not strictly, and
  the metric has no interval that would say whether chance explains it.
- **Told**: a level is told from perfect where the 95 % interval of the difference value − control excludes 0. The interval is
  made from the two in the report: the half-widths that face each other, combined in quadrature (Zou and Donner 2008), as if
  their errors were independent. Both are compared with the same retrained models, so it is approximate and tends to be too
  wide. Telling the level *retrain* is a false alarm. `forgetting.difference_p` tells where it is at most 0.05.
- **Detects from**: the smallest share that is told, with all larger ones, on every block. In brackets the share
  from which on that rule tells, on straight lines between the levels, median over blocks: an estimate for shares that
  were not trained. *blind*: not even the no-op is told on every block. *no interval*: the metric claims
  none, so it tells nothing.
- Numbers of models N below the trained ones are judged on disjoint blocks of the same models, all evaluators anew.
- Metrics are all those of the evaluators below that have a better side, a control and a no-op and are not named after another
  split than forget. Seconds and memory are left out: the models were trained in batches.
"""

LIMITS = """\
## What the study does not show

- All levels but the no-op are trainings of their own, independent of the originals. Metrics of what changed between the
  model before and the model after (`before_after`) therefore see a step between 90 % and no-op that is not forgetting: from
  another model to the very same one. Its parts that rest on the change alone (`auc_l2`, `auc_sorted_diff`, `deg_count`) say
  0.5 where nothing changed, and need not lie on one side of that elsewhere. `auc_sorted_concat` does not see which class is
  the true one. On their own these parts rank nothing; `before_after.auc` holds all of them.
- `lira.share_over_forgotten` looks for the opposite failure, forgetting too much, which no level has.
- `forgetting.difference_p` answers the first question alone. It takes multiples of 1 / 1000, so that levels tie at the smallest.
- Median epsilons take few values, since rates are multiples of 1 / N: neighbouring levels tie.
- Forgetting is partial by example: a remembered example is as confident as in an original. A method that weakens all examples
  a little is another case, which was not tried: the shares below say nothing of it.
- One draw of the remembered examples and one of the seeds: a metric that is right on a single block may be lucky.
"""


def page(studies: Sequence[Study], facts: Sequence[str], picture: str) -> str:
    """Return the page as Markdown."""
    parts = [INTRODUCTION, _populations(studies), "## Findings\n", conclusions.text(studies)]
    parts += [f"![Smallest share of the forget set that each metric sees, by task and number of models]({picture})\n"]
    parts += [
        READING,
        LIMITS,
        "## Order\n",
        summary_table(studies, order_cell),
        "## Smallest remembered share that is told\n",
    ]
    parts += [summary_table(studies, detection_cell)]
    parts += [values(one, size) for one in studies for size in one.sizes]
    parts += ["## Made with\n", "".join(f"- {fact}\n" for fact in facts)]
    return "\n".join(parts)


def _populations(studies: Iterable[Study]) -> str:
    lines = []
    for one in studies:
        shares = ", ".join(f"{level.name} {n}" for level, n in zip(LEVELS, one.remembered, strict=True))
        blocks = ", ".join(f"{one.blocks(size)} of {size}" for size in one.sizes)
        lines.append(
            f"- `{one.task}`: {one.models} models a population (original, retrained, control and each level), blocks: {blocks}. "
            f"Of {one.forget} forgotten examples each level was trained on, by {one.unit}: {shares}.\n"
        )
    return "".join(lines)


def order_cell(summary: Summary) -> str:
    """Return how often the order was right, e.g. "right", or "right 2, noise 2" over four blocks."""
    counts = {kind: summary.orders(kind) for kind in ORDERS}
    if len(summary.blocks) in counts.values():
        return next(MARKS[kind] for kind, count in counts.items() if count)
    return ", ".join(f"{MARKS[kind]} {count}" for kind, count in counts.items() if count)


def detection_cell(summary: Summary) -> str:
    """Return the first level detected on every block and the estimate between levels."""
    if not summary.has_interval:
        return "no interval"
    first, share = summary.detects_from, summary.visible_share
    estimate = "" if share is None else f" ({percent(share)})"
    return f"**blind**{estimate}" if first is None else f"{percent(LEVELS[first].remembered)}{estimate}"


def summary_table(studies: Sequence[Study], cell: Cell) -> str:
    """Return a table with a row per metric and a column per task and N."""
    columns = [(one, size) for one in studies for size in one.sizes]
    names = list(dict.fromkeys(name for one in studies for name in one.metrics()))
    head = ["metric", *(f"{one.task} {size}" for one, size in columns)]
    rows = []
    for name in names:
        found = [one.summaries[size].get(name) for one, size in columns]
        rows.append([f"`{name}`", *(DASH if summary is None else cell(summary) for summary in found)])
    return table(head, rows)


def values(one: Study, size: int) -> str:
    """Return the numbers of the first block for every level; detected levels are bold."""
    head = ["metric", "control", *(level.name for level in LEVELS), "smallest visible", "order", "told on blocks"]
    rows = []
    for name, summary in one.summaries[size].items():
        first, unit = summary.blocks[0], one.units[name]
        levels = [
            f"**{number(value, unit)}**" if told == "told" else number(value, unit)
            for value, told in zip(first.values, first.told, strict=True)
        ]
        told = "/".join(str(summary.told(level)) for level in range(len(LEVELS))) if summary.has_interval else DASH
        smallest = number(first.smallest_visible, unit)
        rows.append([f"`{name}`", number(first.control, unit), *levels, smallest, MARKS[first.order], told])
    blocks = one.blocks(size)
    more = f", first of {blocks} blocks" if blocks > 1 else ""
    text = (
        "Bold: told from perfect. The last column counts, from retrain to no-op, the blocks on which the level is told."
    )
    return f"## {one.task}, N = {size}{more}\n\n{text}\n\n{table(head, rows)}"
