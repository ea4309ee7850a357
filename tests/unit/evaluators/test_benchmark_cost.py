"""What a full benchmark costs, and accuracy by class."""

from __future__ import annotations

import numpy as np
import pytest

from harness_evaluators import accuracy, efficiency
from tests.unit.evaluators.conftest import evidence_of
from tests.unit.evaluators.helpers import assert_well_formed, metric, value

PHI = {"forget": np.zeros((4, 2))}


def test_a_full_benchmark_is_that_of_the_challenge() -> None:
    """512 models of 3 s on average are 1536 s; three reference populations of 512 at 30 s are 46080 s."""
    times = {"unlearn_s": np.array([1.0, 2.0, 6.0]), "retrain_s": np.array([20.0, 40.0])}

    result = efficiency.evaluate(evidence_of({"unlearned": PHI}, **times))

    assert value(result, "unlearn_total") == 9.0
    assert value(result, "full_benchmark") == pytest.approx(1536 / 3600)
    assert value(result, "full_benchmark_references") == pytest.approx(46080 / 3600)
    assert metric(result, "full_benchmark").interval is not None
    assert_well_formed(result)


def test_the_cost_is_unknown_where_nothing_was_measured() -> None:
    result = efficiency.evaluate(evidence_of({"unlearned": PHI}))

    for name in ("unlearn_total", "full_benchmark", "full_benchmark_references"):
        assert metric(result, name).value is None
    assert_well_formed(result)


def test_every_split_has_its_accuracy_by_class() -> None:
    """Class by class, and no classes but those that the split holds; positive phi is a right answer."""
    right = {"forget": np.tile([9.0, 9.0, -9.0, -9.0], (4, 1)), "test": np.tile([9.0, -9.0, -9.0], (4, 1))}
    names = ("original", "retrained", "control", "unlearned")
    evidence = evidence_of(dict.fromkeys(names, right), n_classes=3)

    arrays = accuracy.evaluate(evidence).arrays

    for split, phi in right.items():
        classes = arrays[f"{split}_classes"]
        assert set(classes) == set(evidence.labels[split])
        for label, share in zip(classes, arrays[f"{split}_per_class_unlearned"], strict=True):
            assert share == pytest.approx((phi[0][evidence.labels[split] == label] > 0).mean())
