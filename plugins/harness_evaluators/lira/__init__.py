"""``lira``: the likelihood-ratio attack between unlearned and retrained models on the forget set."""

from __future__ import annotations

from harness_evaluators.lira.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
