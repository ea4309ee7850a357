"""Computation of a probe for some models, in this process on a GPU, in a worker process on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from harness.core.room import stacked
from harness.core.tensors import map_tensors, write_tensors
from harness.probes.probe import OnStep, ProbeInputs
from harness.probes.registry import PROBES
from reference_models.networks.recipe import model_spec_from_json, recipe_from_json

if TYPE_CHECKING:
    from reference_models.training.states import State

RESULTS = "probe.safetensors"


@dataclass(frozen=True)
class ProbeJob:
    """Arguments of a probe for K models, as JSON values.

    Attributes:
        probe: name of the probe.
        data_file, model, recipe, sizes, device, site: as in :class:`harness.references.worker_pool.TrainingJob`.
        weights: a safetensors file of the state of each model; or one file, if ``stacked``.
        seeds: a seed of each model.
        stacked: the file has the states of all models, and perhaps of more.
        options: of the probe.
        originals: file of a chunk and row of the original of each model; empty unless the probe is paired.
    """

    probe: str
    data_file: str
    model: dict[str, Any]
    recipe: dict[str, Any]
    sizes: dict[str, int]
    weights: list[str]
    seeds: list[int]
    device: str
    stacked: bool
    options: dict[str, Any] = field(default_factory=dict)
    site: str | None = None
    originals: list[tuple[str, int]] = field(default_factory=list)


def probe_into(folder: Path, job: ProbeJob, arrays: Mapping[str, NDArray[Any]], on_step: OnStep) -> None:
    """Compute a probe; write its arrays, first axis K, as :data:`RESULTS`."""
    import torch

    state = {name: torch.from_numpy(array) for name, array in stacked(_states(job), len(job.seeds)).items()}
    given = ProbeInputs(
        spec=model_spec_from_json(job.model),
        recipe=recipe_from_json(job.recipe),
        inputs=_by_split(arrays["inputs"], job.sizes),
        labels=_by_split(arrays["labels"], job.sizes),
        seeds=job.seeds,
        options=job.options,
        device=job.device,
        on_step=on_step,
        original=_original_of(job),
    )
    write_tensors(folder / RESULTS, PROBES[job.probe].compute(given, state))


def _states(job: ProbeJob) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the states of as many models as there are seeds."""
    if job.stacked:
        arrays = map_tensors(Path(job.weights[0]))
        return ({name: array[row] for name, array in arrays.items()} for row in range(len(job.seeds)))
    return (load_file(path) for path in job.weights)


def _original_of(job: ProbeJob) -> Callable[[int], State] | None:
    """Return a function that reads the state of a model's original; None if the probe is not paired."""
    if not job.originals:
        return None
    return partial(_original, {file: map_tensors(Path(file)) for file, _ in job.originals}, job.originals)


def _original(
    chunks: Mapping[str, Mapping[str, NDArray[Any]]], originals: Sequence[tuple[str, int]], row: int
) -> State:
    import torch

    file, member = originals[row]
    return {name: torch.from_numpy(np.array(array[member])) for name, array in chunks[file].items()}


def _by_split(joined: NDArray[Any], sizes: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    return dict(zip(sizes, np.split(joined, np.cumsum(list(sizes.values()))[:-1]), strict=True))
