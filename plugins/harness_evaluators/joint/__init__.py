"""``joint``: whole models compared: a permutation test, and what it says of (epsilon, delta)."""

from __future__ import annotations

from harness_evaluators.joint.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
