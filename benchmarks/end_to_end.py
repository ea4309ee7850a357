"""A whole study, from no cached model to the numbers: ``harness run`` against a straightforward script.

Both sides train originals, retrained models and a second set of retrained models, unlearn every original by
fine-tuning, each in a fresh process or container, and score. The script is what one writes in a day: one model after
another with a ``DataLoader``, a ``docker run`` for each unlearning, and a loop over examples with scipy. Its parts do
the same work for every model (or example), so each is timed on a few and multiplied by their number; that is exact
but for noise. ``harness run`` is timed whole, in a fresh cache; it does more: it measures retraining and the no-op,
and runs all evaluators::

    python benchmarks/end_to_end.py
    python benchmarks/end_to_end.py --models 128 --runner docker --image IMAGE-WITH-TORCH

Last it estimates, from what was measured, how many models a population may have for a study that ends within half an
hour.
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
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import ks_2samp, norm
from scoring import literal_grid
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from harness.discovery import find_task
from harness.tasks.model import Task, TaskData
from reference_models.architectures import build_model
from reference_models.images import normalise
from reference_models.recipe import ModelSpec, to_json
from reference_models.schedules import learning_rate
from reference_models.training import make_optimizer, set_learning_rate

SPLITS = ("retain", "forget", "validation", "test")
HALF_HOUR_S = 1800
UNLEARN = """
import json, sys, torch
from torch.utils.data import DataLoader, TensorDataset
from reference_models.architectures import build_model
from reference_models.recipe import model_spec_from_json
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
        """One model, after the task's recipe."""
        torch.manual_seed(seed)
        images, labels = (torch.cat([self.data[name][part] for name in splits]) for part in (0, 1))
        recipe, model = self._recipe, build_model(self.spec, seed)
        loader = DataLoader(TensorDataset(images, labels), batch_size=recipe.batch_size, shuffle=True)
        optimizer, total = make_optimizer(recipe, model.parameters()), recipe.epochs * len(loader)
        batches = (batch for _ in range(recipe.epochs) for batch in loader)
        for step, (pictures, targets) in enumerate(batches):
            set_learning_rate(optimizer, learning_rate(recipe, step, total))
            if "horizontal-flip" in recipe.augment:
                flips = torch.rand(len(pictures), 1, 1, 1) < 0.5
                pictures = torch.where(flips, pictures.flip(-1), pictures)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(pictures), targets).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return model

    def unlearn(self, original: nn.Module) -> None:
        """One unlearning, in a fresh container or process."""
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
        """Outputs of one model on all four splits."""
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


def measure_script(script: Script, models: int, measured: int, n_scored: int) -> dict[str, float]:
    """Seconds of each part for ``models`` models, from ``measured`` of each kind and ``n_scored`` examples."""
    script.train(("forget",), 0)
    begin = time.perf_counter()
    originals = [script.train(("retain", "forget"), seed) for seed in range(measured)]
    original_s = (time.perf_counter() - begin) / measured
    retrained_s = seconds(lambda: [script.train(("retain",), seed) for seed in range(measured)]) / measured
    unlearn_s = seconds(lambda: [script.unlearn(model) for model in originals]) / measured
    logits_s = seconds(lambda: [script.logits(model) for model in originals]) / measured
    rng = np.random.default_rng(0)
    sides = rng.normal(size=(2, models, n_scored))
    score_s = seconds(lambda: score(*sides)) / n_scored * len(script.data["forget"][1])
    return {
        "training": models * (original_s + 2 * retrained_s),
        "unlearning": models * unlearn_s,
        "logits": 4 * models * logits_s,
        "scoring": 2 * score_s,  # the method and, beside it, the control
    }


def measure_harness(task: str, models: int, runner: str, folder: Path) -> float:
    """Seconds of a whole run in a fresh cache; the image of the sandbox is there beforehand."""
    command = [sys.executable, "-m", "harness", "run", "--plugin", "finetune", "--task", task]
    command += ["--models", str(models), "--runner", runner, "--output", str(folder / f"run{models}")]
    environment = {**os.environ, "HARNESS_CACHE_DIR": str(folder / f"cache{models}")}
    return seconds(lambda: subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL))


def report(models: int, parts: Mapping[str, float], ours_s: float, fewer: int, fewer_s: float, measured: int) -> None:
    """Print both sides, their ratio and the estimate."""
    theirs_s = sum(parts.values())
    print(f"{models} models a population")
    for name, spent_s in parts.items():
        print(f"  script, {name:10} {spent_s:9.1f} s  (from {measured} models or a few examples, times their number)")
    print(f"  script            {theirs_s:9.1f} s")
    print(f"  harness run       {ours_s:9.1f} s  (measured whole)")
    print(f"  ratio             {theirs_s / ours_s:9.1f}")
    per_model_s = (ours_s - fewer_s) / (models - fewer)
    fixed_s = max(0.0, ours_s - models * per_model_s)
    if per_model_s > 0:
        print(f"  estimated: {fixed_s:.0f} s and {per_model_s:.2f} s a model, from runs of {fewer} and {models};")
        print(f"  half an hour is enough for {int((HALF_HOUR_S - fixed_s) / per_model_s)} models a population")


def main() -> None:
    """Parse the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="faces")
    parser.add_argument("--models", type=int, default=32)
    parser.add_argument("--runner", choices=["docker", "process"], default="process")
    parser.add_argument("--image", default="", help="an image with torch, for the script's docker run")
    parser.add_argument("--measured", type=int, default=3, help="models of each kind that the script is timed on")
    parser.add_argument("--scored", type=int, default=5, help="examples that the script's scoring is timed on")
    arguments = parser.parse_args()
    if arguments.runner == "docker" and not arguments.image:
        parser.error("--runner docker needs --image; `harness image list` names one")
    task = find_task(arguments.task)
    with tempfile.TemporaryDirectory() as name:
        folder, fewer = Path(name), max(2, arguments.models // 4)
        script = Script(task, task.load(), folder, arguments.runner, arguments.image)
        parts = measure_script(script, arguments.models, arguments.measured, arguments.scored)
        fewer_s = measure_harness(arguments.task, fewer, arguments.runner, folder)
        ours_s = measure_harness(arguments.task, arguments.models, arguments.runner, folder)
    report(arguments.models, parts, ours_s, fewer, fewer_s, arguments.measured)


if __name__ == "__main__":
    main()
