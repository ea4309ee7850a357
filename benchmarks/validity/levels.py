"""Unlearners of known quality: models that were truly trained with a share of the forget set.

Partial forgetting is made by construction: a model of the level 10 % was trained on retain and a tenth of forget, and has
nothing to do with any unlearning method. The tenth is the same for all models of the level, so that some examples are
fully remembered and the others are as in retrained models; it lies within the half of the level 50 %, and so on. It is
drawn by the unit that the task forgets: whole subjects where examples have subjects, since a person of whom one picture
is left is not forgotten in the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.tasks.task import Split, Task, TaskData
from reference_models.networks.recipe import derive_seed


@dataclass(frozen=True)
class Level:
    """One unlearner of known quality.

    Attributes:
        name: as in the tables.
        remembered: share of the forget set that its models were trained on, in [0, 1].
        is_original: whether its models are the originals themselves.
    """

    name: str
    remembered: float
    is_original: bool = False


RETRAIN, NOOP = Level("retrain", 0.0), Level("no-op", 1.0, is_original=True)
LEVELS = (RETRAIN, Level("10 %", 0.1), Level("50 %", 0.5), Level("90 %", 0.9), NOOP)
"""From perfect to nothing forgotten."""


def remembered_rows(forget: Split, share: float, seed: int) -> NDArray[np.int64]:
    """Which rows of the forget set a level's models are trained on, ascending; a larger share contains a smaller one.

    Args:
        forget: the forget set.
        share: of its subjects, or of its examples where it has no subjects; rounded to whole ones.
        seed: of the order in which they are taken.
    """
    units = forget.ids if forget.subjects is None else forget.subjects
    names = np.unique(units)
    order = np.random.default_rng(derive_seed("remembered", seed)).permutation(len(names))
    return np.flatnonzero(np.isin(units, names[order[: round(share * len(names))]])).astype(np.int64)


def joined(first: Split, second: Split) -> Split:
    """Concatenate two splits, without subjects and true labels, which training does not use."""
    return Split(
        ids=np.concatenate([first.ids, second.ids]),
        inputs=np.concatenate([first.images, second.images]),
        labels=np.concatenate([first.labels, second.labels]),
    )


def level_task(task: Task, level: Level) -> Task:
    """Return the task with a separate seed, so that no two levels or populations share models' seeds."""
    return replace(task, seed=derive_seed("validity", task.seed, level.remembered))


def level_data(data: TaskData, level: Level, seed: int) -> TaskData:
    """Return the data with the remembered examples appended to retain; forget is unchanged, as it is scored whole."""
    if level.remembered == 0:
        return data
    return replace(
        data, retain=joined(data.retain, data.forget.take(remembered_rows(data.forget, level.remembered, seed)))
    )
