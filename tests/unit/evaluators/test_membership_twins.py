"""Compiled parts of single models' attacks give what NumPy gives, however numbers lie in memory and however large they are."""

from __future__ import annotations

import numpy as np
import pytest

from harness_evaluators import _shared, _simple_mia, _threshold_mia

pytest.importorskip("numba")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("size", [6, 30, 300])
def test_accuracies_are_the_same(order: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the largest loss is tested and where it is not, and where a fit without the tested examples goes far."""
    rng = np.random.default_rng(size)
    unseen, forgotten = rng.exponential(1.0, (9, size)), rng.exponential(np.geomspace(0.01, 50, 9)[:, None], (9, size))
    sides = [np.asarray(side, order=order) for side in (unseen, forgotten)]
    splits = _simple_mia.shuffle_splits(size, rng)
    by_numpy = _simple_mia.accuracies(*sides, splits)
    monkeypatch.setattr(_shared, "LEAST", 0)

    assert _simple_mia.accuracies(*sides, splits) == pytest.approx(by_numpy, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 300.0, 1e4])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_thresholds_see_the_same_features_however_sure_models_are(
    scale: float, n_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With equal logits among them, and with a number of examples that no tile divides."""
    rng = np.random.default_rng(0)
    logits = (scale * rng.standard_normal((3, 301, n_classes))).astype(np.float32)
    logits[:, ::5, 1] = logits[:, ::5, 0]
    labels, models, examples = rng.integers(n_classes, size=200), np.array([2, 0]), rng.permutation(301)[:200]
    by_numpy = _threshold_mia.features_of(logits, models, examples, labels)
    monkeypatch.setattr(_shared, "LEAST", 0)

    found = _threshold_mia.features_of(logits, models, examples, labels)

    assert found == pytest.approx(by_numpy, rel=1e-11, abs=1e-12)


def test_ties_do_not_decide_where_a_threshold_lies() -> None:
    """Members and others in any order among equal scores."""
    rng = np.random.default_rng(0)
    members, others = rng.integers(0, 6, 400) + 0.5, rng.integers(-1, 5, 300) + 0.5
    thresholds = {
        _threshold_mia.best_threshold(rng.permutation(members), rng.permutation(others), np.ones(300))
        for _ in range(20)
    }

    assert len(thresholds) == 1
