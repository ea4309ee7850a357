"""Judging of a submission as a run of the harness would judge it: evaluators and verdict, in this process.

All that depends on the verdict's signature is in this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.deceptions.answers import Answers
from benchmarks.deceptions.model import Deception, Submission
from benchmarks.deceptions.populations import World
from harness.core.outcomes import ModelOutcome, Status
from harness.core.progress import SilentProgress
from harness.evaluation import Evidence, Timings
from harness.plugins.discovery import LoadedEvaluator, choose_evaluators
from harness.report.document import VerdictLevel
from harness.report.findings import Findings
from harness.report.results import EvaluatorRecord
from harness.report.verdict import decide_verdict
from harness.runs.evaluators import evaluate

VERDICT_FROM = "forgetting"


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
        records: of all evaluators that were run.
    """

    deception: Deception
    models: int
    level: VerdictLevel
    sentence: str
    memory_bound: float | None
    shift_bound: float | None
    left: float
    shift: float
    records: tuple[EvaluatorRecord, ...]

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


def evaluators(names: Sequence[str] = (VERDICT_FROM,)) -> list[LoadedEvaluator]:
    """Return the chosen evaluators, all where no name is given.

    Raises:
        RuntimeError: one is not usable.
    """
    found, broken = choose_evaluators(names)
    if broken:
        raise RuntimeError("\n".join(one.reason for one in broken))
    return list(found)


def judge(
    deception: Deception, world: World, rng: np.random.Generator, chosen: Sequence[LoadedEvaluator], seed: int = 0
) -> Judgement:
    """Make the submission and judge it.

    Raises:
        RuntimeError: an evaluator failed.
    """
    submission = deception.make(world, rng)
    evidence = evidence_of(submission, world, seed)
    records = evaluate(chosen, evidence, SilentProgress())
    errors = [f"{record.name}: {record.error}" for record in records if record.error]
    if errors:
        raise RuntimeError(f"{deception.name}: {'; '.join(errors)}")
    originals = (submission.world or world).original.models
    verdict = decide_verdict(records, _models(evidence, originals))
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
        records,
    )


def evidence_of(submission: Submission, world: World, seed: int = 0) -> Evidence:
    """Return the evidence that a run with these models would have."""
    world = submission.world or world
    populations: dict[str, Answers] = {
        "original": world.original,
        "retrained": world.retrained,
        "control": world.control,
        "unlearned": submission.answers,
    }
    models = submission.answers.models
    rows = np.arange(models, dtype=np.int64) if submission.rows is None else submission.rows
    unknown: NDArray[np.float64] = np.full(models, np.nan)
    logits = {name: dict(one.splits) for name, one in populations.items()}
    queries = {
        query: {name: one.queries[query] for name, one in populations.items()} for query in world.original.queries
    }
    for arrays in (*logits.values(), *queries.values()):
        for array in arrays.values():
            array.flags.writeable = False
    return Evidence(
        n_classes=world.n_classes,
        ids=world.ids,
        labels=world.labels,
        logits=logits,
        unlearned_from=rows,
        timings=Timings(unknown, np.zeros(0), None, unknown, unknown),
        seed=seed,
        class_names=tuple(str(one) for one in range(world.n_classes)),
        queries=queries,
    )


def _models(evidence: Evidence, originals: int) -> list[ModelOutcome]:
    finished = set(evidence.unlearned_from.tolist())
    return [
        ModelOutcome(index=row, original=row, seed=row, status=Status.OK if row in finished else Status.PLUGIN_ERROR)
        for row in range(originals)
    ]
