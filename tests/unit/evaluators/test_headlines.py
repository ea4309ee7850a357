"""Which metrics a newcomer sees first."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from harness.evaluation import Evidence
from tests.unit.evaluators.every import EVERY, name_of

FIRST_SEEN = {
    "accuracy": {"retain", "forget", "test"},
    "difference": {"removed_auc", "outsider_auc"},
    "durability": {"recovery_p", "memory_regained"},
    "efficiency": {"ratio"},
    "forgetting": {"difference_p", "memory_left", "memory_bound"},
    "forgetting_quality": {"f_official"},
    "ks": {"mean_d"},
    "lira": {"auc", "direction"},
    "representation": {"feature_memory", "cka_excess"},
}
HEADLINES = [(module, FIRST_SEEN.get(name_of(module), set())) for module in EVERY]


@pytest.mark.parametrize(("module", "names"), HEADLINES, ids=[module.__name__ for module, _ in HEADLINES])
def test_the_headlines_are_few(gaussian: Callable[..., Evidence], module: ModuleType, names: set[str]) -> None:
    metrics = module.evaluate(gaussian(0.4, n_models=4, n_examples=12)).metrics

    assert {one.name for one in metrics if one.headline} == names


@pytest.mark.parametrize(("module", "names"), HEADLINES, ids=[module.__name__ for module, _ in HEADLINES])
def test_a_headline_begins_with_words_that_fit_a_line(
    gaussian: Callable[..., Evidence], module: ModuleType, names: set[str]
) -> None:
    metrics = module.evaluate(gaussian(0.4, n_models=4, n_examples=12)).metrics
    clauses = [one.description.split(":")[0] for one in metrics if one.name in names]

    assert all(len(clause) <= 64 for clause in clauses), clauses
