"""``variance``: how much of the spread of unlearned models comes from the original"s seed, how much from the method"s own."""

from __future__ import annotations

from harness_evaluators.variance.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
