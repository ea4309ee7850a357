"""Training steps a second of one model alone, and of several side by side, in float32 and bfloat16.

Both are measured through :func:`reference_models.training.loop.train_chunk`, as populations are trained, for a few seconds
each after a warm-up. Chunks grow until memory does not suffice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.gpu.proof import Given
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe
from reference_models.training.arithmetic import autocast, reproducible
from reference_models.training.ensembles import Mechanism, place, read_inputs
from reference_models.training.examples import Examples
from reference_models.training.loop import make_optimizer, train_chunk
from reference_models.training.losses import summed_loss
from reference_models.training.sampling import population_batches

WARM_STEPS = 3
BETWEEN_SYNCS = 4
ENDLESS = 100_000
BATCHES = {"patch-cnn": 40, "small-cnn": 40, "resnet9": 512, "resnet18": 256}
"""Examples of a step, as in the bundled tasks."""
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Timed:
    """One cell: a network, a precision, a number of models, and how they are computed."""

    network: str
    width: int | None
    precision: str
    models: int
    how: str

    @property
    def name(self) -> str:
        """Return a name for the file."""
        return f"{self.network} {self.precision} {self.how} x{self.models}"


class _EnoughError(Exception):
    """Raised out of training once the time is over."""


class Stopwatch:
    """Counts steps after a warm-up, with the device's work finished at both ends; raises _EnoughError after ``seconds``."""

    def __init__(self, device: torch.device, seconds: float) -> None:
        self._device, self._seconds = device, seconds
        self._began, self.steps, self.seconds = 0.0, 0, 0.0

    def __call__(self, step: int, total: int) -> None:
        """Take note of a step."""
        done = step - WARM_STEPS
        if done < 0 or done % BETWEEN_SYNCS:
            return
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if done == 0:
            self._began = now
            return
        self.steps, self.seconds = done, now - self._began
        if self.seconds >= self._seconds or step == total:
            raise _EnoughError


def measured(given: Given) -> dict[str, Any]:
    """Return seconds for each model's step by cell, and the ratios of the best chunk to one model alone."""
    cells: dict[str, Any] = given.begun.get("cells", {})
    for cell in _cells(given):
        if cell.name in cells or given.left_s < given.sizes.cell_s:
            continue
        cells[cell.name] = _cell(cell, given)
        given.keep({"cells": cells})
    return {"cells": cells, "ratios": ratios(cells)}


def _cells(given: Given) -> list[Timed]:
    """Return the cells, those that the goals are about first."""
    sizes = given.sizes
    compiled = ("compiled", "graphs") if sizes.compiled else ()
    found = []
    for precision in reversed(PRECISIONS):
        for network, width in reversed(sizes.networks):
            found.append(Timed(network, width, precision, 1, "alone"))
            found += [Timed(network, width, precision, k, "grouped") for k in sizes.chunks]
    last = [
        Timed(network, width, "bfloat16", 1, how) for network, width in reversed(sizes.networks) for how in compiled
    ]
    vmap = [Timed(network, width, "bfloat16", sizes.chunks[0], "vmap") for network, width in reversed(sizes.networks)]
    return found + last + vmap


def ratios(cells: dict[str, Any]) -> dict[str, Any]:
    """Return, by network and precision, how many times as fast a model's step is in the best chunk as alone."""
    found: dict[str, Any] = {}
    for one in cells.values():
        if one.get("how") != "alone" or one["step_s"] is None:
            continue
        same = [
            other
            for other in cells.values()
            if (other["network"], other["precision"]) == (one["network"], one["precision"])
            and other["models"] > 1
            and other["step_s"] is not None
        ]
        if same:
            best = min(same, key=lambda other: other["step_s"])
            found[f"{one['network']} {one['precision']}"] = {
                "ratio": one["step_s"] / best["step_s"],
                "alone_s": one["step_s"],
                "together_s": best["step_s"],
                "models": best["models"],
                "how": best["how"],
            }
    return found


def _cell(cell: Timed, given: Given) -> dict[str, Any]:
    """Return one cell's seconds for a step of one model, None with the reason if it could not be measured."""
    facts: dict[str, Any] = {
        "network": cell.network, "precision": cell.precision, "models": cell.models, "how": cell.how,
        "step_s": None, "peak_mib": None, "reason": "",
    }  # fmt: skip
    device = torch.device(given.sizes.device)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    watch = Stopwatch(device, given.sizes.cell_s)
    try:
        _train(cell, given, watch, device)
    except _EnoughError:
        facts["step_s"] = watch.seconds / (watch.steps * cell.models)
    except Exception as error:  # no memory, or torch cannot compile it: a finding
        facts["reason"] = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[
            :300
        ]
    if device.type == "cuda":
        facts["peak_mib"] = torch.cuda.max_memory_allocated() >> 20
    return facts


def _train(cell: Timed, given: Given, watch: Stopwatch, device: torch.device) -> None:
    spec, recipe, images, labels = material(cell, given.sizes.images)
    seeds = range(cell.models)
    if cell.how in ("compiled", "graphs"):
        compiled_alone(
            spec, recipe, (images, labels), device, watch, "reduce-overhead" if cell.how == "graphs" else None
        )
        return
    mechanism: Mechanism = "loop" if cell.how == "alone" else "vmap" if cell.how == "vmap" else "grouped"
    train_chunk(spec, recipe, images, labels, seeds, device=device, on_step=watch, mechanism=mechanism)


def material(cell: Timed, images: int) -> tuple[ModelSpec, Recipe, NDArray[np.uint8], NDArray[np.int64]]:
    """Return a network, an endless recipe, and pictures of random pixels, 32x32 RGB, with random labels of ten classes."""
    rng = np.random.default_rng(0)
    options: dict[str, Any] = {} if cell.width is None else {"width": cell.width}
    spec = ModelSpec(ArchitectureSpec(cell.network, options), (3, 32, 32), 10, (0.5,) * 3, (0.3,) * 3)
    recipe = Recipe(epochs=ENDLESS, batch_size=min(BATCHES[cell.network], images), lr=0.01, schedule="constant")
    recipe = replace(recipe, precision=cell.precision, augment=("crop-pad-4", "horizontal-flip"))  # type: ignore[arg-type]
    pictures = rng.integers(0, 256, (images, 3, 32, 32), dtype=np.uint8)
    return spec, recipe, pictures, rng.integers(0, 10, images)


def compiled_alone(
    spec: ModelSpec,
    recipe: Recipe,
    data: tuple[NDArray[np.uint8], NDArray[np.int64]],
    device: torch.device,
    on_step: Callable[[int, int], None],
    mode: str | None,
) -> None:
    """Train one model whose forward and backward passes are compiled, with ``mode`` as of ``torch.compile``."""
    model = build_model(spec, 0)
    place(model, device)
    network: nn.Module = torch.compile(model, mode=mode)  # type: ignore[assignment]
    examples = Examples(*data, recipe, device, spec)
    optimizer = make_optimizer(recipe, model.parameters())
    with reproducible():
        for step, batch in enumerate(population_batches(recipe, len(data[1]), [0], device)):
            read = read_inputs(examples.drawn(batch), model, spec)[0]
            optimizer.zero_grad()
            with autocast(recipe, device):
                logits = network(read)
            summed_loss(logits[None], examples.targets(batch), recipe).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            on_step(step + 1, ENDLESS)
