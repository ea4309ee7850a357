"""Logits of a population: as the harness computes them, against a loop over models, one batch at a time or all at once.

Three ways are timed in turns on the same untrained models and random pictures, and ratios are those of the medians: (a) a loop
over models with a ``DataLoader`` of batches of 64, as most scripts do it; (b) a loop over models with one batch of all pictures;
(c) :func:`reference_models.prediction.stacked_logits`. Turning bytes into normalised pictures is timed on every side. Processor
time counts all threads; on a machine that others use too it is the better guide::

    python benchmarks/population_logits.py
    python benchmarks/population_logits.py --models 64 --examples 5000 --architecture mlp
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from reference_models.architectures import build_model
from reference_models.mechanism import initial_state
from reference_models.prediction import stacked_logits
from reference_models.recipe import ArchitectureSpec, ModelSpec
from reference_models.states import StackedState, member_state

Way = Callable[[], NDArray[np.float32]]


def ways(spec: ModelSpec, state: StackedState, images: NDArray[np.uint8], n_models: int) -> dict[str, Way]:
    """The three ways, by name; the ordinary ones hold their models ready."""
    models = [build_model(spec, None) for _ in range(n_models)]
    for member, model in enumerate(models):
        model.load_state_dict(member_state(state, member))
        model.eval()
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (spec.mean, spec.std))
    pictures = torch.from_numpy(images)

    def normalised(batch: torch.Tensor) -> torch.Tensor:
        return (batch.float() / 255 - mean) / std

    @torch.inference_mode()
    def loader() -> NDArray[np.float32]:
        batches = DataLoader(TensorDataset(pictures), batch_size=64)
        return np.stack([torch.cat([model(normalised(batch)) for (batch,) in batches]).numpy() for model in models])

    @torch.inference_mode()
    def one_batch() -> NDArray[np.float32]:
        return np.stack([_of(model, normalised(pictures)) for model in models])

    return {
        "DataLoader": loader,
        "one batch": one_batch,
        "stacked": lambda: stacked_logits(spec, state, images),
    }


def _of(model: nn.Module, batch: torch.Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = model(batch).numpy()
    return found


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=32)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--size", type=int, default=28, help="of the square pictures")
    parser.add_argument("--architecture", default="small-cnn")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    size = (arguments.size, arguments.size)
    spec = ModelSpec(ArchitectureSpec(arguments.architecture), 1, size, 10, (0.5,), (0.25,))
    state = initial_state(spec, range(arguments.models))
    images = np.random.default_rng(0).integers(0, 256, (arguments.examples, 1, *size), dtype=np.uint8)
    every = ways(spec, state, images, arguments.models)
    expected = every["one batch"]()
    difference = max(float(np.abs(way() - expected).max()) for way in every.values())
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in every}
    for _ in range(arguments.repeats):
        for name, way in every.items():
            wall, processor = time.perf_counter(), time.process_time()
            way()
            costs[name].append((time.perf_counter() - wall, time.process_time() - processor))
    medians = {name: [statistics.median(each) for each in zip(*rounds, strict=True)] for name, rounds in costs.items()}
    print(
        f"{arguments.architecture}, {arguments.models} models, {arguments.examples} pictures of {size[0]} x {size[1]}, "
        f"{torch.get_num_threads()} threads, median of {arguments.repeats}; largest difference {difference:.1e}"
    )
    for name, (wall, processor) in medians.items():
        ratios = [cost / own for cost, own in zip((wall, processor), medians["stacked"], strict=True)]
        print(
            f"  {name:10s} {wall:7.2f} s wall, {processor:7.2f} s of processors; the stacked way is {ratios[0]:.2f} times "
            f"as fast by the wall clock, {ratios[1]:.2f} by processor time",
            flush=True,
        )


if __name__ == "__main__":
    main()
