"""The page ``docs/deceptions.md``: what the verdict says of each submission, and which metric each one fools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarks.deceptions import blind_spots, published, rules, table
from benchmarks.deceptions.catalogue import ALL, DECEPTIONS, FAMILIES, HONEST
from benchmarks.deceptions.fooled import DRAWS, Matrix
from benchmarks.deceptions.judging import Judgement
from benchmarks.deceptions.model import Deception, words
from benchmarks.pages import Cell, Table, listed, markdown

PRAISE = {
    "the verdict, `as_retrained`": words("as_retrained"),
    "the verdict, `as_retrained` or `no_difference_seen`": words("as_retrained", "no_difference_seen"),
}
"""Rows of the verdict: its title, and the words that count as being fooled."""

SHOWN = 10
"""Bundled metrics on the page: those that are fooled least."""

Marks = Mapping[str, bool | None]
"""By submission, whether a metric or the verdict errs; None where it has no value."""

HEAD = """\
# What deceives an evaluation

<!-- Written by `python -m benchmarks.deceptions --write`; do not edit. -->
"""

INTRODUCTION = """\
An evaluation is only as good as the worst method that it praises. So here are {deceptions} submissions that do not
unlearn, or only in part, and try to look as if they did, and {honest} honest ones that look odd. All are made as
arrays of logits, so that what they truly leave is known; {plugins} deceptions exist as unlearners that really run.
The models follow a law that was fitted to the task `faces`: 200 forgotten examples, 10 classes, and originals that
are more confident on them by 1.4 standard deviations on average.

Two questions: does the harness's [verdict](reference/verdict.md) hold, and which single metric would have been
fooled?
"""

MATRIX = """\
## Which metric is fooled by what

- **Fooled**: the metric's value lies within the range of {draws} draws of freshly retrained models, judged in the
  same way with the same examples. One more such draw lies within it with a probability of 38 in 40, or 95 %, so that
  the value cannot be told from perfect unlearning. This is generous to a metric: who uses it must know that range, and
  few publish it.
- **Cries wolf**: the value of an honest submission lies outside that range. For a model of another kind that is no
  error of a metric that asks *does it differ?*, but it is one of a metric that is read as *it remembers*. By chance
  one in twenty does.
- N = {models} models of each population, one draw of each submission. Bundled metrics are those that have a control
  and a no-op; names without a dot are commonly published ones, computed as plainly as papers do.

The first two rows are the verdict's, at the same N: it is fooled where it says the word named (`no_difference_seen`
always states how much may be left), and cries wolf where an honest submission gets a word that does not describe it.
Then come the commonly published metrics and the {shown} bundled ones that are fooled least, by the number of submissions of each
family; [metrics.csv](deceptions/metrics.csv) has all metrics and every submission by itself.
"""

RULES = """\
Rules: no deception is ever `as_retrained`; `no_difference_seen` is said of one only where the stated bounds cover what
is left, but for what chance explains; an honest submission gets a word that describes it, but for one test in twenty.

The table counts the words of each family. [verdicts.csv](deceptions/verdicts.csv) has every submission with what it does, the
share of the memory of the forget set that is left (by the square of each example's), and the words; (!) marks a word that breaks
a rule in at least one draw.
"""

BLIND_SPOTS = """\
## What metrics of single forgotten examples do not see

Some submissions answer each forgotten example as retrained models do, and are betrayed by something else: a group of
examples, other data, whole models, the class's place among the others, features, or the change of the weights. Each row is
one draw at N = {models} of such a submission, or of its honest twin, as the evaluator that looks there sees it, and as the
likelihood-ratio attack on single examples does (`lira.auc`, 0.5 is chance). p is small where a difference is seen;
`feature_memory` is 0 as retrained and 1 as the no-op.
"""

LIMITS = """\
## What the tables do not show

- One law of examples, one draw of each submission. A deception that was not thought of is not in the list.
- A metric that is fooled by few deceptions here is no test by itself: it may be outside its range for honest models
  as well.
- The family *weights* answers as retrained models do: every metric of answers is fooled, and so is the verdict of a run without
  the evaluator [`durability`](reference/evaluators.md#durability). With it, as here, the word is `not_durable`.
- Head-only methods (`cf_k`, `eu_k`, and `new_head` among the unlearners that run) keep the original's features: by the AUC of
  LiRA on `faces`, `eu_k` is a quarter of the way to the control; by
  [`representation.feature_memory`](reference/evaluators.md#representation) all of the memory is left.
- Low bits of weights are not looked at. Retrained ones may hide a copy of the original there (`mantissa_copy` among the
  unlearners that run): every answer is a retrained model's, and no metric of answers sees the copy. Whoever hands
  weights out should round them to bfloat16, which destroys it; the query `bfloat16` shows what the rounded model answers.
- All submissions at one N are judged beside the same models. Where the word for `retrained` errs there, by the one chance
  in twenty of a test, that of submissions that answer as retrained models do on the test set errs with it.
- *Diversity* and *shape* hold submissions that remember nothing of the forget set and yet are no set of independently
  retrained models.
"""


def text(judgements: Sequence[Judgement], matrix: Matrix, blind: Table, made_with: str, plugins: int) -> str:
    """Return the whole page as Markdown.

    Args:
        blind: the table of :mod:`benchmarks.deceptions.blind_spots`.
        judgements: of all submissions.
        matrix: of all metrics.
        made_with: the section on what the numbers depend on.
        plugins: number of deceptions that exist as unlearners.
    """
    counts = {"deceptions": len(DECEPTIONS), "honest": len(HONEST), "plugins": plugins}
    parts = [
        HEAD,
        INTRODUCTION.format(**counts),
        "## Findings\n",
        findings(judgements, matrix),
        MATRIX.format(draws=DRAWS, models=matrix.models, shown=SHOWN),
        metrics(matrix, judgements),
        "## What the verdict says\n",
        RULES,
        listed(rules.broken(judgements)) or "No submission breaks a rule by more than chance explains.\n",
        families(judgements),
        BLIND_SPOTS.format(models=blind_spots.MODELS),
        markdown(blind.head, ([cells[0] and f"`{cells[0]}`", *cells[1:]] for cells in blind.cells())),
        LIMITS,
        made_with,
    ]
    return "\n".join(parts)


def tables(judgements: Sequence[Judgement], matrix: Matrix) -> list[Table]:
    """Return which metric errs on which submission, and every submission with the verdict's words."""
    names = [one.name for one in ALL]
    every = _verdict_marks(judgements, matrix.models) | {name: _marks(matrix, name) for name in matrix.metrics()}
    rows: list[list[Cell]] = []
    for title, marks in every.items():
        counts = (sum(_errors(marks, group)) for group in (DECEPTIONS, HONEST))
        cells = (None if (mark := marks.get(one)) is None else int(mark) for one in names)
        rows.append([title.replace("`", ""), *counts, *cells])
    said = table.rows(judgements)
    texts = {one.name: (one.family, one.text) for one in ALL}
    head = ["submission", "family", "what it does", *table.header(judgements)[1:]]
    return [
        Table("metrics", ["metric", "fooled", "cries wolf", *names], rows),
        Table("verdicts", head, [[name, *texts[name], *cells] for name, *cells in said if name in texts]),
    ]


def findings(judgements: Sequence[Judgement], matrix: Matrix) -> str:
    """Return what the tables say, as a list."""
    names = matrix.metrics()
    common = [name for name in names if name in published.NAMES]
    never = [one for one in DECEPTIONS if not any(matrix.inside(name, one.name) for name in names)]
    hardest = max(DECEPTIONS, key=lambda one: _count(matrix, one.name))
    bad = rules.broken(judgements)
    as_retrained = sum(one.level == "as_retrained" for one in judgements if not one.deception.honest)
    deceptive = sum(not one.deception.honest for one in judgements)
    worst = "; ".join(f"{name} by {len(matrix.fooled(name))}" for name in reversed(common))
    lines = [
        f"The verdict said `as_retrained` of {as_retrained} of {deceptive} deceptions judged.",
        f"Submissions on which it breaks one of its rules: {len(bad)}."
        if bad
        else "It broke none of its rules by more than chance explains.",
        f"Commonly published metrics are fooled, of {len(DECEPTIONS)} deceptions: {worst}.",
        _least(matrix),
        f"The deception that fools most metrics: `{hardest.name}`, {_count(matrix, hardest.name)} of {len(names)}.",
        f"Deceptions that fool no metric at all: {len(never)}.",
    ]
    return listed(lines)


def _least(matrix: Matrix) -> str:
    name = matrix.metrics()[0]
    return (
        f"Fooled least: `{name}`, by {len(matrix.fooled(name))}; it tells {len(matrix.wolf(name))} of {len(HONEST)} honest "
        "submissions from retrained models."
    )


def _count(matrix: Matrix, submission: str) -> int:
    """Count the metrics that a submission fools."""
    return sum(bool(matrix.inside(name, submission)) for name in matrix.metrics())


def metrics(matrix: Matrix, judgements: Sequence[Judgement]) -> str:
    """Return the table of metrics, by how often each is fooled in each family; the verdict's own rows first."""
    deceptive = [family for family in FAMILIES if family != "honest"]
    head = ["metric", f"fooled of {len(DECEPTIONS)}", *deceptive, f"cries wolf of {len(HONEST)}"]
    rows = _verdict_marks(judgements, matrix.models)
    rows |= {f"**{name}**": _marks(matrix, name) for name in matrix.metrics() if name in published.NAMES}
    bundled = [name for name in matrix.metrics() if name not in published.NAMES]
    rows |= {f"`{name}`": _marks(matrix, name) for name in bundled[:SHOWN]}
    lines = []
    for title, marks in rows.items():
        by_family = [sum(_errors(marks, [one for one in DECEPTIONS if one.family == family])) for family in deceptive]
        counts = [sum(by_family), *by_family, sum(_errors(marks, HONEST))]
        lines.append([title, *map(str, counts)])
    return markdown(head, lines)


def _errors(marks: Marks, submissions: Sequence[Deception]) -> list[bool]:
    return [bool(marks.get(one.name)) for one in submissions]


def _verdict_marks(judgements: Sequence[Judgement], models: int) -> dict[str, Marks]:
    """Return the rows of the verdict: it is fooled where its word is one of praise, and errs where a rule says so."""
    judged = [one for one in reversed(judgements) if one.models == models]
    return {
        title: {one.deception.name: bool(one.breach) if one.deception.honest else one.level in praise for one in judged}
        for title, praise in PRAISE.items()
    }


def _marks(matrix: Matrix, metric: str) -> Marks:
    marks: dict[str, bool | None] = {}
    for one in ALL:
        inside = matrix.inside(metric, one.name)
        marks[one.name] = inside if not one.honest or inside is None else not inside
    return marks


def families(judgements: Sequence[Judgement]) -> str:
    """Return the verdict's words by family and number of models."""
    sizes = sorted({one.models for one in judgements})
    lines = []
    for family in FAMILIES:
        mine = [one for one in judgements if one.deception.family == family]
        counts = (Counter(one.level for one in mine if one.models == size) for size in sizes)
        said = [", ".join(f"{level} {count}" for level, count in found.most_common()) for found in counts]
        lines.append([family, str(len({one.deception.name for one in mine})), *said])
    return markdown(["family", "submissions", *(f"N = {size}" for size in sizes)], lines)
