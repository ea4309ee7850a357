"""``klom``: KL divergence of margins between unlearned and retrained models, as quantiles over each split."""

from __future__ import annotations

from harness_evaluators.klom.evaluator import evaluate, harness_evaluator

__all__ = ["evaluate", "harness_evaluator"]
