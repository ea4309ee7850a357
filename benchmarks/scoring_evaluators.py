"""Time and memory of every registered evaluator on a whole run's evidence; see ``benchmarks/scoring.py --evaluators``."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.core.progress import SilentProgress
from harness.evaluation import Evidence, Population, SplitName, Timings
from harness.plugins.discovery import load_evaluators
from harness.runs import evaluators as evaluating

POPULATIONS: tuple[Population, ...] = ("original", "retrained", "control", "unlearned")
SHARES: dict[SplitName, float] = {"retain": 1.0, "forget": 1.0, "validation": 0.5, "test": 1.0}
"""Examples of each split for one forgotten example."""

QUERIES = ("flip", "shift", "noise", "bfloat16")
"""What models are asked beyond the pictures as they are; see :mod:`harness.references.queries`."""


@dataclass(frozen=True)
class Size:
    """Models of each population, forgotten examples, and classes."""

    models: int = 512
    examples: int = 1000
    classes: int = 10


@dataclass(frozen=True)
class Cost:
    """Seconds of the wall clock and of the processors, and MiB of peak memory on top of what was there before."""

    wall_s: float
    processor_s: float
    extra_mib: float


@dataclass(frozen=True)
class Bill:
    """All evaluators on one evidence, one after another in one process.

    Attributes:
        each: by evaluator, in the order in which they were run.
        together: all of them side by side, as a run of the harness has them, on the same evidence anew.
        evidence_mib: of all logits.
        peak_mib: of the whole process: the interpreter, libraries, evidence and all work.
    """

    each: dict[str, Cost]
    together: Cost
    evidence_mib: float
    peak_mib: float

    @property
    def wall_s(self) -> float:
        """Of all together."""
        return sum(cost.wall_s for cost in self.each.values())

    @property
    def processor_s(self) -> float:
        """Of all together."""
        return sum(cost.processor_s for cost in self.each.values())


def evidence(size: Size) -> Evidence:
    """Evidence of models whose logits are a common part and noise, surest of what they were trained on; read-only."""
    rng = np.random.default_rng(0)
    sizes = {split: max(8, round(share * size.examples)) for split, share in SHARES.items()}
    labels = {split: rng.integers(size.classes, size=n) for split, n in sizes.items()}
    common = {split: rng.standard_normal((n, size.classes), dtype=np.float32) for split, n in sizes.items()}
    sure = {"original": 1.5, "retrained": 0.8, "control": 0.8, "unlearned": 1.0}

    def drawn(population: Population, split: SplitName) -> np.ndarray:
        logits = rng.standard_normal((size.models, sizes[split], size.classes), dtype=np.float32)
        logits += common[split]
        logits[:, np.arange(sizes[split]), labels[split]] += sure[population] if split == "forget" else 1.0
        logits.flags.writeable = False
        return logits

    def asked(logits: np.ndarray) -> np.ndarray:
        found = logits + np.float32(0.3) * rng.standard_normal(logits.shape, dtype=np.float32)
        found.flags.writeable = False
        return found

    wrong = rng.random(sizes["forget"]) < 0.3
    logits = {name: {split: drawn(name, split) for split in SHARES} for name in POPULATIONS}
    return Evidence(
        n_classes=size.classes,
        ids={split: np.array([f"{split}-{i}" for i in range(n)]) for split, n in sizes.items()},
        labels=labels,
        logits=logits,
        queries={query: {name: asked(by["forget"]) for name, by in logits.items()} for query in QUERIES},
        unlearned_from=np.arange(size.models),
        timings=Timings(
            unlearn_s=rng.exponential(1, size.models),
            retrain_s=rng.exponential(10, 32),
            limit_s=20.0,
            peak_rss_mib=rng.exponential(300, size.models),
            peak_gpu_mib=np.full(size.models, np.nan),
        ),
        true_labels={"forget": np.where(wrong, (labels["forget"] + 1) % size.classes, labels["forget"])},
    )


def registered() -> dict[str, Callable[[Evidence], object]]:
    """Return the function of every registered evaluator, by name."""
    points = sorted(importlib.metadata.entry_points(group="harness.evaluators"), key=lambda point: point.name)
    return {point.name: point.load().harness_evaluator().evaluate for point in points}


def bill(size: Size) -> Bill:
    """Measure the cost of all evaluators at one size, in a separate process with all code loaded."""
    # Not a Pool: its workers are daemons, which may start no processes of their own.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_billed, size).result()


def _billed(size: Size) -> Bill:
    evaluators = registered()
    warm = evidence(replace(size, models=16, examples=40))
    for evaluate in evaluators.values():
        evaluate(warm)
    del warm
    found = evidence(size)
    groups = (*found.logits.values(), *found.queries.values())
    mib = sum(array.nbytes for by in groups for array in by.values()) / 2**20
    each, peak = {}, 0.0
    for name, evaluate in evaluators.items():
        before = reset_peak_mib()
        wall, processor = time.perf_counter(), time.process_time()
        evaluate(found)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        each[name] = Cost(wall, processor, peak_mib() - before)
        peak = max(peak, peak_mib())
    found = replace(found, seed=found.seed + 1)  # other evidence: what was kept of the first goes with it
    together = _together(found)
    return Bill(each, together, mib, max(peak, peak_mib()))


def _together(found: Evidence) -> Cost:
    """Measure the cost of all evaluators in parallel."""
    loaded, _ = load_evaluators()
    before = reset_peak_mib()
    wall, processor = time.perf_counter(), _processor_s()
    evaluating.evaluate(loaded, found, SilentProgress())
    return Cost(time.perf_counter() - wall, _processor_s() - processor, peak_mib() - before)


def _processor_s() -> float:
    """Return the CPU seconds, user and system, of this process and of its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def reset_peak_mib() -> float:
    """Let the kernel forget the peak of this process's memory; returns what it uses now, MiB. Linux only."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mib()


def peak_mib() -> float:
    """Return the peak memory of this process since the last reset, in MiB."""
    status = Path("/proc/self/status").read_text()
    return float(status.partition("VmHWM:")[2].split()[0]) / 1024


def show(size: Size) -> None:
    """Print what every evaluator costs, and all together."""
    found = bill(size)
    print(
        f"every evaluator, one after another: {size.models} models of each of {len(POPULATIONS)} populations, "
        f"{size.examples} forgotten examples, {size.classes} classes; evidence {found.evidence_mib:.0f} MiB"
    )
    for name, cost in found.each.items():
        print(
            f"  {name:20s} {cost.wall_s:8.2f} s wall, {cost.processor_s:8.2f} s of processors, {cost.extra_mib:6.0f} MiB"
        )
    print(
        f"  {'all':20s} {found.wall_s:8.2f} s wall, {found.processor_s:8.2f} s of processors, peak of the process "
        f"{found.peak_mib:.0f} MiB with the evidence"
    )
    print(
        f"  {'side by side':20s} {found.together.wall_s:8.2f} s wall, {found.together.processor_s:8.2f} s of processors, "
        f"{found.together.extra_mib:6.0f} MiB"
    )
    ratio = found.processor_s / found.each["lira"].processor_s
    print(f"  CPU time of all to that of the likelihood-ratio attack alone: {ratio:.1f}", flush=True)


def show_growth(size: Size, factor: int = 4) -> None:
    """Print the exponents of CPU time from a fourth of a size up to ``factor`` times it, fitted on logarithms."""
    factors = [2.0**i for i in range(-2, factor.bit_length())]
    for what, sizes in (
        ("models", [replace(size, models=round(f * size.models)) for f in factors]),
        ("examples", [replace(size, examples=round(f * size.examples)) for f in factors]),
    ):
        bills = [bill(one) for one in sizes]
        print(
            f"growth with {what}, {getattr(sizes[0], what)} to {getattr(sizes[-1], what)}: "
            f"exponents of CPU time, and seconds at either end"
        )
        for name in (*bills[0].each, "all"):
            seconds = [one.processor_s if name == "all" else one.each[name].processor_s for one in bills]
            exponent = np.polyfit(np.log(factors), np.log(np.maximum(seconds, 1e-3)), 1)[0]
            print(f"  {name:20s} {exponent:5.2f}   {seconds[0]:8.2f} to {seconds[-1]:8.2f} s")
        peaks = ", ".join(f"{one.peak_mib:.0f} ({one.evidence_mib:.0f})" for one in bills)
        print(f"  peak MiB (of it evidence): {peaks}", flush=True)
