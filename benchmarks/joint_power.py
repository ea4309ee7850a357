"""Power of the evaluator ``joint`` by the number of models: the share of runs in which it sees a known difference.

A model is one row of 100 standard normal confidences; unlearned models differ in a known way. Printed are, for 8, 16, 32 and 64
models of each population, the share of runs with p <= 0.05, the same of the relative test, and the mean lower bound of epsilon::

    python benchmarks/joint_power.py
    python benchmarks/joint_power.py --runs 100 --kind none
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence, Timings
from harness_evaluators import joint

Values = NDArray[np.float64]

EXAMPLES = 100
SIZES = (8, 16, 32, 64)
KINDS: dict[str, Callable[[Values, np.random.Generator], Values]] = {
    "none": lambda z, _: z,
    "all by 0.1 sd": lambda z, _: z + 0.1,
    "all by 0.2 sd": lambda z, _: z + 0.2,
    "all by 0.5 sd": lambda z, _: z + 0.5,
    "5 % by 1 sd": lambda z, _: z + (np.arange(z.shape[1]) < z.shape[1] // 20),
    "half the spread": lambda z, _: z / 2,
    "one tenth of the variance common": lambda z, rng: (
        np.sqrt(0.9) * z + np.sqrt(0.1) * rng.standard_normal((len(z), 1))
    ),
}
"""What is done to the confidences of unlearned models, by its name."""


def evidence(kind: str, models: int, seed: int) -> Evidence:
    """Return evidence with unlearned models that differ from retrained ones in a known way."""
    rng = np.random.default_rng(seed)
    phi = {name: rng.standard_normal((models, EXAMPLES)) for name in ("unlearned", "retrained", "control")}
    phi["unlearned"] = KINDS[kind](phi["unlearned"], rng)
    logits = {
        name: {"forget": np.stack([values, np.zeros_like(values)], axis=2).astype(np.float32)}
        for name, values in phi.items()
    }
    nothing = np.zeros(0)
    return Evidence(
        n_classes=2,
        ids={"forget": np.array([str(i) for i in range(EXAMPLES)])},
        labels={"forget": np.zeros(EXAMPLES, dtype=np.int64)},
        logits=logits,
        unlearned_from=np.arange(models),
        timings=Timings(nothing, nothing, None, nothing, nothing),
        seed=seed,
    )


def power(kind: str, models: int, runs: int) -> Values:
    """Return the shares of runs that either test rejects, and the mean bound of epsilon, shape (3,)."""
    found = []
    for seed in range(runs):
        values = {one.name: one.value for one in joint.evaluate(evidence(kind, models, seed)).metrics}
        found.append([values["p"] <= 0.05, values["relative_p"] <= 0.05, values["epsilon_lower_bound"]])
    return np.mean(np.array(found, dtype=np.float64), axis=0)


def main() -> None:
    """Print a row for each kind of difference and number of models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--kind", choices=sorted(KINDS), action="append")
    options = parser.parse_args()
    print(f"{'difference':<33} {'N':>3} {'p <= .05':>9} {'relative':>9} {'epsilon >=':>11}")
    for kind in options.kind or KINDS:
        for models in SIZES:
            rejected, relative, epsilon = power(kind, models, options.runs)
            print(f"{kind:<33} {models:>3} {rejected:>9.2f} {relative:>9.2f} {epsilon:>11.2f}", flush=True)


if __name__ == "__main__":
    main()
