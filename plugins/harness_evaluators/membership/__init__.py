"""``membership``: whether one model"s outputs tell forgotten from unseen examples."""

from __future__ import annotations

from harness_evaluators.membership.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
