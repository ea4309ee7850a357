"""The study as the page in ``docs``: findings, a short table, and all numbers as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.pages import Table, listed
from benchmarks.validity import conclusions
from benchmarks.validity.findings import ORDERS, Summary
from benchmarks.validity.levels import LEVELS
from benchmarks.validity.study import Study

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

TABLES = """\
[ranking.csv](validity/ranking.csv) has, for each task, number of models N and metric, the number of blocks with each order and
on which each level is told; [values.csv](validity/values.csv) has the metrics of the first block at every level.
"""

READING = """\
## How to read it

- **Order**: *right* where the metric's distance from perfect rises over all five levels (less is better, more is
  better, or the distance from the control, whichever holds for the metric). *noise*: not strictly, but of each pair that is
  the wrong way round the 95 % interval of the difference holds 0. *wrong*: by more than that. *unsure*: not strictly, and
  the metric has no interval that would say whether chance explains it.
- **Told**: a level is told from perfect where the 95 % interval of the difference value − control excludes 0. The interval is
  made from the two in the report: the half-widths that face each other, combined in quadrature (Zou and Donner 2008), as if
  their errors were independent. Both are compared with the same retrained models, so it is approximate and tends to be too
  wide. Telling the level *retrain* is a false alarm. `forgetting.difference_p` tells where it is at most 0.05.
- **Detects from**: the smallest share that is told, with all larger ones, on every block. **Visible share**: the share
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
  a little is another case, which was not tried: the visible shares say nothing of it.
- One draw of the remembered examples and one of the seeds: a metric that is right on a single block may be lucky.
"""


def page(studies: Sequence[Study], made_with: str) -> str:
    """Return the page as Markdown."""
    parts = [INTRODUCTION, listed(_populations(studies)), "## Findings\n", conclusions.text(studies)]
    parts += ["![Smallest share of the forget set that each metric sees, by task and number of models](validity.svg)\n"]
    return "\n".join([*parts, TABLES, READING, LIMITS, made_with])


def _populations(studies: Iterable[Study]) -> Iterable[str]:
    for one in studies:
        shares = ", ".join(f"{level.name} {n}" for level, n in zip(LEVELS, one.remembered, strict=True))
        blocks = ", ".join(f"{one.blocks(size)} of {size}" for size in one.sizes)
        yield (
            f"`{one.task}`: {one.models} models a population (original, retrained, control and each level), blocks: {blocks}. "
            f"Of {one.forget} forgotten examples each level was trained on, by {one.unit}: {shares}."
        )


def ranking(studies: Sequence[Study]) -> Table:
    """Return for each task, N and metric: on how many blocks it orders the levels rightly, and which levels it tells."""
    head = ["task", "N", "metric", "blocks", *ORDERS, "detects from", "visible share"]
    rows = [
        [
            one.task,
            size,
            name,
            len(found.blocks),
            *(found.orders(kind) for kind in ORDERS),
            _detects(found),
            found.visible_share,
            *(found.told(level) if found.has_interval else None for level in range(len(LEVELS))),
        ]
        for one in studies
        for size in one.sizes
        for name, found in one.summaries[size].items()
    ]
    return Table("ranking", [*head, *(f"told: {level.name}" for level in LEVELS)], rows)


def _detects(found: Summary) -> str | float:
    if not found.has_interval:
        return "no interval"
    return "blind" if found.detects_from is None else LEVELS[found.detects_from].remembered


def values(studies: Sequence[Study]) -> Table:
    """Return for each task, N and metric the numbers of the first block."""
    head = ["task", "N", "metric", "unit", "control", *(level.name for level in LEVELS), "smallest visible"]
    rows = [
        [one.task, size, name, one.units[name], first.control, *first.values, first.smallest_visible]
        for one in studies
        for size in one.sizes
        for name, found in one.summaries[size].items()
        for first in found.blocks[:1]
    ]
    return Table("values", head, rows)
