"""The task that options are tuned on: the final task with another forget set and other models.

Nothing that the final run is judged by is used: the examples to forget are drawn from those that the final run keeps, all models
are trained from another seed, and utility is measured on the validation set. The splits are the same, so that the test set
trains no model here either.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UsageError
from harness.tasks.checking import load_data
from harness.tasks.loading import task_from_definition
from harness.tasks.splitting import seeded_order
from harness.tasks.task import Task, TaskData

SEED_STEP = 1_000_003
"""Added to the task's seed."""
PURPOSE = "tuning"


def tuning_task(task: Task) -> Task:
    """Return the task to tune on: as many examples (subjects, or examples of another class) to forget, other populations.

    Raises:
        UsageError: the task has no definition, is a stream, or its forget set has no equivalent.
    """
    rule = dict(task.definition.get("forget") or {})  # type: ignore[call-overload]
    unfit = task.folder is None or task.deletions or rule.get("by") in (None, "corrupted", "similar")
    if unfit or "never_trained" in task.definition:
        raise UsageError(
            f"{task.name} has no equivalent with another forget set; tune on a task whose forget set is random, a class, "
            "subjects, ids, or chosen by a score."
        )
    if rule["by"] in ("memorised", "easy", "influential"):
        raise UsageError(
            f"The forget set of {task.name} is chosen by models, and another one would not be like it; tune on a task with "
            "a random forget set."
        )
    ids = _ids(rule, load_data(task), task)
    changes = {
        "name": f"{task.name[:57]}-tuning",
        "forget": {"by": "ids", "ids": ids},
        "seed": (task.seed + SEED_STEP) % 2**31,
    }
    definition = json.dumps({**task.definition, **changes})
    made = task_from_definition(definition, f"{task.name}, for tuning", task.folder or Path())
    return replace(made, models=task.models)


def _ids(rule: dict[str, Any], data: TaskData, task: Task) -> list[str]:
    """Return the ids of examples that the final run keeps, as many and of the same kind as it forgets."""
    kept, forget = data.retain, data.forget
    if rule["by"] == "subject" and kept.subjects is not None and forget.subjects is not None:
        units, count = kept.subjects, len(set(forget.subjects.tolist()))
    elif rule["by"] == "class":
        return _of_another_class(data, task)
    else:
        units, count = kept.ids, len(forget)
    names = sorted(set(units.tolist()))
    if count >= len(names):
        raise UsageError(f"{task.name} keeps too little to draw another forget set of the same size from.")
    order = seeded_order(np.array(names), seed=task.seed, purpose=PURPOSE)
    chosen = {names[place] for place in order[:count]}
    return [str(name) for name, unit in zip(kept.ids, units, strict=True) if str(unit) in chosen]


def _of_another_class(data: TaskData, task: Task) -> list[str]:
    """Return as many ids of the class that the final run keeps most examples of, beside those it forgets."""
    gone, kept = set(data.forget.labels.tolist()), data.retain
    counts = {label: int((kept.labels == label).sum()) for label in set(kept.labels.tolist()) - gone}
    if len(counts) < 2:
        raise UsageError(f"{task.name} has no other class to forget instead, beside those that stay.")
    label = max(sorted(counts), key=lambda one: counts[one])
    members = kept.ids[kept.labels == label]
    order = seeded_order(members, seed=task.seed, purpose=PURPOSE)
    return sorted(str(members[place]) for place in order[: len(data.forget)])
