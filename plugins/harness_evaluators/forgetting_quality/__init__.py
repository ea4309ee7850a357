"""``forgetting_quality``: the metric of the NeurIPS 2023 Machine Unlearning Challenge, calibrated."""

from __future__ import annotations

from harness_evaluators.forgetting_quality.evaluator import epsilons, evaluate, harness_evaluator, points

__all__ = ["epsilons", "evaluate", "harness_evaluator", "points"]
