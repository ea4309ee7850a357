"""The populations of a request of a stream: it begins with the models that the request before returned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from harness.core.cache import key_of
from harness.core.files import atomic_write_bytes
from harness.core.progress import Progress
from harness.core.reading import foreign
from harness.errors import RunNotFoundError
from harness.evaluation import SPLITS
from harness.references.identity import member_seeds
from harness.references.populations import Population, References
from harness.references.queries import key
from harness.runs.config import RunConfig
from harness.runs.scoring import logits_of
from harness.runs.store import WEIGHTS, RunStore
from harness.tasks.deletions import rows_of
from harness.tasks.task import Request, Task

ORIGINALS = "originals.safetensors"
"""File in the run folder of a later request: the logits of the models that it begins with, by split and query, (N, n, C)."""


def request_folder(stream: Path, number: int) -> Path:
    """Return the run folder of a request."""
    return stream / f"request-{number}"


def originals_of(config: RunConfig, task: Task) -> int:
    """Return the number of models that a run unlearns, before repeats: at a request of a stream, of those that are left."""
    left = () if task.request is None else task.request.models
    return len(left) or config.models or task.models


def populations_of(references: References, models: int, progress: Progress, folder: Path) -> dict[str, Population]:
    """Return the populations of a run; at a request of a stream, their logits on the forget set are those of its examples.

    Args:
        references: reference models of the task.
        models: number of retrained models and controls, and of originals if they are trained.
        progress: shows training.
        folder: the run folder.

    Raises:
        RunNotFoundError: the models that the request before returned are missing.
    """
    found = references.populations(models, progress)
    request = references.task.request
    if request is None:
        return found
    if request.number > 1:
        found = {"original": returned_before(references, request, models, progress, folder), **found}
    rows = rows_of(references.data, request)
    return {role: at_rows(one, rows) for role, one in found.items()}


def at_rows(population: Population, rows: NDArray[np.int64] | slice) -> Population:
    """Return a population with its logits on some examples of the forget set alone."""
    logits = {**population.logits, "forget": population.logits["forget"][:, rows]}
    return replace(
        population, logits=logits, queries={name: array[:, rows] for name, array in population.queries.items()}
    )


def returned_before(
    references: References, request: Request, models: int, progress: Progress, folder: Path
) -> Population:
    """Return the models that the request before returned, with logits on the examples of this request's reference models.

    The logits are stored in the run folder; the weights are read from that of the request before, if it is still there.
    """
    before = request_folder(folder.parent, request.number - 1)
    places = _places(before, request)
    stored = folder / ORIGINALS
    kept = all((before / "models" / f"{index:04d}" / WEIGHTS).exists() for index in places)
    if not kept and not stored.exists():
        raise RunNotFoundError(
            f"The models that request {request.number - 1} returned are not in {before}. Run the whole stream again."
        )
    store = RunStore(before)
    if not stored.exists():
        pictures, answers = references.query_pictures(), []
        with progress.step("computing logits", len(places)) as step:
            for index in places:
                state = store.weights(index)
                answers.append(logits_of(references.spec, state, references.data, references.device, pictures))
                step.advance()
        atomic_write_bytes(stored, save({name: np.stack([one[name] for one in answers]) for name in answers[0]}))
    logits = read_logits(stored)
    seeds = member_seeds(references.task, "original", models)
    return Population(
        "original",
        tuple(seeds[chain] for chain in request.models),
        {name: logits[name] for name in SPLITS},
        (lambda index: store.weights(places[index])) if kept else None,
        (key_of({"run": request.previous, "models": list(request.models)}),),
        from_cache=False,
        queries={name: logits[key(name)] for name in references.queries.names},
        kept=tuple(store.plugin_state(index) for index in places) if kept else (),
    )


def _places(before: Path, request: Request) -> list[int]:
    """Return the indices, in the run of the request before, of the models that are left."""
    had = models_of(before, max(request.models) + 1)
    return [had.index(chain) for chain in request.models]


def models_of(folder: Path, models: int) -> tuple[int, ...]:
    """Return which models of the first request a request's run unlearns, by index; all of ``models`` if it is the first."""
    kept = RunStore.open(folder).read_run()["task"]["request"]
    return tuple(kept["models"]) or tuple(range(models))


def read_logits(file: Path) -> Mapping[str, NDArray[np.float32]]:
    """Return the content of :data:`ORIGINALS`; raise RunNotFoundError if it is damaged."""
    advice = "Remove it, and resume the stream."
    with foreign(f"{file} is damaged", RunNotFoundError, advice):
        return load(file.read_bytes())
