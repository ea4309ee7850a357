"""``forgetting``: the two questions of the verdict. Do unlearned models differ from retrained ones? How much is left?"""

from __future__ import annotations

from harness_evaluators.forgetting.evaluator import evaluate, harness_evaluator, memory_bound, shift_bound

__all__ = ["evaluate", "harness_evaluator", "memory_bound", "shift_bound"]
