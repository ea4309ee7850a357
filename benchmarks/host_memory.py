"""Memory of the host during a run of a wide network, by the number of models, compared with the size of their weights.

Reference models are not trained: their weights and logits are random numbers, written where trained ones would be. Then ``noop``
runs on N models of each population through the process runner, with all default evaluators. The memory of the host and of its
evaluators is read from /proc ten times a second, without pages of mapped files, which the kernel drops when it needs the memory.
Printed are the peak, and the size of one population's weights, which a program that stacks its originals would hold at least::

    python benchmarks/host_memory.py                                 # 46 MB a model, N = 4, 12 and 24; 4 GB of disk
    python benchmarks/host_memory.py --vocabulary 140000 --models 24  # 73 MB a model
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
from mapped_data import descendants, memory

from harness.core.cache import Cache
from harness.core.tensors import write_tensors
from harness.evaluation import SPLITS
from harness.references.identity import ROLES
from harness.references.populations import References
from harness.references.queries import key
from harness.references.worker_pool import LOGITS, WEIGHTS
from harness.tasks.loading import load_task
from reference_models.networks.architectures import build_model

CLASSES, TOKENS, WIDTH, CHUNK = 4, 8, 128, 4
TASK = """
schema: 1
name: wide
dataset: {kind: arrays, file: data, vocabulary: VOCABULARY}
splits: {test: 1000, validation: 100}
forget: {by: random, count: 1000}
architecture: {name: embedding-bag, options: {width: 128}}
recipe: {epochs: 1, batch_size: 64, lr: 0.01, chunk: 4}
"""
RUN = "run --plugin noop --task task.yaml --runner process --time-limit 600 --models {} --output out-{}"


def write_task(folder: Path, vocabulary: int) -> None:
    """Write a task of 4,000 short rows of token ids."""
    random = np.random.default_rng(0)
    (folder / "data").mkdir()
    np.save(folder / "data" / "inputs.npy", random.integers(1, vocabulary, (4000, TOKENS)))
    np.save(folder / "data" / "labels.npy", random.integers(0, CLASSES, 4000))
    (folder / "task.yaml").write_text(TASK.replace("VOCABULARY", str(vocabulary)))


def fill(folder: Path, models: int) -> int:
    """Put random populations into the cache; return the bytes of one model's weights."""
    task = load_task(folder / "task.yaml")
    data = task.load()
    references = References(task, data, cache=Cache("references", folder / "unlearning-harness"))
    state = {name: tensor.numpy() for name, tensor in build_model(references.spec, 0).state_dict().items()}
    rows = {name: len(data.split(name)) for name in SPLITS}
    shapes = {**rows, **{key(name): rows["forget"] for name in references.queries.names}}
    random = np.random.default_rng(0)

    def write(count: int, to: Path) -> None:
        write_tensors(to / WEIGHTS, {name: np.stack([array] * count) for name, array in state.items()})
        draw = partial(random.standard_normal, dtype=np.float32)
        write_tensors(to / LOGITS, {name: draw((count, n, CLASSES)) for name, n in shapes.items()})

    for role in ROLES:
        for chunk in references.chunks(role, models):
            references.cache.get_or_build(chunk.inputs, partial(write, chunk.models))
    return sum(array.nbytes for array in state.values())


def peak_mib(folder: Path, models: int) -> float:
    """Run ``noop`` on so many models; return the host's peak memory, evaluators included."""
    environment = {**os.environ, "HARNESS_CACHE_DIR": str(folder / "unlearning-harness")}
    command = [sys.executable, "-m", "harness", *RUN.format(models, models).split()]
    peak = 0
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as run:
        while run.poll() is None:
            used: dict[str, int] = defaultdict(int)
            for part, size in filter(None, map(memory, descendants(run.pid))):
                used[part] += size
            peak = max(peak, used["host"])
            time.sleep(0.1)
    if run.returncode:
        sys.exit(run.returncode)
    return peak / 2**20


def main() -> None:
    """Parse the arguments, run, and print the peaks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=int, default=90_000)
    parser.add_argument("--models", type=int, nargs="+", default=[4, 12, 24])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_task(folder, options.vocabulary)
        size = fill(folder, max(options.models)) / 2**20
        print(f"{size:.0f} MiB a model")
        for models in options.models:
            peak = peak_mib(folder, models)
            print(
                f"N = {models:3d}: peak {peak:6.0f} MiB, {peak / (models * size):.2f} of the originals' weights",
                flush=True,
            )


if __name__ == "__main__":
    main()
