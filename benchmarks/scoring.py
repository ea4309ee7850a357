"""Time and memory of scoring: epsilons of both families of attacks, and every evaluator on a whole run's evidence.

Epsilons are computed in a fresh process, after a first call on a few examples. Printed are the median
wall-clock and CPU time of one call on all examples and the growth of that process's peak memory over it::

    python benchmarks/scoring.py
    python benchmarks/scoring.py --models 64 --examples 5000
    python benchmarks/scoring.py --evaluators
    python benchmarks/scoring.py --evaluators --scaling

With ``--evaluators`` it is every registered evaluator, one after another in one process, on the evidence of a whole run
with four queries, at 32 and at ``--models`` models: wall-clock and CPU time and peak memory of each and of all;
with ``--scaling`` also how they grow up to fourfold.

The ratio is to a literal transcription of the released grid, which compares every threshold with every model. It is
timed in the same run on a few examples and scaled linearly to all of them. It takes one right end at a time, while the
released code first copies every number for every threshold: that took 3,500 s where this took 172 s (512 models,
1000 examples, two cores; the released code with its assertion mended and on the CPU, scaled).
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scoring_evaluators import Cost, Size, peak_mib, reset_peak_mib, show, show_growth

from harness_evaluators import forgetting_quality
from harness_evaluators.forgetting_quality import rates

FEW = 32
"""Models of a usual run; ``--evaluators`` measures so many besides ``--models``."""

Values = NDArray[np.float64]
Score = Callable[[Values, Values], object]


def official_grid(unlearned: Values, retrained: Values) -> Values:
    """Epsilons on the released grid."""
    return forgetting_quality.epsilons(unlearned, retrained, attack="official-grid")


def exact(unlearned: Values, retrained: Values) -> Values:
    """Epsilons over all thresholds and intervals."""
    return forgetting_quality.epsilons(unlearned, retrained, attack="exact")


def literal_grid(unlearned: Values, retrained: Values) -> list[float]:
    """Compute the released grid: every threshold with every model, one example after another."""
    return [_literal(u, r) for u, r in zip(unlearned.T, retrained.T, strict=True)]


MEASURES: dict[str, Score] = {"official-grid": official_grid, "exact": exact}


def _literal(u: Values, r: Values) -> float:
    p, q = (r, u) if np.median(r) > np.median(u) else (u, r)
    both = np.concatenate([p, q])
    single = np.linspace(both.min(), both.max(), math.ceil(100 * np.ptp(both)))
    best = _best(p[:, None] < single, q[:, None] >= single)
    a, b = (q, p) if np.ptp(p) >= np.ptp(q) else (p, q)
    width = float(np.ptp(a))
    first, last = a.min() + width - 2, a.max() + 2
    for right in np.linspace(first, last, math.ceil(100 * (last - first))):
        left = np.linspace(right - width - 2, right - width + 2, 400)
        inside = [(left <= side[:, None]) & (side[:, None] <= right) for side in (a, b)]
        best = max(best, _best(~inside[0], inside[1]))
    return best


def _best(missed: NDArray[np.bool_], false_alarm: NDArray[np.bool_]) -> float:
    """Return the largest epsilon that is not discarded; each column is an attack."""
    fnr, fpr = (errors.mean(axis=0, dtype=np.float32) for errors in (missed, false_alarm))
    if ((fnr == 0) & (fpr == 0)).any():
        return rates.CAP
    kept = (fnr > 0) & (fpr > 0)
    fnr, fpr = fnr[kept], fpr[kept]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.fmax(np.log(1 - 1e-5 - fpr) - np.log(fnr), np.log(1 - 1e-5 - fnr) - np.log(fpr))
    return max(0.0, float(found.max())) if found.size else 0.0


def populations(n_models: int, n_examples: int) -> tuple[Values, Values]:
    """Phi of unlearned and retrained models: Normal, of slightly different centre and spread on each example."""
    rng = np.random.default_rng(0)
    centre, shift, spread = (rng.normal(size=n_examples) for _ in range(3))
    unlearned = centre + 0.3 * shift + np.exp(0.2 * spread) * rng.standard_normal((n_models, n_examples))
    return unlearned, centre + rng.standard_normal((n_models, n_examples))


def measure(name: str, n_models: int, n_examples: int, repeats: int) -> Cost:
    """Measure one measure's cost in a separate process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (name, n_models, n_examples, repeats))


def _measured(name: str, n_models: int, n_examples: int, repeats: int) -> Cost:
    score = MEASURES[name]
    sides = populations(n_models, n_examples)
    score(*(side[:, :40].copy() for side in sides))
    score(*sides)
    walls: list[float] = []
    processors: list[float] = []
    before = reset_peak_mib()
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        score(*sides)
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return Cost(statistics.median(walls), statistics.median(processors), peak_mib() - before)


def compare(n_models: int, n_examples: int, n_literal: int, repeats: int) -> None:
    """Print the cost of every measure and its ratio to the literal transcription."""
    few = [side[:, :n_literal] for side in populations(n_models, n_examples)]
    begin = time.process_time()
    expected = literal_grid(*few)
    literal_s = (time.process_time() - begin) / n_literal * n_examples
    difference = float(np.abs(official_grid(*few) - expected).max())
    print(f"{n_models} models a side, {n_examples} examples, median of {repeats}")
    print(f"  literal grid   {literal_s:10.1f} s of processor, scaled from {n_literal} examples")
    print(f"                 largest difference from official-grid on these: {difference:.1e}")
    for name in MEASURES:
        cost = measure(name, n_models, n_examples, repeats)
        ratio = f", ratio {literal_s / cost.wall_s:8.0f}" if name == "official-grid" else ""
        print(
            f"  {name:14s} {cost.wall_s:10.4f} s wall, {cost.processor_s:8.4f} s of processors, "
            f"{cost.extra_mib:6.1f} MiB{ratio}",
            flush=True,
        )


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=512, help="models a side")
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--literal-examples", type=int, default=4, help="examples timed with the literal transcription")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scaling", action="store_true", help="with --evaluators: fit how cost grows")
    parser.add_argument(
        "--evaluators", action="store_true", help="measure every registered evaluator on whole evidence"
    )
    parser.add_argument("--classes", type=int, default=10, help="of the whole evidence")
    arguments = parser.parse_args()
    if arguments.evaluators:
        size = Size(arguments.models, arguments.examples, arguments.classes)
        if arguments.scaling:
            show_growth(size)
            return
        for models in sorted({FEW, arguments.models}):
            show(replace(size, models=models))
        return
    compare(arguments.models, arguments.examples, arguments.literal_examples, arguments.repeats)


if __name__ == "__main__":
    main()
