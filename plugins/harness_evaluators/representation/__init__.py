"""``representation``: what is left in the features of the models, whatever their last layer makes of them."""

from __future__ import annotations

from harness_evaluators.representation.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
