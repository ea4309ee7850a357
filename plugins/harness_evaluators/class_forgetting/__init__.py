"""``class_forgetting``: attacks on models that were to forget whole classes."""

from __future__ import annotations

from harness_evaluators.class_forgetting.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
