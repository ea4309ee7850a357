"""Memory of the host during a run of a wide network, by the number of models, compared with the size of their weights.

Reference models are not trained: their weights and logits are random numbers, written where trained ones would be; all chunks
share one file of weights. Then ``noop`` runs on N models of each population through the process runner, with all default
evaluators. Ten times a second, the memory of the host, its workers and its evaluators is read from /proc and added up: their own
(anonymous) and shared memory, not pages of mapped files, which the kernel drops when it needs the memory. Memory that an
evaluator shares with the host that forked it counts once for each, so the sum is an upper bound. Guests are counted apart::

    python benchmarks/host_memory.py                                   # 46 MB a model, N = 4, 12 and 24; 3 GB of disk
    python benchmarks/host_memory.py --vocabulary 140000 --models 24   # 73 MB a model
    python benchmarks/host_memory.py --large                           # N = 32, 128 and 512; 5,000 examples each in the
                                                                       # forget and test set, 10 classes; 45 GB of disk
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

TOKENS, RETAINED, VALIDATION, CHUNK = 8, 2000, 500, 4
TASK = """
schema: 1
name: wide
dataset: {{kind: arrays, file: data, vocabulary: {vocabulary}}}
splits: {{test: {examples}, validation: {validation}}}
forget: {{by: random, count: {examples}}}
architecture: {{name: embedding-bag, options: {{width: 128}}}}
recipe: {{epochs: 1, batch_size: 64, lr: 0.01, chunk: {chunk}}}
"""
RUN = "run --plugin noop --task task.yaml --runner process --time-limit 600 --models {} --output out-{}"


def write_task(folder: Path, options: argparse.Namespace) -> None:
    """Write a task of short rows of token ids."""
    random = np.random.default_rng(0)
    rows = 2 * options.examples + RETAINED + VALIDATION
    (folder / "data").mkdir()
    np.save(folder / "data" / "inputs.npy", random.integers(1, options.vocabulary, (rows, TOKENS)))
    np.save(folder / "data" / "labels.npy", np.arange(rows) % options.classes)
    sizes = {"vocabulary": options.vocabulary, "examples": options.examples}
    (folder / "task.yaml").write_text(TASK.format(**sizes, validation=VALIDATION, chunk=CHUNK))


def fill(folder: Path, models: int) -> int:
    """Put random populations into the cache; return the bytes of one model's weights."""
    task = load_task(folder / "task.yaml")
    data = task.load()
    references = References(task, data, cache=Cache("references", folder / "unlearning-harness"))
    state = {name: tensor.numpy() for name, tensor in build_model(references.spec, 0).state_dict().items()}
    rows = {name: len(data.split(name)) for name in SPLITS}
    shapes = {**rows, **{key(name): rows["forget"] for name in references.queries.names}}
    random = np.random.default_rng(0)
    weights = folder / "weights"
    write_tensors(weights, {name: [array[None]] * CHUNK for name, array in state.items()})

    def write(count: int, to: Path) -> None:
        os.link(weights, to / WEIGHTS)
        draw = partial(random.standard_normal, dtype=np.float32)
        write_tensors(to / LOGITS, {name: draw((count, n, data.n_classes)) for name, n in shapes.items()})

    for role in ROLES:
        for chunk in references.chunks(role, models):
            references.cache.get_or_build(chunk.inputs, partial(write, chunk.models))
    return sum(array.nbytes for array in state.values())


def peaks_mib(folder: Path, models: int) -> dict[str, float]:
    """Run ``noop`` on so many models; return peaks: of the main process, of its evaluators and workers, their sum, of guests."""
    environment = {**os.environ, "HARNESS_CACHE_DIR": str(folder / "unlearning-harness")}
    command = [sys.executable, "-m", "harness", *RUN.format(models, models).split()]
    peaks: dict[str, float] = defaultdict(float)
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as run:
        while run.poll() is None:
            used: dict[str, float] = defaultdict(float)
            for process in descendants(run.pid):
                part, size = memory(process) or ("", 0)
                used["main" if process == run.pid else part] += size / 2**20
            used["total"] = sum(size for part, size in used.items() if part != "guest")
            peaks |= {part: max(peaks[part], size) for part, size in used.items()}
            time.sleep(0.1)
    if run.returncode:
        sys.exit(run.returncode)
    return peaks


def main() -> None:
    """Parse the arguments, run, and print the peaks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=int, default=90_000, help="number of rows, of 128 numbers, in the weights")
    parser.add_argument("--models", type=int, nargs="+", default=[4, 12, 24])
    parser.add_argument("--examples", type=int, default=1000, help="in the forget set, and in the test set")
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--large", action="store_true", help="N = 32, 128, 512; 5,000 examples each, 10 classes")
    options = parser.parse_args()
    if options.large:
        options.models, options.examples, options.classes = [32, 128, 512], 5000, 10
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_task(folder, options)
        size = fill(folder, max(options.models)) / 2**20
        print(f"{size:.0f} MiB a model; peaks in MiB")
        for models in options.models:
            began, peaks = time.monotonic(), peaks_mib(folder, models)
            print(
                f"N = {models:3d}: {peaks['total']:5.0f} (main process {peaks['main']:.0f}, evaluators {peaks['host']:.0f}, "
                f"workers {peaks['training worker']:.0f}), {peaks['total'] / (models * size):.2f} of the originals' weights; "
                f"guests {peaks['guest']:.0f}; {time.monotonic() - began:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
