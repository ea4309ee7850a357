"""``forgetting``: the two tests of the verdict, for any difference and for the share of memory that is left."""

from __future__ import annotations

from harness_evaluators.forgetting.evaluator import evaluate, harness_evaluator, memory_bound, shift_bound

__all__ = ["evaluate", "harness_evaluator", "memory_bound", "shift_bound"]
