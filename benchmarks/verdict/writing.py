"""The study as tables, sentences made from them, and the page in ``docs``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from benchmarks.pages import Cell, Table, listed, markdown
from benchmarks.verdict.plan import FACES, NOTHING_LEFT, TENTH_LEFT, Results
from benchmarks.verdict.tables import Share, Words
from harness.report.findings import LEVEL

T = TypeVar("T")

INTRODUCTION = """\
# How often is the verdict wrong?

<!-- Written by `python -m benchmarks.verdict --write`; do not edit. -->

The [verdict](reference/verdict.md) makes claims with error rates: a difference is seen in at most 5 % of runs where there is
none, and a bound lies below the truth in at most 5 % of runs. This page checks both, and shows what the words are when the
truth is known, by the number of models N.
"""

METHOD = """\
## What was judged

- **Synthetic populations.** The confidence (phi) of model r on example i is mu_i + s_i (√c a_r + √(1 − c) e_ri), with mu from
  N(0, 2), s = exp(0.22 z), c = .01, and normal a and e. 200 forgotten and 400 test examples share a_r. Originals lie
  s_i·|N(1.4, 0.8)| higher on forgotten examples. The numbers are fitted to `faces`. There are two classes, or ten with wrong
  classes that vary by themselves. For false alarms also: c = .1, Student's t with 3 degrees of freedom, and phi rounded to whole
  numbers and cut at 3, so that most models tie.
- **`faces`.** Populations are drawn without replacement from a pool of models that were really trained. Draws share the pool:
  they are not independent, and vary a little less than freshly trained models would, most at N = 64.
- **Submissions** are some of [those that try to deceive](deceptions.md), made from these models: `retrained`, models of their own
  seeds; `left-10-percent`, of which a tenth of the forgotten examples is as in the original (chosen at random, the same for all
  models); `noop`, the originals; and so on. A claim is false where the word does not describe the submission, or where the stated
  bounds do not cover what is left.
- Only the evaluator `forgetting` was run, without [queries](reference/evaluators.md#forgetting), which add tests and a further
  bound and make equivalence harder to show. Every model finished. Margins are the defaults. Retrained and control models are
  the verdict's references, and were handed over as one population of 2 N.
- Brackets hold 95 % intervals of Clopper and Pearson over draws.
"""

TABLES = """\
## All numbers

[false-alarms.csv](verdict-study/false-alarms.csv); [words.csv](verdict-study/words.csv), with all submissions on synthetic
populations of two classes; and [coverage.csv](verdict-study/coverage.csv): in how many of {trials} draws ({tasks} tasks,
{repeats} draws of models each) the 95 % interval holds the truth, or the 95 % bound is not below it. Where nothing is left,
`memory_bound` cannot be below the truth, since it takes estimates below 0 as 0.
"""

LIMITS = """\
## What the study does not show

- Synthetic models are independent of each other, and each of its original; a real method's models may not be.
- Coverage is that of populations with normal tails, and of a memory that is kept whole for some examples and lost for the others.
- False alarms suppose that unlearned models of a perfect method are exchangeable with retrained ones. Retraining under
  another recipe is another distribution, and rightly seen as one.
"""


def page(results: Results, made_with: str) -> str:
    """Return the whole page as Markdown."""
    parts = [INTRODUCTION, "## Findings\n", findings(results)]
    parts += ["![Share of draws by word, against what is left and by the number of models](verdict-study.svg)\n"]
    return "\n".join([*parts, METHOD, *summary(results), LIMITS, made_with])


def findings(results: Results) -> str:
    """Return what the tables say, as a list."""
    points = [
        _alarms(results),
        _perfect(results),
        _tenth(results),
        _claims(results),
        _bounds(results),
        _covered(results),
    ]
    return listed(points)


def summary(results: Results) -> list[str]:
    """Return the tables of the page with their headings."""
    sizes, plan = results.plan.sizes, results.plan
    alarms = _by_size(results.alarms, sizes, lambda one: f"{_percent(one.value)} {_interval(one)}")
    real = _by_size(results.faces, sizes, _words)
    heads = [f"N = {models}" for models in sizes]
    return [
        f"## False alarms\n\nShare of {plan.alarms} draws of perfect unlearning with `difference_p` ≤ {LEVEL:g}.\n\n"
        + markdown(["population", *heads], alarms),
        f"## Words on `faces`\n\nPer cent of {plan.faces} draws ({plan.perfect} where nothing is left, "
        f"{min(_draws(results.faces))} where nothing was done).\n\n" + markdown(["submission", *heads], real),
        TABLES.format(trials=plan.tasks * plan.repeats, tasks=plan.tasks, repeats=plan.repeats),
    ]


def tables(results: Results) -> list[Table]:
    """Return all numbers: false alarms, words, and coverage."""
    alarms = [[name, models, *_counted(one)] for name, found in results.alarms.items() for models, one in found.items()]
    said: list[list[Cell]] = [
        [source, name, models, word, count, one.draws, one.false.get(word, 0)]
        for source, rows in (("synthetic", results.words), (FACES, results.faces))
        for name, found in rows.items()
        for models, one in found.items()
        for word, count in one.counts.items()
    ]
    covered = [
        [share, models, title.strip("`"), *_counted(getattr(one, name))]
        for share, found in results.coverage.items()
        for models, one in found.items()
        for name, title in NAMES.items()
    ]
    counted = ["hits", "draws", "share", "low", "high"]
    return [
        Table("false-alarms", ["population", "N", *counted], alarms),
        Table("words", ["source", "submission", "N", "word", "draws with it", "draws", "false claims"], said),
        Table("coverage", ["examples left", "N", "quantity", *counted], covered),
    ]


def _counted(one: Share) -> list[int | float]:
    return [one.hits, one.trials, one.value, *one.interval]


def _by_size(rows: Mapping[str, Mapping[int, T]], sizes: Sequence[int], cell: Callable[[T], str]) -> list[list[str]]:
    return [
        [name, *(cell(found[models]) if models in found else "–" for models in sizes)] for name, found in rows.items()
    ]


def _words(one: Words) -> str:
    parts = []
    for word, count in one.counts.items():
        text = f"{word} {100 * count / one.draws:.0f}"
        parts.append(f"**{text}**" if one.false.get(word) else text)
    return ", ".join(parts)


def _draws(rows: Mapping[str, Mapping[int, Words]]) -> list[int]:
    return [one.draws for found in rows.values() for one in found.values()]


def _alarms(results: Results) -> str:
    cells = [one for found in results.alarms.values() for one in found.values()]
    values = [one.value for one in cells]
    inside = sum(one.interval[0] <= LEVEL <= one.interval[1] for one in cells)
    whole = sum(cells, Share(0, 0))
    return (
        f"**False alarms**, where {LEVEL:.0%} is claimed: {_percent(min(values))} to {_percent(max(values))}; of all draws "
        f"{_percent(whole.value)} {_interval(whole)}. The interval holds {LEVEL:.0%} in {inside} of {len(cells)} cells."
    ).replace("5%", "5 %")


def _perfect(results: Results) -> str:
    found = results.faces[NOTHING_LEFT.name]
    shares = ", ".join(f"{_percent(one.share('as_retrained'))} at N = {models}" for models, one in found.items())
    wrong = ", ".join(f"{_percent(one.wrong.value)} {_interval(one.wrong)}" for one in found.values())
    return f"**Fresh retrained models of `faces`** earn `as_retrained` in {shares} (an unfavourable word in {wrong})."


def _tenth(results: Results) -> str:
    found = results.faces[TENTH_LEFT.name]
    shares = ", ".join(f"{_percent(one.share('as_retrained'))} at N = {models}" for models, one in found.items())
    partial = ", ".join(_percent(one.share("partial")) for one in found.values())
    return f"**With 10 % of the forget set left on `faces`**: `as_retrained` in {shares}; `partial` in {partial}."


def _claims(results: Results) -> str:
    parts = []
    for name, found in results.words.items():
        for models, one in found.items():
            if one.wrong.hits:
                parts.append(f"`{name}` at N = {models} ({one.wrong.hits} of {one.wrong.trials})")
    return f"**False claims** on synthetic populations: {'; '.join(parts) or 'none'}."


def _bounds(results: Results) -> str:
    every = [one for rows in (results.words, results.faces) for found in rows.values() for one in found.values()]
    broken, favourable = sum(one.broken for one in every), sum(one.favourable for one in every)
    return (
        "**Favourable verdicts** (`as_retrained`, `no_difference_seen`) state a bound below what is left in "
        f"{broken} of {favourable} draws."
    )


def _covered(results: Results) -> str:
    cells = [one for found in results.coverage.values() for one in found.values()]
    parts = []
    for name in ("plain", "calibrated", "memory", "shift"):
        values = [getattr(one, name).value for one in cells]
        parts.append(f"{NAMES[name]} {_percent(min(values))} to {_percent(max(values))}")
    return f"**Coverage** of 95 % intervals and bounds: {'; '.join(parts)}."


NAMES = {
    "plain": "`memory_left`",
    "calibrated": "`memory_left_calibrated`",
    "memory": "`memory_bound`",
    "shift": "`shift_bound`",
}


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _interval(share: Share) -> str:
    low, high = share.interval
    return f"({100 * low:.1f} to {100 * high:.1f})"
