"""Time to train a population: all members at once against one after the other.

The ordinary way is a plain PyTorch loop with ``torch.utils.data.DataLoader``, one model after the other. Both ways run
in this process with the same threads, recipe and pictures, in turns; the ratio is that of the medians::

    python benchmarks/reference_training.py
    python benchmarks/reference_training.py --architecture mlp --models 64
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch.utils.data import DataLoader, TensorDataset

from reference_models.architectures import build_model
from reference_models.images import normalise
from reference_models.recipe import ArchitectureSpec, ModelSpec, Recipe
from reference_models.schedules import learning_rate
from reference_models.training import make_optimizer, set_learning_rate, train_chunk


@dataclass(frozen=True)
class Case:
    """What is trained, on which pictures (n, C, H, W)."""

    spec: ModelSpec
    recipe: Recipe
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def make_case(architecture: str, n_images: int, epochs: int, chunk: int) -> Case:
    """The small CNN on 32x32 RGB pictures or the MLP on 8x8 grey ones: ten blurred prototypes with noise."""
    channels, side, options = (1, 8, {"hidden": [64]}) if architecture == "mlp" else (3, 32, {})
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 256, (10, channels, side // 4, side // 4)).repeat(4, axis=2).repeat(4, axis=3)
    labels = rng.integers(0, 10, n_images)
    noisy = prototypes[labels] + rng.normal(0, 40, (n_images, channels, side, side))
    spec = ModelSpec(
        ArchitectureSpec(architecture, options), channels, (side, side), 10, (0.5,) * channels, (0.3,) * channels
    )
    return Case(spec, Recipe(epochs=epochs, lr=0.05, chunk=chunk), noisy.clip(0, 255).astype(np.uint8), labels)


def train_ordinarily(case: Case, seed: int) -> None:
    """One model with a DataLoader."""
    model = build_model(case.spec, seed)
    inputs = normalise(torch.from_numpy(case.images), case.spec.mean, case.spec.std)
    loader = DataLoader(
        TensorDataset(inputs, torch.from_numpy(case.labels)),
        batch_size=case.recipe.batch_size,
        shuffle=True,
        generator=torch.Generator().manual_seed(seed),
    )
    optimizer = make_optimizer(case.recipe, model.parameters())
    steps = case.recipe.epochs * len(loader)
    step = 0
    for _ in range(case.recipe.epochs):
        for batch, targets in loader:
            set_learning_rate(optimizer, learning_rate(case.recipe, step, steps))
            optimizer.zero_grad()
            F.cross_entropy(model(batch), targets).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1


def train_together(case: Case, n_models: int) -> None:
    """All models, ``recipe.chunk`` at a time."""
    for start in range(0, n_models, case.recipe.chunk):
        seeds = range(start, min(start + case.recipe.chunk, n_models))
        train_chunk(case.spec, case.recipe, case.images, case.labels, seeds)


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def compare(case: Case, n_models: int, n_ordinary: int, repeats: int) -> None:
    """Print both times per model and their ratio; the ordinary way is timed on ``n_ordinary`` models."""
    train_ordinarily(case, 0)
    train_together(case, min(n_models, case.recipe.chunk))
    ordinary, together = [], []
    for repeat in range(repeats):
        seeds = range(repeat * n_ordinary, (repeat + 1) * n_ordinary)
        ordinary += [seconds(functools.partial(train_ordinarily, case, seed)) for seed in seeds]
        together.append(seconds(functools.partial(train_together, case, n_models)) / n_models)
    one, other = statistics.median(ordinary), statistics.median(together)
    print(f"{case.spec.architecture.name}: {n_models} models, {len(case.labels)} images, {case.recipe.epochs} epochs")
    print(f"  one after the other  {one * 1000:9.1f} ms a model (median of {len(ordinary)})")
    print(f"  together             {other * 1000:9.1f} ms a model (median of {repeats}, chunks of {case.recipe.chunk})")
    print(f"  ratio                {one / other:9.2f}", flush=True)


def main() -> None:
    """Parse the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", choices=["small-cnn", "mlp"], action="append", help="default: both")
    parser.add_argument("--models", type=int, default=64)
    parser.add_argument("--ordinary-models", type=int, default=4, help="models timed one after the other, a repeat")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chunk", type=int, help="models at once; default: 8 for the CNN, 64 for the MLP")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for architecture in arguments.architecture or ["small-cnn", "mlp"]:
        chunk = arguments.chunk or (64 if architecture == "mlp" else 8)
        case = make_case(architecture, arguments.images, arguments.epochs, chunk)
        compare(case, arguments.models, arguments.ordinary_models, arguments.repeats)


if __name__ == "__main__":
    main()
