"""``difference``: what a holder of the models before and after learns from their weights, and one who has only the second."""

from __future__ import annotations

from harness_evaluators.difference.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
