"""Memory that a run takes for a large data set of kind ``arrays``, compared with the size of the data.

A folder of .npy files is written, and ``harness run`` trains and judges two models on it. Ten times a second, the memory of the
host, its training workers and its guest is read from /proc: their own (anonymous) and shared memory. Pages of mapped files are
not counted, since the kernel drops them when it needs the memory. The guest holds retain, forget and validation set once. Printed
are the peaks, and their ratio to the size of ``inputs``; a program that reads the file with ``numpy.load`` has at least 1::

    python benchmarks/mapped_data.py               # 2 GiB of data, 3 minutes, 8 GiB of disk
    python benchmarks/mapped_data.py --mib 256
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

COLUMNS = 4096
CLASSES = 4
TASK = """
schema: 1
name: large
dataset: {kind: arrays, file: data}
forget: {by: random, fraction: 0.01}
architecture: {name: mlp, options: {hidden: [8]}}
recipe: {epochs: 1, batch_size: 512, lr: 0.01}
models: 2
"""
RUN = "run --plugin noop --task task.yaml --runner process --time-limit 600 --output out"
PARTS = {"harness.references.worker": "training worker", "harness_guest": "guest"}


def write_data(folder: Path, mib: int) -> int:
    """Write ``inputs.npy`` and ``labels.npy`` a few megabytes at a time; return the bytes of the inputs."""
    rows = mib * 2**20 // (4 * COLUMNS)
    random = np.random.default_rng(0)
    inputs = np.lib.format.open_memmap(folder / "inputs.npy", "w+", np.float32, (rows, COLUMNS))
    labels = random.integers(0, CLASSES, rows)
    for start in range(0, rows, 1024):
        own = labels[start : start + 1024]
        inputs[start : start + 1024] = random.standard_normal((len(own), COLUMNS), np.float32) + 0.1 * own[:, None]
    inputs.flush()
    np.save(folder / "labels.npy", labels)
    return inputs.nbytes


def memory(process: int) -> tuple[str, int] | None:
    """Return a process's part in the run, and the bytes of memory that belong to it; None if it has ended."""
    try:
        command = Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
        status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
        own = sum(int(status[name].split()[0]) << 10 for name in ("RssAnon", "RssShmem"))
    except (OSError, KeyError, ValueError):
        return None
    return next((part for sign, part in PARTS.items() if sign in command), "host"), own


def descendants(root: int) -> list[int]:
    """Return the process and all that descend from it."""
    parents: dict[int, list[int]] = defaultdict(list)
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(place.read_text().rpartition(")")[2].split()[1])].append(int(place.parent.name))
        except (OSError, IndexError):
            continue
    found = [root]
    for process in found:
        found += parents[process]
    return found


def main() -> None:
    """Parse the arguments, run, and print the peaks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=2048)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        size = write_data(folder / "data", parser.parse_args().mib)
        (folder / "task.yaml").write_text(TASK)
        environment = {**os.environ, "XDG_CACHE_HOME": name}
        began, peaks = time.perf_counter(), defaultdict[str, int](int)
        with subprocess.Popen([sys.executable, "-m", "harness", *RUN.split()], cwd=folder, env=environment) as run:
            while run.poll() is None:
                for part, used in filter(None, map(memory, descendants(run.pid))):
                    peaks[part] = max(peaks[part], used)
                time.sleep(0.1)
    if run.returncode:
        sys.exit(run.returncode)
    print(f"inputs: {size >> 20} MiB; {time.perf_counter() - began:.0f} s")
    for part, peak in sorted(peaks.items()):
        print(f"  {part:16s} peak {peak >> 20:6d} MiB, {peak / size:5.2f} of the inputs")


if __name__ == "__main__":
    main()
