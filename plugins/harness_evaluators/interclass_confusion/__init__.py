"""``interclass_confusion``: effects of mislabelled examples that remain after these were forgotten."""

from __future__ import annotations

from harness_evaluators.interclass_confusion.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
