"""Columns of wrong classes, compared with a plain computation for several block sizes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from harness.evaluation import Population
from harness_evaluators.common.evidence_analysis import Analysis
from harness_evaluators.forgetting import features
from tests.unit.evaluators.every import usual

PAIR: tuple[Population, Population] = ("unlearned", "retrained")


def _wrong(logits: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    return [np.delete(logits[:, example], label, axis=1) for example, label in enumerate(labels)]


@pytest.mark.parametrize("block", [1, 500, 10_000_000])
@pytest.mark.parametrize("most", [30, 8192])
def test_those_that_vary_most_are_taken(monkeypatch: pytest.MonkeyPatch, block: int, most: int) -> None:
    monkeypatch.setattr(features, "BLOCK", block)
    monkeypatch.setattr(features, "MOST_COLUMNS", most)
    evidence = usual(n_models=8)
    models = Analysis(evidence).models

    found = features.wrong_classes(models, PAIR, 6)

    sides = [evidence.logits[name]["forget"][models.whole[name][:6]] for name in PAIR]
    every = np.concatenate(_wrong(np.concatenate(sides), evidence.labels["forget"]), axis=1)
    centred = (every.reshape(12, -1, 3) - every.reshape(12, -1, 3).mean(axis=2, keepdims=True)).reshape(12, -1)
    expected = centred[:, np.sort(np.argsort(-centred.var(axis=0), kind="stable")[:most])]
    assert found.shape == (12, min(most, every.shape[1]))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("block", [1, 500, 10_000_000])
def test_places_are_ranks_among_wrong_classes(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(features, "BLOCK", block)
    evidence = usual(n_models=8)
    models, rows = Analysis(evidence).models, np.array([3, 0, 5])

    found = features.order_of_wrong_classes(models, "control", "test", rows, 7, 2)

    labels = evidence.labels["test"][rows]
    logits = evidence.logits["control"]["test"][models.whole["control"][:7]][:, rows]
    for example, label in enumerate(labels):
        following = [(label + step) % 4 for step in (1, 2, 3)]
        ranks = rankdata(logits[:, example, following], axis=1)
        np.testing.assert_allclose(found[:, example], 2 * (ranks - 2)[:, :2])
