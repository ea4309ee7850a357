"""The models of a run: which take part, in which order, and their phi and predictions.

Results must not depend on the order in which models or examples are stored, yet folds and resamples need some order.
Models are therefore ordered by a hash of their outputs, which is pseudo-random and invariant to permutations of rows.

The design determines which unlearned models take part. Under "per-original" it is the first row of each original, in
storage order: further repeats of an original are not independent of it, and comparisons of distributions assume
independent models. Under "one-original" it is every row.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence, Population, SplitName
from harness_evaluators.common import mapped, parallel

Values = NDArray[np.float64]
Order = NDArray[np.int64]
Classes = NDArray[np.unsignedinteger]
MIN_MODELS = 4
"""Fewest models of a population for a comparison of distributions."""

SAME = 1e-6
"""Relative tolerance for equal outputs: the largest difference that rounding on a GPU causes."""

_BLOCK = 100_000
"""Most logits converted to float64 at once, so that they stay in the processor's cache."""


class Analysis:
    """Quantities that several evaluators compute from the same evidence, each computed once and cached.

    Each evaluator runs in its own process with its own analysis, so the cache ends with the process.

    Args:
        evidence: of the run, all logits finite.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self._phi: dict[tuple[Population, SplitName], Values] = {}
        self._answers: dict[tuple[Population, SplitName], Classes] = {}

    @functools.cached_property
    def models(self) -> Models:
        """Return the models that take part, ordered by a hash of their logits on the forget set; references cut to size."""
        return Models(self, *_chosen(self.evidence))

    def phi(self, population: Population, split: SplitName) -> Values:
        """Return phi as :func:`harness.evaluation.phi`, shape (N, n), read-only."""
        key = population, split
        if key not in self._phi:
            self._phi[key] = phi_of(self.evidence.logits[population][split], self.evidence.labels[split])
            self._phi[key].flags.writeable = False
        return self._phi[key]

    def answers(self, population: Population, split: SplitName) -> Classes:
        """Return the predicted class of each model on each example (the first if tied), shape (N, n), read-only."""
        key = population, split
        if key not in self._answers:
            self._answers[key] = largest(self.evidence.logits[population][split])
            self._answers[key].flags.writeable = False
        return self._answers[key]

    def hits(self, population: Population, split: SplitName) -> NDArray[np.bool_]:
        """Return which examples each model classifies correctly, shape (N, n)."""
        return np.asarray(self.answers(population, split) == self.evidence.labels[split])


Statistic = Callable[[Analysis, Population, SplitName], Values]
"""A function of a population on a split; the first axis of its result is the models."""


@dataclass(frozen=True)
class Panel:
    """One statistic of every model, shape (N,) or (N, n) with one column per example; None for a missing population.

    Attributes:
        unlearned: what the plugin returned.
        retrained: the gold standard.
        control: further retrained models; what perfect unlearning gives.
        noop: the originals, untouched.
    """

    unlearned: Values | None
    retrained: Values | None
    control: Values | None
    noop: Values | None

    def comparisons(self) -> dict[str, tuple[Values, Values]]:
        """Return each row of the report with its own and the retrained models' values; empty if those are missing."""
        rows = {"unlearned": self.unlearned, "control": self.control, "noop": self.noop}
        right = self.retrained
        return {} if right is None else {name: (left, right) for name, left in rows.items() if left is not None}


@dataclass(frozen=True)
class Models:
    """The models of each population that take part, in order.

    Attributes:
        analysis: of the run.
        order: row numbers per population; control and original are cut to the number of unlearned models if they have
            more, because most statistics depend on how many models they compare.
        whole: as ``order``, but with all models of control and original, for statistics that take any number.
        same: under "one-original", that all unlearned models are identical, as a sentence without capital and full stop;
            empty if they are not.
    """

    analysis: Analysis
    order: Mapping[Population, Order]
    whole: Mapping[Population, Order]
    same: str = ""

    @property
    def evidence(self) -> Evidence:
        """Return the evidence of the run."""
        return self.analysis.evidence

    def sizes(self) -> dict[str, int]:
        """Return the number of models per row of the report (unlearned, retrained, control, noop); 0 if missing."""
        names: dict[str, Population] = {"unlearned": "unlearned", "retrained": "retrained", "control": "control"}
        return {name: len(self.order[key]) for name, key in {**names, "noop": "original"}.items()}

    def why_not(self, split: SplitName) -> str:
        """Return why the distributions on ``split`` cannot be compared, as a sentence; empty if they can."""
        return f"Not computed: {self.same}." if self.same else self.why_none(split)

    def why_none(self, split: SplitName) -> str:
        """Return :meth:`why_not` for a per-model statistic, which exists for a deterministic method under any design."""
        sizes = self.sizes()
        few = [f"{sizes[row]} {row}" for row in ("unlearned", "retrained") if sizes[row] < MIN_MODELS]
        if few:
            return (
                f"Not computed: {' and '.join(few)} models; a comparison of distributions needs {MIN_MODELS} of each."
            )
        return "" if self.has(split) else f"Not computed: there are no logits on a {split} set."

    def has(self, split: SplitName) -> bool:
        """Return True if every population that takes part has logits on at least one example of ``split``."""
        if split not in self.evidence.labels or len(self.evidence.labels[split]) == 0:
            return False
        return all(split in self.evidence.logits[name] for name, rows in self.order.items() if len(rows))

    def panel(self, split: SplitName, statistic: Statistic, minimum: int = MIN_MODELS) -> Panel:
        """Return ``statistic`` of every population on ``split``, models in order; None for populations below the minimum."""

        def rows(population: Population) -> Values | None:
            order = self.order[population]
            return mapped.taken(statistic(self.analysis, population, split), order) if len(order) >= minimum else None

        return Panel(rows("unlearned"), rows("retrained"), rows("control"), rows("original"))


def _chosen(evidence: Evidence) -> tuple[Mapping[Population, Order], Mapping[Population, Order], str]:
    """Return the rows by population cut to size, the rows uncut, and :func:`_same`."""
    salt = int(evidence.rng("model-order").integers(2**63))
    names: tuple[Population, ...] = ("unlearned", "retrained", "control", "original")
    order = {name: _order(evidence, name, salt) for name in names}
    if evidence.design == "per-original":
        order["unlearned"] = _first_of_each(evidence.unlearned_from, order["unlearned"])
    whole = dict(order)
    size = len(order["unlearned"])
    if size >= MIN_MODELS:
        references: tuple[Population, ...] = ("control", "original")
        order |= {name: order[name][:size] for name in references}
    return order, whole, _same(evidence)


def _first_of_each(origins: NDArray[np.int64], order: Order) -> Order:
    """Return ``order`` with only the first stored row of each original."""
    firsts = np.unique(origins, return_index=True)[1]
    return order[np.isin(order, firsts)]


def _same(evidence: Evidence) -> str:
    """Return a phrase if a run of one original has identical unlearned models; else an empty string."""
    judged = [logits for logits in evidence.logits.get("unlearned", {}).values() if logits.size]
    if evidence.design != "one-original" or not judged or len(judged[0]) < 2:
        return ""
    if not all(_equal_outputs(logits[0], row) for logits in judged for row in logits[1:]):
        return ""
    return (
        f"all {len(judged[0])} unlearned models are the same model: this method is deterministic, and the design "
        "one-original cannot judge it; use --design per-original"
    )


def _equal_outputs(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Return True if two models' logits on a split are equal up to rounding."""
    limit = SAME * float(np.abs(one).max())
    return bool((np.abs(one.astype(np.float64) - other) <= limit).all())


def phi_of(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Values:
    """Return :func:`harness.evaluation.phi` of logits (N, n, C), shape (N, n), computed in blocks and threads."""
    found = parallel.unfilled(logits.shape[:2])
    parallel.in_threads(lambda rows: _set_phi(logits[rows], labels, found[rows]), _blocks(logits))
    return found


def _set_phi(logits: NDArray[np.floating], labels: NDArray[np.int64], out: Values) -> None:
    """Set ``out`` to :func:`harness.evaluation.phi`; classes come first, so that sums over them run along contiguous rows."""
    z = np.array(logits.transpose(2, 0, 1), dtype=np.float64, order="C")
    columns = np.arange(len(labels))
    out[:] = z[labels, :, columns].T
    z[labels, :, columns] = -np.inf
    top = z.max(axis=0)
    z -= top
    out -= top
    out -= np.log(np.exp(z, out=z).sum(axis=0))


def largest(logits: NDArray[np.floating]) -> Classes:
    """Return the index of the largest of the C numbers, shape (N, n, C) to (N, n); the first if tied."""
    # The smallest integer type, since predictions are cached. C is no class, so an element that is missed is visible.
    none = logits.shape[2]
    found = mapped.full(logits.shape[:2], none, np.min_scalar_type(none))
    parallel.in_threads(lambda rows: _set_largest(logits[rows], found[rows]), _blocks(logits))
    return found


def _set_largest(logits: NDArray[np.floating], out: Classes) -> None:
    z = np.array(logits.transpose(2, 0, 1), order="C")
    best = z[0]
    out[:] = 0
    for label in range(1, len(z)):
        np.copyto(out, label, where=z[label] > best)
        np.maximum(best, z[label], out=best)


def _blocks(logits: NDArray[np.floating]) -> list[slice]:
    """Return slices of the models that hold about _BLOCK logits each."""
    return parallel.slices(len(logits), _BLOCK // max(1, logits.shape[1] * logits.shape[2]))


def _order(evidence: Evidence, population: Population, salt: int) -> Order:
    """Return row numbers sorted by a hash of the rows' logits on the forget set."""
    logits = evidence.logits.get(population, {}).get("forget")
    if logits is None or logits.shape[0] == 0:
        return np.zeros(0, dtype=np.int64)
    places = np.arange(logits.shape[2], dtype=np.uint64) << np.uint64(32)

    def of(rows: slice) -> NDArray[np.uint64]:
        bits = np.ascontiguousarray(logits[rows], dtype=np.float32).view(np.uint32).astype(np.uint64)
        bits += places
        return np.asarray(_mix(bits).reshape(len(bits), -1).sum(axis=1, dtype=np.uint64))

    sums = np.concatenate(parallel.in_threads(of, _blocks(logits)))
    return np.argsort(_mix(sums + np.uint64(salt)), kind="stable").astype(np.int64)


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Apply the finaliser of SplitMix64 (Steele, Lea and Flood, 2014), a bijection, to ``bits`` in place."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits ^= bits >> np.uint64(shift)
        bits *= np.uint64(factor)
    bits ^= bits >> np.uint64(31)
    return bits
