"""Time to train a population: as the harness does it, against one model after the other.

The ordinary way is a plain PyTorch loop with ``torch.utils.data.DataLoader``, one model after the other, in one
process with as many threads as torch takes. The harness trains chunks of models side by side, in one process a core
with one thread each. Both ways have the same recipe and pictures and are timed in turns; ratios are those of the
medians. CPU time counts all threads and processes; on a machine that others use too it is the better guide.
Start-up of processes is not timed on either side::

    python benchmarks/reference_training.py
    python benchmarks/reference_training.py --case mlp --models 64
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from harness.core.hardware import available_cores
from reference_models.networks.architectures import build_model
from reference_models.networks.inputs import normalise
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe
from reference_models.training.loop import make_optimizer, set_learning_rate, train_chunk
from reference_models.training.schedules import learning_rate


@dataclass(frozen=True)
class Case:
    """What is trained, on which pictures (n, C, H, W)."""

    name: str
    spec: ModelSpec
    recipe: Recipe
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Cost:
    """Seconds: wall clock, and CPU time of all threads and processes."""

    wall_s: float
    cpu_s: float


CASES: dict[str, tuple[str, tuple[int, int], dict[str, Any], Recipe]] = {
    "fashion-mnist": ("patch-cnn", (1, 28), {"width": 32, "hidden": [128]}, Recipe(batch_size=40, lr=0.03, chunk=8)),
    "faces": (
        "patch-cnn",
        (3, 32),
        {"patches": [8, 2], "width": 32, "hidden": [64]},
        Recipe(batch_size=40, lr=0.05, augment=("horizontal-flip",), chunk=8),
    ),
    "small-cnn": ("small-cnn", (3, 32), {"width": 8, "norm": "batch"}, Recipe(batch_size=40, lr=0.05, chunk=8)),
    "mlp": ("mlp", (1, 8), {"hidden": [64]}, Recipe(batch_size=60, lr=0.05, chunk=32)),
}
"""Architecture, channels and side of its pictures, options, recipe: two bundled tasks, an ordinary CNN and an MLP."""


def make_case(name: str, n_images: int, epochs: int, chunk: int | None) -> Case:
    """Pictures of ten classes: blurred prototypes with noise."""
    architecture, (channels, side), options, recipe = CASES[name]
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 256, (10, channels, side // 4, side // 4)).repeat(4, axis=2).repeat(4, axis=3)
    labels = rng.integers(0, 10, n_images)
    noisy = prototypes[labels] + rng.normal(0, 40, (n_images, channels, side, side))
    spec = ModelSpec(
        ArchitectureSpec(architecture, options), (channels, side, side), 10, (0.5,) * channels, (0.3,) * channels
    )
    recipe = replace(recipe, epochs=epochs, chunk=chunk or recipe.chunk)
    return Case(name, spec, recipe, noisy.clip(0, 255).astype(np.uint8), labels)


def train_ordinarily(case: Case, seed: int) -> nn.Module:
    """Train one model with a DataLoader, on normalised images that are mirrored batch by batch."""
    model = build_model(case.spec, seed)
    inputs = normalise(torch.from_numpy(case.images), case.spec.mean, case.spec.std)
    generator = torch.Generator().manual_seed(seed)
    data = TensorDataset(inputs, torch.from_numpy(case.labels))
    loader = DataLoader(data, batch_size=case.recipe.batch_size, shuffle=True, generator=generator)
    optimizer = make_optimizer(case.recipe, model.parameters())
    steps = case.recipe.epochs * len(loader)
    step = 0
    for _ in range(case.recipe.epochs):
        for batch, targets in loader:
            if case.recipe.augment:
                flips = torch.rand(len(batch), 1, 1, 1, generator=generator) < 0.5
                batch = torch.where(flips, batch.flip(-1), batch)
            set_learning_rate(optimizer, learning_rate(case.recipe, step, steps))
            optimizer.zero_grad()
            F.cross_entropy(model(batch), targets).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
    return model


def train_part(case: Case, seeds: range) -> tuple[float, int]:
    """Train one chunk in a worker; its CPU seconds, and the most memory that the worker ever held, KiB."""
    begin = time.process_time()
    train_chunk(case.spec, case.recipe, case.images, case.labels, seeds)
    return time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def train_population(pool: ProcessPoolExecutor, case: Case, n_models: int) -> tuple[Cost, int]:
    """Train all models in chunks, one chunk per worker at a time; return a worker's peak memory in KiB as well."""
    parts = [range(start, min(start + case.recipe.chunk, n_models)) for start in range(0, n_models, case.recipe.chunk)]
    begin = time.perf_counter()
    done = list(pool.map(functools.partial(train_part, case), parts))
    wall_s = time.perf_counter() - begin
    return Cost(wall_s / n_models, sum(cpu_s for cpu_s, _ in done) / n_models), max(peak for _, peak in done)


def cost(work: Callable[[], object]) -> Cost:
    """Measure the cost of one call in this process."""
    begin, cpu_begin = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - begin, time.process_time() - cpu_begin)


def start_worker() -> None:
    """Limit the worker to one thread."""
    torch.set_num_threads(1)


def compare(case: Case, n_models: int, n_ordinary: int, repeats: int, n_workers: int) -> None:
    """Print both costs per model and their ratio; the ordinary way is timed on ``n_ordinary`` models a repeat."""
    ordinary: list[Cost] = []
    together: list[Cost] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_workers, mp_context=context, initializer=start_worker) as pool:
        train_ordinarily(case, 0)
        train_population(pool, case, min(n_models, 2 * n_workers * case.recipe.chunk))
        for repeat in range(repeats):
            seeds = range(repeat * n_ordinary, (repeat + 1) * n_ordinary)
            ordinary += [cost(functools.partial(train_ordinarily, case, seed)) for seed in seeds]
            spent, peak_kib = train_population(pool, case, n_models)
            together.append(spent)
    one, all_ = _median(ordinary), _median(together)
    print(
        f"{case.name}: {case.spec.architecture.name}, {n_models} models, {len(case.labels)} images, "
        f"{case.recipe.epochs} epochs, batches of {case.recipe.batch_size}"
    )
    print(f"  one after the other {_text(one)} a model ({len(ordinary)} models, {torch.get_num_threads()} threads)")
    print(f"  together            {_text(all_)} a model ({repeats} times, {n_workers} workers x {case.recipe.chunk})")
    print(f"  ratio               {one.wall_s / all_.wall_s:8.2f}         {one.cpu_s / all_.cpu_s:8.2f}")
    print(f"  peak memory of a worker, torch included: {peak_kib / 1024:.0f} MiB", flush=True)


def _median(costs: list[Cost]) -> Cost:
    return Cost(statistics.median(c.wall_s for c in costs), statistics.median(c.cpu_s for c in costs))


def _text(spent: Cost) -> str:
    return f"{spent.wall_s * 1000:8.1f} ms wall {spent.cpu_s * 1000:8.1f} ms of CPU time"


def main() -> None:
    """Parse the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=list(CASES), action="append", help="default: all")
    parser.add_argument("--models", type=int, default=64)
    parser.add_argument("--ordinary-models", type=int, default=4, help="models timed one after the other, a repeat")
    parser.add_argument("--images", type=int, default=1200)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chunk", type=int, help="models that one worker trains at once; default: the recipe's")
    parser.add_argument("--workers", type=int, default=available_cores())
    arguments = parser.parse_args()
    for name in arguments.case or CASES:
        case = make_case(name, arguments.images, arguments.epochs, arguments.chunk)
        compare(case, arguments.models, arguments.ordinary_models, arguments.repeats, arguments.workers)


if __name__ == "__main__":
    main()
