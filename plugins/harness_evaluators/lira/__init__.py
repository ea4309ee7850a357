"""``lira``: how well a likelihood-ratio attack tells the unlearned models from retrained ones on the forget set."""

from __future__ import annotations

from harness_evaluators.lira.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
