"""Training, or finding in the cache, of everything that the study judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.answers import Answers
from benchmarks.validity.levels import LEVELS, Level, level_data, level_task
from harness.core.hardware import available_cores
from harness.core.progress import Progress
from harness.evaluation import SPLITS
from harness.references.identity import ROLES
from harness.references.populations import Population, References
from harness.references.queries import QueryPlan
from harness.tasks.task import Task, TaskData


@dataclass(frozen=True)
class Trained:
    """All models of the study on one task, N a population.

    Attributes:
        task: the task.
        data: its data.
        references: original, retrained and control.
        levels: the models of every level, on the task's own splits, by its name.
    """

    task: Task
    data: TaskData
    references: Mapping[str, Answers]
    levels: Mapping[str, Answers]

    @property
    def models(self) -> int:
        """Return the number of models of each population."""
        return self.references["original"].models


def train(task: Task, models: int, device: str, progress: Progress) -> Trained:
    """Train or read all populations; they are cached in chunks, so that a killed study can be continued.

    On the CPU as many populations are trained at once as there are cores.
    """
    data = task.load()
    jobs: dict[str, Callable[[], Population]] = {}
    for role in ROLES:
        jobs[role] = partial(References(task, data, device=device).population, role, models)
    for level in LEVELS:
        if not level.is_original:
            jobs[level.name] = partial(_level, task, data, level, models, device)
    at_once = 1 if device.startswith("cuda") else available_cores()
    with progress.step(f"training on {task.name}", len(jobs)) as step, ThreadPoolExecutor(at_once) as pool:

        def run(job: Callable[[], Population]) -> Population:
            population = job()
            step.advance()
            return population

        found = dict(zip(jobs, pool.map(run, jobs.values()), strict=True))
    answers = {name: Answers(one.logits, one.queries) for name, one in found.items()}
    levels = {level.name: answers["original" if level.is_original else level.name] for level in LEVELS}
    return Trained(task, data, {role: answers[role] for role in ROLES}, levels)


def _level(task: Task, data: TaskData, level: Level, models: int, device: str) -> Population:
    """Train models of a level, and return their outputs on the task's own splits."""
    population = references_of(task, data, level, device).population("retrained", models)
    rows = {name: len(data.split(name)) for name in SPLITS}
    return replace(population, logits={name: population.logits[name][:, : rows[name]] for name in SPLITS})


def references_of(task: Task, data: TaskData, level: Level, device: str) -> References:
    """Return the references whose "retrained" models are a level's: their retain set holds what the level remembers.

    They are queried as the task's other models are, with the same noise.
    """
    plan = QueryPlan.of(task.recipe, task.model_spec(data), data.digest())
    return References(level_task(task, level), level_data(data, level, task.seed), device=device, queries=plan)
