"""``membership``: membership inference on single models, forgotten against unseen examples."""

from __future__ import annotations

from harness_evaluators.membership.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
