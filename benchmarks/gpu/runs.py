"""Methods on all of Fashion-MNIST, run and judged as ``harness run`` does, on the device.

The size is the largest that fits into the part's time, as estimated from the measured speed of training.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import harness
from benchmarks.gpu.proof import Given
from harness.errors import UsageError
from harness.tasks.datasets.fashion_mnist import fashion_mnist_examples

TASK = "fashion-mnist-full"
IMAGES, BATCH = 60_000, 256
BUDGET = 0.2
"""Share of retraining that a method may take, the default."""
MEASUREMENTS = 3
MARGIN = 0.7
"""Of the part's time that the estimate may fill; the rest is for data, guests and evaluators."""
HALVED = 0.5
"""Time for a network of half the width, in units of the whole one's: a cautious guess, since small kernels fill no card."""
FULL_WIDTH = 64
SHOWN = (("lira", "auc"), ("accuracy", "test"), ("accuracy", "forget"))

TASK_FILE = """\
extends: {task}
name: gpu-proof
dataset: {{{dataset}}}
{forget}architecture: {{options: {{width: {width}}}}}
recipe: {{epochs: {epochs}, chunk: {chunk}}}
models: {models}
budget: {{measurements: {measurements}}}
"""


def judged(given: Given) -> dict[str, Any]:
    """Return, by method, status, verdict, numbers and seconds of its run, and the size of the task.

    Raises:
        DatasetMissingError: there is no Fashion-MNIST.
        UsageError: not even the smallest size fits.
    """
    fashion_mnist_examples(given.data)
    found: dict[str, Any] = dict(given.begun)
    if "scale" not in found:
        found |= {"scale": list(chosen_scale(given)), "methods": {}}
        given.keep(found)
    task = _task_file(given, found["scale"])
    for method in given.sizes.methods:
        if method in found["methods"] or given.left_s < 0:
            continue
        found["methods"][method] = _run(method, task, given)
        given.keep(found)
    return found


def chosen_scale(given: Given) -> tuple[int, int, int]:
    """Return the first of ``sizes.scales`` (models, epochs, width) whose estimate fits into the time.

    Raises:
        UsageError: none fits.
    """
    speed = given.before.get("speed", {}).get("ratios", {}).get("resnet18 bfloat16")
    if speed is None:
        return given.sizes.scales[-1]
    for scale in given.sizes.scales:
        if _seconds(scale, speed, len(given.sizes.methods) - 1) < MARGIN * given.left_s:
            return scale
    raise UsageError(f"no size of the judged run fits into {given.left_s:.0f} s: pass more --minutes")


def _seconds(scale: tuple[int, int, int], speed: dict[str, Any], methods: int) -> float:
    """Return the estimated seconds of a run: three populations side by side, and methods and measurements one by one."""
    models, epochs, width = scale
    steps = epochs * IMAGES / BATCH
    narrow = 1.0
    while width < FULL_WIDTH:
        narrow, width = narrow * HALVED, 2 * width
    one_by_one = (MEASUREMENTS + methods * models * BUDGET) * speed["alone_s"]
    return float(steps * narrow * (3 * models * speed["together_s"] + one_by_one))


def _task_file(given: Given, scale: list[int]) -> Path:
    models, epochs, width = scale
    parts = [] if given.data is None else [f"directory: {given.data.absolute()}"]
    forget = ""
    if given.sizes.train_size is not None:
        parts += [f"train_size: {given.sizes.train_size}", f"test_size: {given.sizes.train_size}"]
        forget = f"forget: {{count: {given.sizes.train_size // 10}}}\n"
    best = given.before.get("speed", {}).get("ratios", {}).get("resnet18 bfloat16", {})
    text = TASK_FILE.format(
        task=TASK, dataset=", ".join(parts), forget=forget, width=width, epochs=epochs,
        chunk=min(models, best.get("models", 8)), models=models, measurements=MEASUREMENTS,
    )  # fmt: skip
    path = given.folder / "gpu-proof.yaml"
    path.write_text(text)
    return path


def _run(method: str, task: Path, given: Given) -> dict[str, Any]:
    """Return the facts of one method's run; the process runner is used, since a card is at hand more often than an engine."""
    report = harness.run(
        method,
        task,
        runner="process",
        no_wait=True,
        output=given.folder / "runs" / method,
        force=True,
        keep_going=True,
        gpus="none" if given.sizes.device == "cpu" else "auto",
        progress=None,
    )
    return {
        "status": report.status,
        "verdict": report.verdict.level,
        "models": len(report.models),
        "finished": report.finished_models,
        "phases": dict(report.phases),
        "median_s": statistics.median(model.charged_s for model in report.models if model.charged_s is not None),
        "peak_gpu_mib": max((model.peak_gpu_mib or 0.0 for model in report.models), default=0.0),
        "numbers": {f"{family}.{name}": _value(report, family, name) for family, name in SHOWN},
    }


def _value(report: harness.RunReport, family: str, name: str) -> float | None:
    records = [record for record in report.evaluators if record.name == family]
    return next((metric.value for record in records for metric in record.metrics if metric.name == name), None)
