"""Known answers of both tests: equal models, memory of known size, and models that hide their memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.evaluation import Evidence, Result, Timings
from harness_evaluators import forgetting
from harness_evaluators.forgetting import memory_regression
from tests.unit.evaluators.helpers import metric, value

Values = NDArray[np.float64]

N, FORGET, TEST, CLASSES = 24, 100, 200, 4


@dataclass(frozen=True)
class World:
    """Confidences of models on forget and test set, shape (N, FORGET + TEST), as of the bundled task ``faces``."""

    original: Values
    retrained: Values
    control: Values
    fresh: Values
    rng: np.random.Generator


def world(seed: int = 1, models: int = N) -> World:
    rng = np.random.default_rng(seed)
    size = FORGET + TEST
    level, spread = rng.normal(0, 2, size), np.exp(0.22 * rng.normal(size=size))

    def population() -> Values:
        common, own = rng.normal(size=(models, 1)), rng.normal(size=(models, size))
        return level + spread * (0.1 * common + 0.995 * own)

    original = population()
    original[:, :FORGET] += spread[:FORGET] * np.abs(rng.normal(1.4, 0.8, FORGET))
    return World(original, population(), population(), population(), rng)


def evidence(of: World, unlearned: Values, queries: Mapping[str, Mapping[str, Values]] | None = None) -> Evidence:
    labels = {"forget": np.arange(FORGET) % CLASSES, "test": np.arange(TEST) % CLASSES, "retain": np.arange(CLASSES)}
    phi = {"unlearned": unlearned, "retrained": of.retrained, "control": of.control, "original": of.original}
    logits = {
        name: {
            "forget": logits_of(values[:, :FORGET], labels["forget"], of.rng),
            "test": logits_of(values[:, FORGET:], labels["test"], of.rng),
            "retain": np.tile(5 * np.eye(CLASSES, dtype=np.float32), (len(values), 1, 1)),
        }
        for name, values in phi.items()
    }
    asked = {
        query: {name: logits_of(values, labels["forget"], of.rng) for name, values in by.items()}
        for query, by in (queries or {}).items()
    }
    for by_split in (*logits.values(), *asked.values()):
        for array in by_split.values():
            array.flags.writeable = False
    rows = np.arange(len(unlearned))
    times = Timings(np.ones(len(rows)), np.ones(3), 1.0, np.ones(len(rows)), np.ones(len(rows)))
    ids = {name: np.array([f"{name}{i}" for i in range(len(one))]) for name, one in labels.items()}
    return Evidence(CLASSES, ids, labels, logits, rows, times, 0, ("a", "b", "c", "d"), queries=asked)


def logits_of(phi: Values, labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return logits of exactly these confidences, with wrong classes that differ by model."""
    others = rng.normal(size=(*phi.shape, CLASSES))
    columns = np.arange(phi.shape[1])
    others[:, columns, labels] = -np.inf
    others -= np.log(np.exp(others).sum(axis=2, keepdims=True))
    others[:, columns, labels] = phi
    return others.astype(np.float32)


def found(of: World, unlearned: Values, **more: Mapping[str, Mapping[str, Values]]) -> Result:
    return forgetting.evaluate(evidence(of, unlearned, **more))


@pytest.fixture(scope="module")
def equal() -> list[Result]:
    """Return results for retrained models in place of unlearned ones, in 20 worlds."""
    return [found(one := world(seed), one.fresh) for seed in range(20)]


def test_equal_models_differ_no_more_often_than_the_level_says(equal: list[Result]) -> None:
    p = np.array([value(one, "difference_p") for one in equal])

    assert (p <= 0.05).sum() <= 3  # at a level of 5 %, 4 of 20 or more have a probability of 1.6 %
    assert 0.3 < p.mean() < 0.7


def test_of_equal_models_next_to_nothing_is_left(equal: list[Result]) -> None:
    left = np.array([value(one, "memory_left") for one in equal])
    ends = [metric(one, "memory_left").interval for one in equal]

    assert abs(left.mean()) < 0.015
    assert np.mean([end.low <= 0 <= end.high for end in ends if end is not None]) >= 0.85
    assert np.mean([value(one, "memory_bound") < 0.1 for one in equal]) >= 0.8


def test_of_originals_all_is_left() -> None:
    one = world()
    result = found(one, one.original)

    for name in ("memory_left", "memory_left_calibrated", "memory_left_worst"):
        assert value(result, name) == pytest.approx(1.0)
    assert value(result, "difference_p") == 0.001
    assert value(result, "shift") == pytest.approx(metric(result, "shift").noop)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_the_share_of_examples_that_are_left_is_what_is_said(share: float) -> None:
    one = world(3)
    unlearned = one.fresh.copy()
    kept = one.rng.permutation(FORGET)[: round(share * FORGET)]
    unlearned[:, kept] = one.original[:, kept]
    result = found(one, unlearned)
    arrays = result.arrays
    truth = arrays["example_memory"][kept].sum() / arrays["example_memory"].sum()

    assert value(result, "memory_left") == pytest.approx(truth, abs=0.05)
    assert value(result, "memory_bound") > truth
    assert value(result, "difference_p") == 0.001
    assert value(result, "named_remembered") > share / 4
    assert set(np.flatnonzero(arrays["example_p"] <= 0.05)) <= set(kept.tolist())


def test_the_error_counts_what_the_spread_of_each_example_adds() -> None:
    """Half of the examples are remembered, so that the slope hangs on the weight of each."""
    rng = np.random.default_rng(0)
    memory = np.abs(rng.normal(1.4, 0.8, 200))
    left = np.where(np.arange(200) < 100, memory, 0.0)
    none = np.full(16, -1)

    def drawn() -> memory_regression.Estimate:
        unlearned, original, retrained = (rng.normal(size=(size, 200)) for size in (16, 16, 32))
        return memory_regression.memory(
            memory_regression.standardised(unlearned + left, original + memory, retrained, none)
        ).slope

    found = [drawn() for _ in range(150)]
    true = np.std([one.value for one in found])

    assert 0.9 < np.sqrt(np.mean([one.error**2 for one in found])) / true < 1.3


def test_parts_of_the_slope_add_up_to_it() -> None:
    one = world()
    result = found(one, 0.5 * (one.fresh + one.original))
    arrays = result.arrays

    assert arrays["example_left"].sum() / arrays["example_memory"].sum() == pytest.approx(value(result, "memory_left"))


def scaled(models: Values, outlying: int, rest: float) -> Values:
    found = rest * models
    found[:outlying] *= 1e4 / rest
    return found


@pytest.mark.parametrize("rest", [0.2, 0.4, 0.55, 1.0])
@pytest.mark.parametrize("outlying", [0, 2])
def test_no_scale_of_logits_hides_what_is_left(rest: float, outlying: int) -> None:
    one = world()
    result = found(one, scaled(one.original, outlying, rest))

    assert value(result, "memory_left_calibrated") == pytest.approx(1.0)
    assert value(result, "memory_bound") >= 0.99
    if (rest, outlying) != (1.0, 0):
        assert value(result, "difference_p") == 0.001


def test_another_kind_of_model_differs_on_the_test_set_and_remembers_nothing() -> None:
    one = world()
    result = found(one, 0.5 * one.fresh - 0.5)
    interval = metric(result, "memory_left_calibrated").interval

    assert value(result, "placebo_p") == 0.001
    assert value(result, "excess_p") > 0.05
    assert value(result, "excess_wrong_p") > 0.05
    assert interval is not None
    assert interval.low < 0 < interval.high


def test_a_view_in_which_the_noop_remembers_nothing_gives_no_share_of_it() -> None:
    one = world()
    lifted = world().retrained + 2  # everywhere alike: as seen from the test set, nothing is remembered
    result = found(replace(one, original=lifted), one.fresh + 1)

    assert value(result, "memory_left") == pytest.approx(0.5, abs=0.15)
    assert value(result, "memory_left_worst") < 1.5
    assert metric(result, "memory_left_calibrated").value is None
    assert "not clearly above 0" in metric(result, "memory_left_calibrated").note


def test_a_temperature_does_not_hide_that_the_forget_set_stands_out() -> None:
    one = world()
    kept = one.fresh.copy()
    kept[:, :20] = one.original[:, :20]
    result = found(one, 0.5 * kept - 0.5)

    assert value(result, "placebo_p") == 0.001
    assert value(result, "excess_p") <= 0.005
    assert metric(result, "excess_p").noop == 0.001
    assert (metric(result, "excess_p").control or 0) > 0.05


@pytest.mark.parametrize("different", [1, 4, 12])
def test_copies_of_models_count_as_one(different: int) -> None:
    one = world()
    result = found(one, one.fresh[np.arange(N) % different])

    assert value(result, "effective_models") == pytest.approx(different)


def test_the_error_of_copies_of_one_model_is_that_of_one() -> None:
    one = world()
    result = found(one, np.repeat(one.fresh[:1], N, axis=0))
    interval = metric(result, "memory_left").interval

    assert value(result, "placebo_p") == 0.001
    assert value(result, "excess_p") > 0.05
    assert value(result, "difference_p") == 0.001
    assert interval is not None
    assert interval.high - interval.low > 0.15  # of one model; that of 24 would be a fifth


def test_a_mark_in_the_wrong_classes_is_seen() -> None:
    one = world()
    given = evidence(one, one.fresh)
    logits = {name: dict(by) for name, by in given.logits.items()}
    marked = logits["unlearned"]["forget"].copy()
    for row, label in enumerate(given.labels["forget"]):  # the class after the true one is always second
        classes = [k for k in range(CLASSES) if k != label]
        mark, top = (label + 1) % CLASSES, np.array(classes)[marked[:, row, classes].argmax(axis=1)]
        for model, best in enumerate(top):
            marked[model, row, [mark, best]] = marked[model, row, [best, mark]]
    marked.flags.writeable = False
    logits["unlearned"]["forget"] = marked
    before, after = (forgetting.evaluate(one) for one in (given, replace(given, logits=logits)))

    assert value(before, "difference_p") > 0.05
    assert value(after, "difference_p") == 0.001
    assert "wrong classes" in metric(after, "difference_p").note
    assert value(after, "memory_left") == pytest.approx(value(before, "memory_left"), abs=1e-3)


def test_models_whose_examples_move_together_differ() -> None:
    one = world()
    ranks = one.rng.permutation(N)
    assert value(found(one, np.sort(one.fresh, axis=0)[ranks]), "difference_p") == 0.001


def test_memory_that_shows_under_a_query_alone_is_seen() -> None:
    one = world()
    pictures = {"unlearned": one.fresh, "retrained": one.retrained, "control": one.control, "original": one.original}
    mirrored = {name: values[:, :FORGET] + 0.1 for name, values in pictures.items()}
    honest = found(one, one.fresh, queries={"flip": mirrored})
    hidden = found(one, one.fresh, queries={"flip": {**mirrored, "unlearned": one.original[:, :FORGET] + 0.1}})

    assert value(honest, "difference_p") > 0.05
    assert value(hidden, "difference_p") == 0.001
    assert abs(value(hidden, "memory_left")) < 0.05
    assert value(hidden, "memory_left_worst") == pytest.approx(1.0)
    assert value(hidden, "memory_bound") > 0.4


def test_a_temperature_does_not_hide_what_shows_under_a_query() -> None:
    one = world()
    pictures = {"unlearned": one.fresh, "retrained": one.retrained, "control": one.control, "original": one.original}
    mirrored = {name: values[:, :FORGET] for name, values in pictures.items()}
    hidden = {"flip": {**mirrored, "unlearned": 0.8 * one.original[:, :FORGET]}}
    result = found(one, 0.8 * one.fresh, queries=hidden)
    interval = metric(result, "memory_left_calibrated_queries").interval

    assert value(result, "placebo_p") <= 0.05
    assert abs(value(result, "memory_left_calibrated")) < 0.1
    assert interval is not None
    assert interval.low > 0.3


def test_a_query_that_not_all_populations_answered_is_left_out() -> None:
    one = world()
    result = found(one, one.fresh, queries={"flip": {"unlearned": one.fresh[:, :FORGET]}})

    assert metric(result, "memory_left_queries").value is None


def test_without_a_test_set_there_is_no_placebo_and_the_rest_remains() -> None:
    one = world()
    given = evidence(one, one.fresh)
    logits = {name: {"forget": by["forget"]} for name, by in given.logits.items()}
    result = forgetting.evaluate(replace(given, logits=logits))

    assert metric(result, "placebo_p").value is None
    assert metric(result, "memory_left_calibrated").value is None
    assert value(result, "difference_p") > 0.05


@pytest.mark.parametrize("missing", ["control", "original"])
def test_without_an_end_of_the_scale_the_other_remains(missing: str) -> None:
    one = world()
    given = evidence(one, one.fresh)
    none = {split: array[:0] for split, array in given.logits[missing].items()}
    result = forgetting.evaluate(replace(given, logits={**given.logits, missing: none}))

    assert value(result, "difference_p") > 0.05
    assert result.warnings
    assert (metric(result, "memory_left").value is None) is (missing == "original")


def test_retrained_models_that_do_not_vary_give_no_answer() -> None:
    one = world()
    same = np.repeat(one.retrained[:1], N, axis=0)
    result = found(replace(one, retrained=same, control=same), one.fresh)

    assert metric(result, "difference_p").value is None
    assert "do not vary" in metric(result, "difference_p").note
