"""``before_after``: what somebody with the models before and after unlearning can infer about who was forgotten."""

from __future__ import annotations

from harness_evaluators.before_after.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
