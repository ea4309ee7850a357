"""Values or notes for any evidence: sizes, ties, constants, infinities, NaN, odd times, either precision."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evaluation import SPLITS, Evidence, Result
from harness_evaluators import before_after, efficiency, variance
from harness_evaluators.common.evidence_analysis import Analysis
from harness_evaluators.common.finite import LARGEST, finite
from tests.unit.evaluators.conftest import evidence_of, gaussian_evidence
from tests.unit.evaluators.every import EVERY, ON_LOGITS, POPULATIONS, complete, name_of, suited, usual
from tests.unit.evaluators.helpers import assert_well_formed, numbers
from tests.unit.evaluators.recovered import taken


def _sized(sizes: tuple[int, ...], examples: int, classes: int) -> Evidence:
    counts = dict(zip(POPULATIONS, sizes, strict=True))
    found = complete(gaussian_evidence(0.5, 1.0, counts, examples, classes))
    return replace(found, unlearned_from=np.arange(counts["unlearned"]) % counts["original"])


@pytest.mark.parametrize("module", EVERY, ids=name_of)
@settings(max_examples=5, deadline=None)
@given(sizes=st.tuples(*[st.integers(2, 64)] * 4), examples=st.integers(1, 12), classes=st.integers(2, 16))
def test_any_sizes_give_numbers_or_say_why_not(
    module: ModuleType, sizes: tuple[int, ...], examples: int, classes: int
) -> None:
    assert_well_formed(module.evaluate(suited(module, _sized(sizes, examples, classes))))


LEVELS = st.lists(st.sampled_from([-1e30, -200.0, -1.0, 0.0, 1.0, 200.0, 1e4, 1e30]), min_size=1, max_size=3)


@pytest.mark.parametrize("module", ON_LOGITS, ids=name_of)
@settings(max_examples=6, deadline=None)
@given(levels=LEVELS, size=st.integers(4, 20))
def test_ties_constants_and_certain_models_give_numbers(module: ModuleType, levels: list[float], size: int) -> None:
    """Few distinct values of phi, a single one among them, up to probabilities that are 0 or 1 in floating point."""
    rng = np.random.default_rng(size)
    phis = {name: {split: rng.choice(levels, size=(size, 12)) for split in SPLITS} for name in POPULATIONS}

    assert_well_formed(module.evaluate(suited(module, complete(evidence_of(phis)))))


def _with_odd(values: list[float], populations: tuple[str, ...], size: int, share: float = 0.3) -> Evidence:
    """Return evidence with some logits replaced by the given values."""
    rng = np.random.default_rng(size)
    evidence = usual(n_models=size, n_examples=14)
    logits = {}
    for name, by in evidence.logits.items():
        logits[name] = {split: array.copy() for split, array in by.items()}
        for array in logits[name].values() if name in populations else ():
            chosen = rng.random(array.shape) < share
            array[chosen] = rng.choice(np.array(values, dtype=np.float32), chosen.sum())
    return replace(evidence, logits=logits)


ODD = st.lists(st.sampled_from([np.inf, -np.inf, 3e38, -3e38, 1e-45, 0.0]), min_size=1, max_size=3)


@pytest.mark.parametrize("module", ON_LOGITS, ids=name_of)
@settings(max_examples=6, deadline=None)
@given(values=ODD, populations=st.sampled_from([POPULATIONS, ("unlearned",), ("retrained", "original")]))
def test_infinite_and_huge_logits_give_numbers(
    module: ModuleType, values: list[float], populations: tuple[str, ...]
) -> None:
    result = module.evaluate(suited(module, _with_odd(values, populations, 6)))

    assert_well_formed(result)
    assert any("infinite" in text for text in result.warnings) == any(abs(one) > 1e38 for one in values)


@pytest.mark.parametrize("module", ON_LOGITS, ids=name_of)
def test_a_model_whose_logits_are_no_numbers_is_left_out_and_counted(module: ModuleType) -> None:
    evidence = suited(module, usual(n_models=9))
    broken = evidence.logits["unlearned"]["test"].copy()
    broken[3, 5, 1] = np.nan
    logits = {**evidence.logits, "unlearned": {**evidence.logits["unlearned"], "test": broken}}
    left = np.delete(np.arange(9), 3)
    without = {split: array[left] for split, array in evidence.logits["unlearned"].items()}
    whole = replace(
        evidence,
        logits={**evidence.logits, "unlearned": without},
        unlearned_from=evidence.unlearned_from[left],
        probes=taken(evidence, {"unlearned": left}, {}),
    )

    result = module.evaluate(replace(evidence, logits=logits))

    assert result.metrics == module.evaluate(whole).metrics
    assert any("1 unlearned models" in text for text in result.warnings)


def _asked(evidence: Evidence) -> Evidence:
    """Add answers to two queries that differ from those to the exact pictures."""
    queries = {
        query: {name: by["forget"] + np.float32(change) for name, by in evidence.logits.items()}
        for query, change in (("flip", 0.25), ("bfloat16", 0.5))
    }
    return replace(evidence, queries=queries)


def _passed_on(evidence: Evidence) -> tuple[Evidence, tuple[str, ...]]:
    """Return the evidence that an evaluator receives, and the warnings of the result."""
    seen: list[Evidence] = []

    def evaluate(analysis: Analysis) -> Result:
        seen.append(analysis.evidence)
        return Result(())

    warnings = finite(evaluate)(evidence).warnings
    return seen[0], warnings


def test_a_model_whose_answers_to_one_query_are_no_numbers_is_left_out_everywhere() -> None:
    evidence = _asked(usual(n_models=9))
    broken = evidence.queries["flip"]["unlearned"].copy()
    broken[3, 5, 1] = np.nan
    queries = {**evidence.queries, "flip": {**evidence.queries["flip"], "unlearned": broken}}
    left = np.delete(np.arange(9), 3)

    mended, warnings = _passed_on(replace(evidence, queries=queries))

    assert any("1 unlearned models" in text for text in warnings)
    np.testing.assert_array_equal(mended.unlearned_from, evidence.unlearned_from[left])
    for split, logits in mended.logits["unlearned"].items():
        np.testing.assert_array_equal(logits, evidence.logits["unlearned"][split][left])
    for query, by in mended.queries.items():
        for name, logits in by.items():
            rows = left if name == "unlearned" else np.arange(9)
            np.testing.assert_array_equal(logits, evidence.queries[query][name][rows])
            assert not logits.flags.writeable


def test_infinite_answers_to_a_query_are_bounded() -> None:
    evidence = _asked(usual(n_models=5))
    endless = evidence.queries["bfloat16"]["control"].copy()
    endless[0, 0, 0] = np.inf
    queries = {**evidence.queries, "bfloat16": {**evidence.queries["bfloat16"], "control": endless}}

    mended, warnings = _passed_on(replace(evidence, queries=queries))

    assert any("infinite" in text for text in warnings)
    assert mended.queries["bfloat16"]["control"][0, 0, 0] == np.float32(LARGEST)
    assert len(mended.queries["bfloat16"]["control"]) == 5


def test_an_original_whose_logits_are_no_numbers_leaves_the_other_pairs_as_they_were() -> None:
    """The origins of unlearned models are row numbers, which change with the rows."""
    evidence = usual(n_models=9)
    broken = {split: array.copy() for split, array in evidence.logits["original"].items()}
    broken["forget"][0] = np.nan
    logits = {**evidence.logits, "original": broken}
    others = {name: {split: array[1:] for split, array in evidence.logits[name].items()} for name in POPULATIONS}
    eight = replace(evidence, logits={**others, "retrained": evidence.logits["retrained"]}, unlearned_from=np.arange(8))
    eight = replace(eight, logits={**eight.logits, "control": evidence.logits["control"]})

    found = before_after.evaluate(
        replace(evidence, logits={**logits, "unlearned": others["unlearned"]}, unlearned_from=np.arange(1, 9))
    )

    assert found.metrics == before_after.evaluate(eight).metrics
    assert_well_formed(before_after.evaluate(replace(evidence, logits=logits)))


@pytest.mark.parametrize("module", [efficiency, variance], ids=name_of)
@pytest.mark.parametrize("odd", [np.nan, np.inf, 0.0])
def test_odd_times_give_numbers_or_say_why_not(module: ModuleType, odd: float) -> None:
    """Of the evaluators that read times."""
    evidence = usual(n_models=5, n_examples=8)
    some, every = evidence.timings.unlearn_s.copy(), np.full(5, odd)
    some[2] = odd
    for unlearn_s, retrain_s in ((some, evidence.timings.retrain_s), (every, every)):
        times = replace(evidence.timings, unlearn_s=unlearn_s, retrain_s=retrain_s, peak_rss_mib=every)
        assert_well_formed(module.evaluate(replace(evidence, timings=times)))


@pytest.mark.parametrize("module", ON_LOGITS, ids=name_of)
def test_single_and_double_precision_logits_give_the_same_numbers(module: ModuleType) -> None:
    evidence = usual(n_models=10)
    double = {name: {s: a.astype(np.float64) for s, a in by.items()} for name, by in evidence.logits.items()}

    first, second = module.evaluate(evidence), module.evaluate(replace(evidence, logits=double))

    for one, other in zip(first.metrics, second.metrics, strict=True):
        assert numbers(one) == pytest.approx(numbers(other), rel=1e-4, abs=2e-5), one.name


@pytest.mark.parametrize("module", ON_LOGITS, ids=name_of)
def test_rounding_logits_to_single_precision_is_no_more_than_rounding(module: ModuleType) -> None:
    """Logits with all digits of double precision, and the same ones rounded: no metric hangs on the digits between."""
    evidence = usual(n_models=10)
    rng = np.random.default_rng(1)
    fine = {
        name: {s: a.astype(np.float64) * (1 + 2e-8 * rng.standard_normal(a.shape)) for s, a in by.items()}
        for name, by in evidence.logits.items()
    }
    rounded = {name: {s: a.astype(np.float32) for s, a in by.items()} for name, by in fine.items()}
    # Folds and resamples are drawn by a hash of rounded outputs, which is the same for both.
    first, second = (module.evaluate(replace(evidence, logits=logits)) for logits in (fine, rounded))

    for one, other in zip(first.metrics, second.metrics, strict=True):
        # Not the intervals: the point at which a distance is reached may be another one of equals.
        pair = [[x for x in (of.value, of.control, of.noop) if x is not None] for of in (one, other)]
        assert pair[0] == pytest.approx(pair[1], rel=1e-3, abs=1e-3), one.name
