"""Failed models that count as their originals."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.outcomes import ModelOutcome, Status
from harness.evaluation import Evidence, Timings
from harness.runs.substitution import with_originals

MODELS, EXAMPLES, CLASSES = 3, 5, 4


def logits(seed: int, models: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(models, EXAMPLES, CLASSES)).astype(np.float32)


@pytest.fixture
def outcomes() -> list[ModelOutcome]:
    ends = (Status.OK, Status.TIMEOUT, Status.OK, Status.OOM)
    return [
        ModelOutcome(n, n, end, original=original)
        for n, (end, original) in enumerate(zip(ends, (0, 1, 2, 0), strict=True))
    ]


@pytest.fixture
def evidence() -> Evidence:
    splits = ("forget", "test")
    return Evidence(
        n_classes=CLASSES,
        ids={},
        labels={},
        logits={
            "original": {split: logits(n, MODELS) for n, split in enumerate(splits)},
            "unlearned": {split: logits(10 + n, 2) for n, split in enumerate(splits)},
        },
        unlearned_from=np.array([0, 2]),
        timings=Timings(np.array([0.5, 0.7]), np.array([2.0]), 1.0, np.array([10.0, 11.0]), np.array([np.nan, np.nan])),
        queries={"flip": {"original": logits(20, MODELS), "unlearned": logits(21, 2), "control": logits(22, MODELS)}},
    )


@pytest.mark.parametrize("split", ["forget", "test"])
def test_a_failed_models_row_is_its_originals(evidence: Evidence, outcomes: list[ModelOutcome], split: str) -> None:
    filled = with_originals(evidence, outcomes)

    original, unlearned = evidence.logits["original"][split], evidence.logits["unlearned"][split]
    np.testing.assert_array_equal(
        filled.logits["unlearned"][split], np.stack([unlearned[0], original[1], unlearned[1], original[0]])
    )
    assert not filled.logits["unlearned"][split].flags.writeable
    np.testing.assert_array_equal(filled.unlearned_from, [0, 1, 2, 0])


def test_queries_are_the_originals_too_and_other_populations_stay(
    evidence: Evidence, outcomes: list[ModelOutcome]
) -> None:
    found, before = with_originals(evidence, outcomes).queries["flip"], evidence.queries["flip"]

    np.testing.assert_array_equal(
        found["unlearned"],
        np.stack([before["unlearned"][0], before["original"][1], before["unlearned"][1], before["original"][0]]),
    )
    assert np.shares_memory(found["control"], before["control"])
    assert np.shares_memory(found["original"], before["original"])


def test_times_and_memory_of_failed_models_are_unknown(evidence: Evidence, outcomes: list[ModelOutcome]) -> None:
    timings = with_originals(evidence, outcomes).timings

    np.testing.assert_array_equal(timings.unlearn_s, [0.5, np.nan, 0.7, np.nan])
    np.testing.assert_array_equal(timings.peak_rss_mib, [10.0, np.nan, 11.0, np.nan])
    assert timings.unlearn_examples.size == 0


def test_where_no_model_failed_nothing_changes(evidence: Evidence, outcomes: list[ModelOutcome]) -> None:
    finished = [one for one in outcomes if one.status.finished]

    filled = with_originals(evidence, finished)

    for split in ("forget", "test"):
        np.testing.assert_array_equal(filled.logits["unlearned"][split], evidence.logits["unlearned"][split])
