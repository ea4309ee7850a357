"""``interclass_confusion``: whether what wrong labels taught is gone, in a task that forgets mislabelled examples."""

from __future__ import annotations

from harness_evaluators.interclass_confusion.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
