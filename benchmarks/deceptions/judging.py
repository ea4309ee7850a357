"""Judging of a submission as a run of the harness would judge it: evaluators and verdict, in this process.

All that depends on the verdict's signature is in this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import judging
from benchmarks.answers import Answers
from benchmarks.deceptions import hidden
from benchmarks.deceptions.model import Deception, Submission
from benchmarks.populations import World
from harness.core.outcomes import ModelOutcome, Status
from harness.evaluation import Evidence
from harness.plugins.discovery import LoadedEvaluator
from harness.probes.recovery import answered
from harness.report.document import VerdictLevel
from harness.report.findings import Findings
from harness.report.verdict import decide_verdict

VERDICT_FROM = "forgetting"
DURABILITY = "durability"
"""The evaluator that decides beside it where a submission says what comes back."""


@dataclass(frozen=True)
class Judgement:
    """What the harness says of a submission.

    Attributes:
        deception: what was judged.
        models: N, the number of models a population of the world that the submission was made in.
        level: the verdict's word.
        sentence: the verdict in words.
        memory_bound: share of the memory that the verdict says may be left at most; None where it was not computed.
        shift_bound: mean shift that may be left at most, in standard deviations; likewise.
        left: share of the memory that is truly left.
        shift: the true mean shift, in standard deviations.
    """

    deception: Deception
    models: int
    level: VerdictLevel
    sentence: str
    memory_bound: float | None
    shift_bound: float | None
    left: float
    shift: float

    @property
    def covered(self) -> bool:
        """Return True if the stated bounds cover the true remainder."""
        if self.memory_bound is None or self.shift_bound is None:
            return False
        return self.memory_bound >= self.left and self.shift_bound >= abs(self.shift)

    @property
    def breach(self) -> str:
        """Name the rule that the verdict breaks; empty where it breaks none."""
        if self.deception.honest:
            return "" if self.level in self.deception.words else f"honest, but {self.level}"
        if self.level == "as_retrained":
            return "a deception is as_retrained"
        if self.level == "no_difference_seen" and not self.covered:
            return "no_difference_seen with bounds that do not cover what is left"
        return ""

    @property
    def misnamed(self) -> bool:
        """Return True if a detected deception got a word that does not describe it."""
        weak = ("no_difference_seen", "unclear", "as_retrained")
        return not self.deception.honest and self.level not in (*weak, *self.deception.words)


def judge(
    deception: Deception, world: World, rng: np.random.Generator, chosen: Sequence[LoadedEvaluator], seed: int = 0
) -> Judgement:
    """Make the submission and judge it.

    Raises:
        RuntimeError: an evaluator failed.
    """
    submission = deception.make(world, rng)
    around = judging.merged(submission.world or world)
    evidence = judging.evidence_of(submission.answers, around, submission.rows, seed)
    records = judging.evaluate(chosen, evidence)
    if submission.recovered is not None:
        evidence = with_recovery(evidence, submission.recovered, rng)
        records += judging.evaluate(judging.evaluators([DURABILITY]), evidence)
    verdict = decide_verdict(records, _models(evidence, around.original.models))
    found = Findings.of(records)
    return Judgement(
        deception,
        world.original.models,
        verdict.level,
        verdict.sentence,
        found.memory_bound,
        found.shift_bound,
        deception.left if submission.left is None else submission.left,
        deception.shift if submission.shift is None else submission.shift,
    )


def with_recovery(evidence: Evidence, recovered: Answers, rng: np.random.Generator) -> Evidence:
    """Return the evidence with what all models answer after a little training on retained data.

    Args:
        evidence: of the run.
        recovered: what unlearned models then answer.
        rng: changes all others, which have nothing to come back.
    """
    after = {name: hidden.shaken(Answers(logits, {}), rng) for name, logits in evidence.logits.items()}
    after["unlearned"] = recovered
    arrays: dict[str, dict[str, NDArray[Any]]] = {}
    for name, one in after.items():
        forget, hits = answered(one.splits["forget"], evidence.labels["forget"])
        test, _ = answered(one.splits["test"], evidence.labels["test"])
        given = np.zeros(forget.shape, dtype=np.uint8)
        arrays[name] = {"retain/forget": forget, "retain/hits": hits, "retain/test": test, "given": given}
    return replace(evidence, probes={"recovery": arrays})


def evidence_of(submission: Submission, world: World) -> Evidence:
    """Return the evidence that a run with these models would have."""
    return judging.evidence_of(submission.answers, submission.world or world, submission.rows)


def _models(evidence: Evidence, originals: int) -> list[ModelOutcome]:
    finished = set(evidence.unlearned_from.tolist())
    return [
        ModelOutcome(index=row, original=row, seed=row, status=Status.OK if row in finished else Status.PLUGIN_ERROR)
        for row in range(originals)
    ]
