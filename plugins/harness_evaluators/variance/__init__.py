"""``variance``: the variance of unlearned models, split into the original's seed and the method's own."""

from __future__ import annotations

from harness_evaluators.variance.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
