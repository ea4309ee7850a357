"""A whole study, from no cached model to the numbers: ``harness run`` against a straightforward script.

Both sides train originals, retrained models and a second set of retrained models, unlearn every original by
fine-tuning, each in a fresh container, and score. The script is what one writes in a day: one model after another with a
``DataLoader``, a ``docker run`` for each unlearning, and a loop over examples with scipy. Its parts do the same work for
every model (or example), so each is timed on a few and multiplied by their number; that is exact but for noise.
``harness run`` is timed whole, in a fresh cache, with the sandbox's image there beforehand as the script's is; it does
more: it measures retraining, compares with the no-op, and runs all evaluators::

    python benchmarks/end_to_end.py
    python benchmarks/end_to_end.py --models 32 --runner process

Last it estimates, from the runs that it measured, how many models a population may have for a study that ends within
half an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from reference_training import Case, train_ordinarily
from scipy.stats import ks_2samp, norm
from scoring import literal_grid
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from harness.plugins.discovery import find_task
from harness.runners.engine.client import Engine
from harness.runners.images.listing import ensure_guest_image
from harness.tasks.task import Task, TaskData
from reference_models.networks.inputs import normalise
from reference_models.networks.recipe import ModelSpec, to_json

SPLITS, PARTS = ("retain", "forget", "validation", "test"), ("images", "labels")
HALF_HOUR_S = 1800
UNLEARN = """
import json, sys, torch
from torch.utils.data import DataLoader, TensorDataset
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import model_spec_from_json
folder = sys.argv[1]
model = build_model(model_spec_from_json(json.load(open(f"{folder}/spec.json"))), None)
model.load_state_dict(torch.load(f"{folder}/original.pt"))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
for images, labels in DataLoader(TensorDataset(*torch.load(f"{folder}/retain.pt")), batch_size=64, shuffle=True):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(images), labels).backward()
    optimizer.step()
torch.save(model.state_dict(), f"{folder}/unlearned.pt")
"""
"""The script's side of one unlearning: one epoch of fine-tuning, as the bundled ``finetune`` does."""


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


class Script:
    """The straightforward side."""

    def __init__(self, task: Task, data: TaskData, folder: Path, runner: str, image: str) -> None:
        self.spec: ModelSpec = task.model_spec(data)
        self._recipe, self._folder, self._runner, self._image = task.recipe, folder, runner, image
        self._raw = data
        self.data = {name: self._tensors(data, name) for name in SPLITS}
        self._write_inputs()

    def _tensors(self, data: TaskData, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        split = data.split(name)
        images = normalise(torch.from_numpy(split.images), self.spec.mean, self.spec.std)
        return images, torch.from_numpy(split.labels)

    def _write_inputs(self) -> None:
        (self._folder / "spec.json").write_text(json.dumps(to_json(self.spec)))
        (self._folder / "unlearn.py").write_text(UNLEARN)
        torch.save(self.data["retain"], self._folder / "retain.pt")
        self._folder.chmod(0o777)

    def train(self, splits: Sequence[str], seed: int) -> nn.Module:
        """Train one model by the task's recipe."""
        images, labels = (np.concatenate([getattr(self._raw.split(name), part) for name in splits]) for part in PARTS)
        return train_ordinarily(Case("script", self.spec, self._recipe, images, labels), seed)

    def unlearn(self, original: nn.Module) -> None:
        """Unlearn once, in a new container or process."""
        torch.save(original.state_dict(), self._folder / "original.pt")
        source = Path(__file__).resolve().parents[1]
        if self._runner == "docker":
            limits = ["--rm", "--network", "none", "-v", f"{self._folder}:/job", "-v", f"{source}:/code:ro"]
            inside = ["-e", "PYTHONPATH=/code", "--entrypoint", "/opt/harness/bin/python", self._image]
            subprocess.run(["docker", "run", *limits, *inside, "/job/unlearn.py", "/job"], check=True)
        else:
            command = [sys.executable, str(self._folder / "unlearn.py"), str(self._folder)]
            subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(source)})

    @torch.no_grad()
    def logits(self, model: nn.Module) -> list[torch.Tensor]:
        """Return the outputs of one model on all four splits."""
        model.eval()
        loaders = (DataLoader(TensorDataset(*self.data[name]), batch_size=64) for name in SPLITS)
        return [torch.cat([model(images) for images, _ in loader]) for loader in loaders]


def score(unlearned: NDArray[np.float64], retrained: NDArray[np.float64]) -> None:
    """Kolmogorov-Smirnov, likelihood ratio and the official grid of confidences (N, M), one example after another."""
    for u, r in zip(unlearned.T, retrained.T, strict=True):
        ks_2samp(u, r)
        for side in (u, r):
            norm.logpdf(side, u.mean(), u.std() + 1e-30) - norm.logpdf(side, r.mean(), r.std() + 1e-30)
        literal_grid(u[:, None], r[:, None])


@dataclass(frozen=True)
class Costs:
    """Seconds of the script for one model of each kind, whatever their number."""

    original_s: float
    retrained_s: float
    unlearn_s: float
    logits_s: float

    def of(self, models: int, score_s: float) -> dict[str, float]:
        """Seconds of each part for populations of ``models`` models."""
        return {
            "training": models * (self.original_s + 2 * self.retrained_s),
            "unlearning": models * self.unlearn_s,
            "logits": 4 * models * self.logits_s,
            "scoring": 2 * score_s,  # the method and, beside it, the control
        }


def measure_script(script: Script, measured: int) -> Costs:
    """Measure the script's cost per model, from ``measured`` models of each kind."""
    script.train(("forget",), 0)
    begin = time.perf_counter()
    originals = [script.train(("retain", "forget"), seed) for seed in range(measured)]
    original_s = time.perf_counter() - begin
    retrained_s = seconds(lambda: [script.train(("retain",), seed) for seed in range(measured)])
    unlearn_s = seconds(lambda: [script.unlearn(model) for model in originals])
    logits_s = seconds(lambda: [script.logits(model) for model in originals])
    return Costs(original_s / measured, retrained_s / measured, unlearn_s / measured, logits_s / measured)


def measure_scoring(models: int, n_scored: int, n_examples: int) -> float:
    """Seconds of the script's scoring of ``n_examples`` examples, from ``n_scored`` of them."""
    sides = np.random.default_rng(0).normal(size=(2, models, n_scored))
    return seconds(lambda: score(*sides)) / n_scored * n_examples


@dataclass(frozen=True)
class Whole:
    """A whole ``harness run``: its wall-clock seconds, and those of its phases."""

    models: int
    wall_s: float
    phases: Mapping[str, float]


def measure_harness(task: str, models: int, runner: str, folder: Path) -> Whole:
    """Measure a whole run with an empty cache; the sandbox image exists already."""
    output = folder / f"run{models}"
    command = [sys.executable, "-m", "harness", "run", "--plugin", "finetune", "--task", task]
    command += ["--models", str(models), "--runner", runner, "--output", str(output)]
    environment = {**os.environ, "HARNESS_CACHE_DIR": str(folder / f"cache{models}")}
    wall_s = seconds(lambda: subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL))
    phases = json.loads((output / "report.json").read_text())["phases"]
    return Whole(models, wall_s, {**phases, "start and end of the program": wall_s - sum(phases.values())})


def report(parts: Mapping[str, float], ours: Whole, measured: int) -> None:
    """Print both sides and their ratio."""
    theirs_s = sum(parts.values())
    print(f"{ours.models} models a population")
    for name, spent_s in parts.items():
        print(f"  script, {name:32} {spent_s:9.1f} s  (from {measured} models or a few examples, times their number)")
    print(f"  script                                   {theirs_s:9.1f} s")
    for name, spent_s in ours.phases.items():
        print(f"  harness run, {name:27} {spent_s:9.1f} s")
    print(f"  harness run                              {ours.wall_s:9.1f} s  (measured whole)")
    print(f"  ratio                                    {theirs_s / ours.wall_s:9.1f}", flush=True)


def estimate(fewer: Whole, more: Whole) -> None:
    """Print how many models half an hour is enough for, on a line through two measured runs."""
    per_model_s = (more.wall_s - fewer.wall_s) / (more.models - fewer.models)
    if per_model_s <= 0:
        print("no estimate: the larger run took no longer than the smaller one")
        return
    fixed_s = more.wall_s - more.models * per_model_s
    print(
        f"estimated from the runs of {fewer.models} and {more.models}: {fixed_s:.0f} s and {per_model_s:.2f} s a model;"
    )
    print(f"half an hour is enough for {int((HALF_HOUR_S - fixed_s) / per_model_s)} models a population")


def main() -> None:
    """Parse the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="faces")
    parser.add_argument("--models", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--runner", choices=["docker", "process"], default="docker")
    parser.add_argument("--measured", type=int, default=3, help="models of each kind that the script is timed on")
    parser.add_argument("--scored", type=int, default=5, help="examples that the script's scoring is timed on")
    arguments = parser.parse_args()
    task = find_task(arguments.task)
    image = ensure_guest_image(Engine.connect()).tag if arguments.runner == "docker" else ""
    runs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = Script(task, task.load(), folder, arguments.runner, image)
        costs = measure_script(script, arguments.measured)
        for models in sorted(arguments.models):
            score_s = measure_scoring(models, arguments.scored, len(script.data["forget"][1]))
            runs.append(measure_harness(arguments.task, models, arguments.runner, folder))
            report(costs.of(models, score_s), runs[-1], arguments.measured)
    if len(runs) > 1:
        estimate(runs[0], runs[-1])


if __name__ == "__main__":
    main()
