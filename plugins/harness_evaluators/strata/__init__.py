"""``strata``: the attack and the distances on the forget set, by how much the originals remember each example."""

from __future__ import annotations

from harness_evaluators.strata.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
