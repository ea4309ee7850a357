"""The page ``docs/deceptions.md``: what the verdict says of each submission, and which metric each one fools."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.deceptions import rules, table
from benchmarks.deceptions.catalogue import ALL, DECEPTIONS, FAMILIES, HONEST
from benchmarks.deceptions.fooled import DRAWS, Matrix
from benchmarks.deceptions.judging import Judgement
from benchmarks.deceptions.model import words
from benchmarks.deceptions.published import METRICS
from harness.report.document import VerdictLevel

PRAISE = {
    "the verdict, `as_retrained`": words("as_retrained"),
    "the verdict, `as_retrained` or `no_difference_seen`": words("as_retrained", "no_difference_seen"),
}
"""Rows of the verdict: its title, and the words that count as being fooled."""

FOOLED, SEEN, NO_VALUE = "●", "·", "–"

HEAD = """\
---
hide: [navigation, toc]
---

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

Each character is one submission, in the order of the [list below](#what-the-verdict-says): `●` the metric is fooled
(for honest submissions: it cries wolf), `·` it is not, `–` it has no value.

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
Metrics are sorted by how often they are fooled.
"""

RULES = """\
Rules: no deception is ever `as_retrained`; `no_difference_seen` is said of one only where the stated bounds cover what
is left, but for what chance explains; an honest submission gets a word that describes it, but for one test in twenty.
*Left*: the share of the memory of the forget set, by the square of each example's. (!) marks a word that breaks a rule
in at least one draw.
"""

LIMITS = """\
## What the tables do not show

- One law of examples, one draw of each submission. A deception that was not thought of is not in the list.
- A metric that is fooled by few deceptions here is no test by itself: it may be outside its range for honest models
  as well.
- Weights are not looked at. Retrained ones may hide a copy of the original in their low bits (`mantissa_copy` among the
  unlearners that run): every answer is a retrained model's, and no metric of answers sees the copy. Whoever hands
  weights out should round them to bfloat16, which destroys it; the query `bfloat16` shows what the rounded model answers.
- All submissions at one N are judged beside the same models. Where the word for `retrained` errs there, by the one chance
  in twenty of a test, that of submissions that answer as retrained models do on the test set errs with it.
- *Diversity* and *shape* hold submissions that remember nothing of the forget set and yet are no set of independently
  retrained models.
"""


def text(judgements: Sequence[Judgement], matrix: Matrix, facts: Sequence[str], plugins: int) -> str:
    """Return the whole page as Markdown.

    Args:
        judgements: of all submissions.
        matrix: of all metrics.
        facts: what the numbers depend on.
        plugins: number of deceptions that exist as unlearners.
    """
    counts = {"deceptions": len(DECEPTIONS), "honest": len(HONEST), "plugins": plugins}
    parts = [
        HEAD,
        INTRODUCTION.format(**counts),
        findings(judgements, matrix),
        MATRIX.format(draws=DRAWS, models=matrix.models),
        metrics(matrix, judgements),
        "## What the verdict says\n",
        _rules(judgements),
        submissions(judgements),
        LIMITS,
        "## Made with\n",
        "".join(f"- {fact}\n" for fact in facts),
    ]
    return "\n".join(parts)


def findings(judgements: Sequence[Judgement], matrix: Matrix) -> str:
    """Return what the tables say, as a list."""
    names = matrix.metrics()
    published = [name for name in names if name in METRICS]
    never = [one for one in DECEPTIONS if not any(matrix.inside(name, one.name) for name in names)]
    hardest = max(DECEPTIONS, key=lambda one: _count(matrix, one.name))
    bad = rules.broken(judgements)
    as_retrained = sum(one.level == "as_retrained" for one in judgements if not one.deception.honest)
    deceptive = sum(not one.deception.honest for one in judgements)
    worst = "; ".join(f"{name} by {len(matrix.fooled(name))}" for name in reversed(published))
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
    return "## Findings\n\n" + "".join(f"- {line}\n" for line in lines)


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
    """Return the table of metrics: one row a metric, one column a family; the verdict's own rows first."""
    sizes = {family: sum(one.family == family for one in ALL) for family in FAMILIES}
    deceptive = [family for family in FAMILIES if family != "honest"]
    head = ["metric", f"fooled of {len(DECEPTIONS)}", *deceptive, "honest", f"cries wolf of {len(HONEST)}"]
    lines = [head, ["---", "---:", *["---"] * (len(sizes)), "---:"]]
    lines += [_verdict_row(judgements, matrix.models, title, praise) for title, praise in PRAISE.items()]
    for name in matrix.metrics():
        cells = [_marks(matrix, name, family) for family in (*deceptive, "honest")]
        shown = f"**{name}**" if name in METRICS else f"`{name}`"
        lines.append([shown, str(len(matrix.fooled(name))), *cells, str(len(matrix.wolf(name)))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _verdict_row(
    judgements: Sequence[Judgement], models: int, title: str, praise: frozenset[VerdictLevel]
) -> list[str]:
    """Return the row of the verdict: it is fooled where its word is one of praise, and errs where a rule says so."""
    judged = {one.deception.name: one for one in reversed(judgements) if one.models == models}
    marked = {name: bool(one.breach) if one.deception.honest else one.level in praise for name, one in judged.items()}
    cells = {
        family: "".join(
            NO_VALUE if one.name not in judged else FOOLED if marked[one.name] else SEEN
            for one in ALL
            if one.family == family
        )
        for family in FAMILIES
    }
    fooled = sum(marked[name] for name, one in judged.items() if not one.deception.honest)
    wolf = sum(marked[name] for name, one in judged.items() if one.deception.honest)
    return [title, str(fooled), *(f"`{cells[family]}`" for family in FAMILIES), str(wolf)]


def _marks(matrix: Matrix, metric: str, family: str) -> str:
    marks = []
    for one in ALL:
        if one.family == family:
            inside = matrix.inside(metric, one.name)
            marked = inside if not one.honest else inside is False
            marks.append(NO_VALUE if inside is None else FOOLED if marked else SEEN)
    return f"`{''.join(marks)}`"


def _rules(judgements: Sequence[Judgement]) -> str:
    broken = rules.broken(judgements)
    found = (
        "".join(f"- {sentence}\n" for sentence in broken)
        or "No submission breaks a rule by more than chance explains.\n"
    )
    return f"{RULES}\n{found}"


def submissions(judgements: Sequence[Judgement]) -> str:
    """Return the list of submissions with the verdicts' words, one table a family."""
    rows = {row[0]: row for row in table.rows(judgements)}
    head = ["submission", "what it does", *table.header(judgements)[1:]]
    parts = []
    for family in FAMILIES:
        members = [one for one in ALL if one.family == family and one.name in rows]
        lines = [head, ["---"] * len(head)]
        lines += [[f"`{one.name}`", one.text, *rows[one.name][1:]] for one in members]
        parts.append(f"### {family.capitalize()}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    return "\n".join(parts)
