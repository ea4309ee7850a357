"""The public API for evaluators: what they get, what they give back, and how they register.

This module needs numpy and pluggy alone. An evaluator is a module that implements one hook::

    from harness.evaluation import Evidence, EvaluatorInfo, Result, hookimpl

    @hookimpl
    def harness_evaluator():
        return EvaluatorInfo(name="mine", version="1", summary="...", evaluate=evaluate)

    def evaluate(evidence: Evidence) -> Result: ...

registered under the entry-point group ``harness.evaluators``. ``evaluate`` is a pure function: same evidence, same result.
Whatever it draws at random it draws from ``evidence.rng(name)``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pluggy
from numpy.typing import NDArray

from harness.choices import Clock as Clock
from harness.choices import Design as Design

PROJECT = "harness"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Population = Literal["original", "retrained", "control", "unlearned"]
SplitName = Literal["retain", "forget", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("retain", "forget", "validation", "test")
Direction = Literal["higher", "lower", "closer_to_reference", "none"]


@dataclass(frozen=True)
class Timings:
    """Times and memory. Seconds are the host's monotonic clock's, or processor seconds where ``clock`` is "cpu".

    Attributes:
        unlearn_s: charged seconds per unlearned model, shape (n_unlearned,); NaN for a failed model that counts as its original.
        retrain_s: measured seconds of retraining through the same runner, shape (n_measurements,); may be empty.
        limit_s: the limit in force, seconds, or examples where ``clock`` is "steps"; None where there was none.
        peak_rss_mib: per finished model, MiB; NaN where unknown.
        peak_gpu_mib: per finished model, MiB; NaN on CPU.
        clock: what the limit counts: "wall" (seconds), "cpu" (processor seconds) or "steps" (examples drawn).
        unlearn_examples: examples drawn from the splits' loaders per unlearned model, shape (n_unlearned,); empty or NaN where
            unknown.
        retrain_examples: the same of each measured retraining; may be empty.
    """

    unlearn_s: NDArray[np.float64]
    retrain_s: NDArray[np.float64]
    limit_s: float | None
    peak_rss_mib: NDArray[np.float64]
    peak_gpu_mib: NDArray[np.float64]
    clock: Clock = "wall"
    unlearn_examples: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    retrain_examples: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class Evidence:
    """All that an evaluator may know about a run, read-only to the last array; what it is made of must not change any more.

    Attributes:
        n_classes: number of classes C.
        ids: per split, example ids, shape (n,), dtype str.
        labels: per split, true classes, shape (n,), int64.
        logits: per population and split, shape (N_population, n, C), float32. ``original`` is the no-op: the models
            before unlearning. ``unlearned`` holds finished models only; row r came from original
            ``unlearned_from[r]``.
        unlearned_from: shape (N_unlearned,), int64. Under ``per-original`` an original may occur more than once, with other
            seeds of the method (``--repeats``); rows of one original are not independent, and an evaluator that compares
            distributions takes the first one of each. Under ``one-original`` all are the same, and every row counts.
        timings: seconds and memory.
        seed: what :meth:`rng` derives its streams from; the task's in a run, so that all runs of a task are judged by the same
            draws (splits of examples, folds) and differ by their models alone.
        class_names: C names.
        design: "per-original": as many originals as unlearned models, the default; "one-original": one original unlearned
            again and again with other seeds, the 2023 Challenge's design.
        true_labels: per split whose labels the task corrupted before training, the true classes, shape (n,), int64;
            empty where nothing was corrupted. ``labels`` are those that the models were trained on.
        queries: logits on the forget set under further queries, per query and population, shape (N_population, n_forget, C),
            float32; rows and examples are in the order of ``logits``. A query is a fixed change of the input ("flip",
            "shift", "noise") or of the weights ("bfloat16": rounded to it), made alike for all populations. Empty where
            none was made.
        subjects: per split, which person or thing each example shows, shape (n,), dtype str; splits without subjects are
            left out.
    """

    n_classes: int
    ids: Mapping[str, NDArray[np.str_]]
    labels: Mapping[str, NDArray[np.int64]]
    logits: Mapping[str, Mapping[str, NDArray[np.float32]]]
    unlearned_from: NDArray[np.int64]
    timings: Timings
    seed: int = 0
    class_names: tuple[str, ...] = ()
    design: Design = "per-original"
    true_labels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    queries: Mapping[str, Mapping[str, NDArray[np.float32]]] = field(default_factory=dict)
    subjects: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, _read_only(getattr(self, one.name)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle plain dicts: read-only views of mappings cannot be."""
        return type(self), tuple(_plain(getattr(self, one.name)) for one in fields(self))

    def phi(self, population: Population, split: SplitName) -> NDArray[np.float64]:
        """Logit-scaled confidence of the true class, shape (N, n), float64; see :func:`phi`."""
        return phi(self.logits[population][split], self.labels[split])

    def rng(self, name: str) -> np.random.Generator:
        """A stream of random numbers that depends on the evidence's seed and ``name`` alone."""
        digest = hashlib.sha256(f"{self.seed}:{name}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _read_only(value: Any) -> Any:
    """Return a view that nothing can be assigned to; other values than arrays, mappings and times stay as they are."""
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    if isinstance(value, Mapping):
        return MappingProxyType({name: _read_only(inner) for name, inner in value.items()})
    if isinstance(value, Timings):
        return replace(value, **{one.name: _read_only(getattr(value, one.name)) for one in fields(value)})
    return value


def _plain(value: Any) -> Any:
    return {name: _plain(inner) for name, inner in value.items()} if isinstance(value, Mapping) else value


def phi(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logit-scaled confidence log p_y - log sum_{k != y} p_k, computed from logits as z_y - logsumexp_{k != y} z_k.

    Both forms are equal (the softmax's normaliser cancels); this one neither over- nor underflows. Source: Carlini et al.,
    "Membership Inference Attacks From First Principles" (2022), section VI.

    Args:
        logits: shape (N, n, C) with C >= 2.
        labels: shape (n,), in [0, C).

    Returns:
        shape (N, n), float64.
    """
    z = np.asarray(logits, dtype=np.float64)
    index = np.broadcast_to(labels[None, :, None], (z.shape[0], z.shape[1], 1))
    true = np.take_along_axis(z, index, axis=2)[..., 0]
    others = z.copy()
    np.put_along_axis(others, index, -math.inf, axis=2)
    top = others.max(axis=2, keepdims=True)
    lse = np.log(np.exp(others - top).sum(axis=2)) + top[..., 0]
    return np.asarray(true - lse)


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        low: lower end.
        high: upper end.
        level: coverage, e.g. 0.95.
        method: how it was made, e.g. "bootstrap over models, 200 resamples".
    """

    low: float
    high: float
    level: float = 0.95
    method: str = ""


@dataclass(frozen=True)
class Metric:
    """One number with all that is needed to read it.

    Attributes:
        name: unique within the evaluator, lower case with underscores.
        value: the unlearned models' value; None where it does not exist (then ``note`` says why). Never NaN.
        direction: which way is better; "closer_to_reference" means closer to ``control``.
        description: one sentence for a reader who does not know the metric.
        unit: e.g. "s", "MiB", "share"; empty for a pure number.
        interval: over models.
        control: the same statistic for control models against retrained ones: what perfect unlearning scores.
        control_interval: of ``control``.
        noop: the same statistic for the originals, untouched: the ceiling of leakage.
        position: 0 = as the no-op, 1 = as the control, on this metric; None where undefined.
        smallest_visible: the smallest difference from ``control`` that this run could have told from chance.
        headline: shown in the terminal summary.
        note: what the reader must know, e.g. that N is too small.
    """

    name: str
    value: float | None
    direction: Direction
    description: str
    unit: str = ""
    interval: Interval | None = None
    control: float | None = None
    control_interval: Interval | None = None
    noop: float | None = None
    position: float | None = None
    smallest_visible: float | None = None
    headline: bool = False
    note: str = ""


@dataclass(frozen=True)
class Result:
    """What an evaluator returns.

    Attributes:
        metrics: in the order in which they should be shown; names unique.
        arrays: small arrays for plots, by name, each 1-D or 2-D, finite; kept in the report as lists.
        warnings: sentences for the reader.
    """

    metrics: tuple[Metric, ...]
    arrays: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluatorInfo:
    """What an evaluator registers.

    Attributes:
        name: equal to the entry point's name.
        version: changes whenever the numbers could; part of the report.
        summary: one line for ``harness evaluators``.
        evaluate: the pure function.
        source: where the formula comes from.
    """

    name: str
    version: str
    summary: str
    evaluate: Callable[[Evidence], Result]
    source: str = ""
