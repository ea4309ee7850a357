"""``durability``: whether the memory of the forget set comes back after small changes of the weights.

The host changes the unlearned, retrained, control and original models alike (probe ``recovery``): it trains them on for a little
on the retain set, alone and with a few forgotten examples, rounds their weights, and adds noise. For each condition c and
population P, e_P(c) is the mean over models and examples of phi on the forget set less that on the test set. The memory is

    m_P(c) = (e_P(c) - e_R(c)) / (e_O(before) - e_R(before)),

R being retrained models and O originals: 0 as retrained, 1 as much as the no-op had. Whether more comes back than in retrained
models is decided by :mod:`harness_evaluators.durability.recovery_test`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Evidence, Interval, Metric, Result, hookimpl
from harness_evaluators.common import bootstrap, control_and_noop, finite
from harness_evaluators.common.bootstrap import LEVEL, METHOD, Resamples, Sampled
from harness_evaluators.common.control_and_noop import Z95, Description, Rows
from harness_evaluators.common.evidence_analysis import Analysis
from harness_evaluators.durability import recovery_test, texts
from harness_evaluators.durability.conditions import PROBE, Answers, Condition, conditions, described
from harness_evaluators.durability.recovery_test import Recovery

Values = NDArray[np.float64]
ROWS = ("unlearned", "control", "noop")


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="durability",
        version="1",
        summary="Whether memory comes back after a little training on retained data, rounding, or noise",
        evaluate=evaluate,
        probes=(PROBE,),
        default=False,
        source="arXiv 2505.22310 (training on), arXiv 2605.02196 (rounding); Westfall and Young 1993",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Measure the memory before and after each condition, and test whether it comes back."""
    models = analysis.models
    why_not = models.why_not("forget") or models.why_not("test") or _why_not_probed(analysis.evidence)
    if why_not:
        every = (texts.P, texts.REGAINED, texts.BEFORE)
        return Result(
            tuple(control_and_noop.missing(about, why_not) for about in every), warnings=(f"durability: {why_not}",)
        )
    found = conditions(models)
    resamples = bootstrap.resamples(analysis.evidence, models.sizes())
    tests = _tests(found, analysis.evidence.rng)
    shares = {one.name: _shares(one, one.after, resamples) for one in found}
    before = _shares(found[0], found[0].before, resamples)
    metrics = [_p(tests, found), _regained(tests["unlearned"], found, shares, before)]
    metrics.append(_share(texts.BEFORE, before))
    for one in found:
        metrics.append(_share(texts.memory(one.name), shares[one.name]))
        metrics += [_gain(about(one.name), one, of, resamples) for about, of in GAINS]
    arrays = {"condition_p": tests["unlearned"].by_condition}
    return Result(
        tuple(metrics),
        arrays,
        control_and_noop.warnings("durability", models, {} if before is None else {texts.REGAINED: before}),
    )


def _why_not_probed(evidence: Evidence) -> str:
    return (
        "" if PROBE in evidence.probes else f"Not computed: it needs the weights of the models, for the probe {PROBE}."
    )


def _phi(answers: Answers) -> Values:
    return answers.phi


def _accuracy(answers: Answers) -> Values:
    return answers.accuracy


GAINS: tuple[tuple[Callable[[str], Description], Callable[[Answers], Values]], ...] = (
    (texts.gain, _phi),
    (texts.accuracy_gain, _accuracy),
)


def _tests(found: Sequence[Condition], rng: Callable[[str], np.random.Generator]) -> dict[str, Recovery]:
    """Test each row against all retrained models but its own."""
    rows = found[0].after
    others = {"unlearned": ("retrained", "control"), "control": ("retrained",), "noop": ("retrained", "control")}
    return {
        row: recovery_test.test(found, row, [name for name in others[row] if name in rows], rng("durability"))
        for row in ROWS
        if row in rows
    }


def _p(tests: Mapping[str, Recovery], found: Sequence[Condition]) -> Metric:
    about, own = texts.P, tests["unlearned"]
    value = {row: one.p for row, one in tests.items()}
    note = f"Smallest after {described(found[own.strongest].name)}."
    return Metric(
        about.name,
        own.p,
        about.direction,
        about.text,
        control=value.get("control"),
        noop=value.get("noop"),
        headline=about.headline,
        note=note,
    )


def _shares(condition: Condition, answers: Mapping[str, Answers], resamples: Resamples) -> Rows | None:
    """Return each row's share of the no-op's memory; None if that is no more than noise."""

    def mean(of: Mapping[str, Answers], row: str) -> Sampled:
        return resamples.mean(row, of[row].excess)

    if "noop" not in condition.before:
        return None
    whole = _minus(mean(condition.before, "noop"), mean(condition.before, "retrained"))
    if whole.replicates is None or not whole.value > Z95 * float(np.std(whole.replicates, ddof=1)):
        return None
    floor = 0.1 * whole.value  # few models: a resample may have hardly any memory
    scale = np.maximum(whole.replicates, floor)
    rows = {}
    for row in ROWS:
        if row in answers:
            left = _minus(mean(answers, row), mean(answers, "retrained"))
            rows[row] = Sampled(left.value / whole.value, None if left.replicates is None else left.replicates / scale)
    return Rows(**rows)


def _minus(one: Sampled, other: Sampled) -> Sampled:
    known = one.replicates is not None and other.replicates is not None
    return Sampled(one.value - other.value, one.replicates - other.replicates if known else None)  # type: ignore[operator]


NOTHING = "Not computed: originals remember no more of the forget set than retrained models, by more than chance."


def _share(about: Description, rows: Rows | None) -> Metric:
    return control_and_noop.missing(about, NOTHING) if rows is None else control_and_noop.metric(about, rows)


def _regained(
    test: Recovery, found: Sequence[Condition], shares: Mapping[str, Rows | None], before: Rows | None
) -> Metric:
    """Return the memory after the strongest condition, with an interval that holds for all conditions at once."""
    name = found[test.strongest].name
    rows = shares[name]
    if rows is None or rows.unlearned is None or before is None or before.unlearned is None:
        return control_and_noop.missing(texts.REGAINED, NOTHING)
    of_all = [one.unlearned for one in shares.values() if one is not None and one.unlearned is not None]
    note = f"After {described(name)}; before it: {100 * before.unlearned.value:.0f} %."
    return replace(
        control_and_noop.metric(texts.REGAINED, rows), interval=_simultaneous(rows.unlearned, of_all), note=note
    )


def _simultaneous(chosen: Sampled, of_all: Sequence[Sampled]) -> Interval | None:
    """Return the interval of one of several statistics, wide enough that all of theirs hold at once."""
    deviations = [
        np.abs(one.replicates - one.value) / one.sd for one in of_all if one.replicates is not None and one.sd
    ]
    if chosen.sd is None or not deviations:
        return None
    reach = float(np.quantile(np.max(deviations, axis=0), LEVEL)) * chosen.sd
    return Interval(chosen.value - reach, chosen.value + reach, LEVEL, f"{METHOD}, over all conditions at once")


def _gain(about: Description, condition: Condition, of: Callable[[Answers], Values], resamples: Resamples) -> Metric:
    """Return the mean change of each row, with that of retrained models in the note."""
    changes = {row: of(condition.after[row]) - of(condition.before[row]) for row in condition.after}
    rows = Rows(**{row: resamples.mean(row, change) for row, change in changes.items() if row != "retrained"})
    return replace(
        control_and_noop.metric(about, rows),
        position=None,
        note=f"Retrained models: {changes['retrained'].mean():+.3f}.",
    )
