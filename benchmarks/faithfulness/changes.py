"""Changes of finished models that add and remove no knowledge of the forget set.

============  ================================================================================================================
change        what happens to every model that is judged; the models that it is compared with are not changed
============  ================================================================================================================
``as is``     nothing
``softer``    logits times 1/2, as by a temperature of 2
``sharper``   logits times 2, as by a temperature of 1/2
``8 bits``    every weight and running statistic is rounded to 8 bits
``4 bits``    likewise to 4 bits
``relearn``   one more epoch on the retain set alone, at a tenth of the recipe's peak learning rate
============  ================================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.numpy import load_file

from benchmarks.answers import Answers, scaled
from benchmarks.validity.levels import Level
from benchmarks.validity.populations import references_of
from harness.core.cache import Cache
from harness.evaluation import SPLITS
from harness.probes import recovery
from harness.references.identity import training_code_digest
from harness.references.populations import Chunk, References
from harness.references.queries import answers, queries_in
from harness.references.worker_pool import WEIGHTS
from harness.tasks.task import Task, TaskData
from reference_models.networks.recipe import Recipe, derive_seed, to_json
from reference_models.training.loop import train_chunk
from reference_models.training.prediction import stacked_logits

if TYPE_CHECKING:
    from reference_models.training.states import StackedState

SLOWER = 0.1
"""Learning rate of relearning, as a share of the recipe's peak."""
FILE = "logits.npz"


def rounded(state: StackedState, bits: int) -> StackedState:
    """Round all floating-point tensors of each model, running statistics included, one scale for each tensor."""
    return {name: recovery.rounded(one, bits) if one.is_floating_point() else one for name, one in state.items()}


def relearned(state: StackedState, own: References, data: TaskData, seeds: tuple[int, ...]) -> StackedState:
    """Train the models for one epoch more on the retain set of ``data``."""
    recipe = own.task.recipe
    slow: Recipe = replace(recipe, epochs=1, lr=SLOWER * recipe.lr, schedule="constant")
    again = [derive_seed("relearn", seed) for seed in seeds]
    inputs = np.asarray(data.retain.inputs[:])
    return train_chunk(own.spec, slow, inputs, data.retain.labels, again, initial=state)


OF_WEIGHTS: Mapping[str, Callable[[StackedState, References, TaskData, tuple[int, ...]], StackedState]] = {
    "8 bits": lambda state, *_: rounded(state, 8),
    "4 bits": lambda state, *_: rounded(state, 4),
    "relearn": relearned,
}
OF_LOGITS: Mapping[str, float] = {"softer": 0.5, "sharper": 2.0}
AS_IS = "as is"
CHANGES = (AS_IS, *OF_LOGITS, *OF_WEIGHTS)


def changed(task: Task, data: TaskData, level: Level, models: int, plain: Answers) -> dict[str, Answers]:
    """Return the outputs of a level's models by change, on the task's own splits.

    Args:
        task, data: the task.
        level: not that of the originals.
        models: number of models.
        plain: their outputs without a change.
    """
    labels = {name: data.split(name).labels for name in SPLITS}
    found = {AS_IS: plain}
    found |= {name: plain.everywhere(scaled(factor), labels) for name, factor in OF_LOGITS.items()}
    own = references_of(task, data, level, "cpu")
    for name in OF_WEIGHTS:
        parts = [_chunk(own, data, chunk, name) for chunk in own.chunks("retrained", models)]
        found[name] = parts[0]
        for part in parts[1:]:
            found[name] = found[name].joined(part)
    return found


def _chunk(own: References, data: TaskData, chunk: Chunk, change: str) -> Answers:
    """Return the outputs of one chunk under a change of weights; they are cached."""

    def build(folder: Path) -> None:
        source, _ = own.folder(chunk)
        weights = {name: torch.from_numpy(array) for name, array in load_file(source / WEIGHTS).items()}
        state = OF_WEIGHTS[change](weights, own, data, tuple(chunk.inputs["seeds"]))
        logits = {name: stacked_logits(own.spec, state, data.split(name).inputs) for name in SPLITS}
        pictures = own.queries.pictures(own.spec, np.asarray(data.forget.inputs[:]))
        np.savez(folder / FILE, **logits, **answers(own.spec, state, pictures, "cpu"))

    inputs = {
        "format": 1,
        "task": own.task.name,
        "chunk": own.key(chunk),
        "data": data.digest(),
        "change": change,
        "recipe": to_json(own.task.recipe),
        "code": training_code_digest(records=False),
        "lr": SLOWER,
    }
    folder, _ = Cache("faithfulness").get_or_build(inputs, build)
    with np.load(folder / FILE) as file:
        arrays = {name: file[name] for name in file.files}
    return Answers({name: arrays[name] for name in SPLITS}, queries_in(arrays))
