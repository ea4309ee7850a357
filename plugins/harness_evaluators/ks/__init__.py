"""``ks``: how far apart the outputs of unlearned and retrained models are, example by example."""

from __future__ import annotations

from harness_evaluators.ks.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
