"""``durability``: whether the memory of the forget set comes back after small changes of the weights."""

from __future__ import annotations

from harness_evaluators.durability.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
