"""``before_after``: membership inference by an attacker who holds the models before and after unlearning."""

from __future__ import annotations

from harness_evaluators.before_after.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
