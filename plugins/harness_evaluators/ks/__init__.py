"""``ks``: distances between the output distributions of unlearned and retrained models, example by example."""

from __future__ import annotations

from harness_evaluators.ks.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
