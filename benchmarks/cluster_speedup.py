"""Speed-up of a Ray cluster of two nodes of one core each over one such node, on this machine: reference models, and unlearning.

Reference models take about 2 s each and unlearned ones as long as ``--epochs`` makes them. Printed are the seconds of both phases
on one and on two nodes, and the ratio. The logits of all unlearned models must be equal::

    python -m benchmarks.cluster_speedup
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.ray_nodes import Nodes, two_nodes

TASK = """
schema: 1
name: speedup
description: For the speed-up of a cluster
dataset: {kind: faces, persons: 80, pictures: 8}
forget: {by: subject, fraction: 0.2}
splits: {validation: 0.1, test: 0.15, by: subject}
architecture: {name: small-cnn, options: {width: 8}}
recipe: {epochs: 60, batch_size: 40, lr: 0.05, schedule: one-cycle, chunk: 2}
models: 12
"""
RUN = (
    "run", "--runner", "process", "--cpus", "1", "--evaluator", "accuracy", "--task", "task.yaml", "--plugin", "finetune",
    "--time-limit", "600",
)  # fmt: skip


def measured(nodes: Nodes, name: str, folder: Path, epochs: int) -> tuple[dict[str, float], str]:
    """Run on the cluster; return the seconds of each phase, and a digest of all logits."""
    command = [sys.executable, "-m", "harness", *RUN, "--set", f"epochs={epochs}", *nodes.options, "--output", name]
    cache = {"HARNESS_CACHE_DIR": str(folder / f"cache-{name}")}
    subprocess.run(command, cwd=folder, env={**os.environ, **cache}, check=True, stdout=subprocess.DEVNULL)
    sha = hashlib.sha256()
    for path in sorted((folder / name).glob("models/*/logits.safetensors")):
        sha.update(path.read_bytes())
    return json.loads((folder / name / "report.json").read_text())["phases"], sha.hexdigest()


def main() -> None:
    """Measure one node, then two."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "task.yaml").write_text(TASK)
        with two_nodes(folder / "nodes") as nodes:
            two, digest = measured(nodes, "two", folder, given.epochs)
            nodes.kill_node()
            one, other = measured(nodes, "one", folder, given.epochs)
    assert digest == other, "the numbers depend on the number of nodes"
    print("phase        one node, s  two nodes, s  ratio")
    for phase in ("references", "unlearn"):
        print(f"{phase:12} {one[phase]:11.1f} {two[phase]:13.1f} {one[phase] / two[phase]:6.2f}")


if __name__ == "__main__":
    main()
