"""``collateral``: what unlearning changes for retained examples: the likelihood-ratio attack, and their own membership."""

from __future__ import annotations

from harness_evaluators.collateral.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
