"""The public API for evaluators: their input, their result and their registration.

This module depends only on numpy, pluggy and annotated-types. An evaluator is a module that implements one hook::

    from harness.evaluation import Evidence, EvaluatorInfo, Result, hookimpl

    @hookimpl
    def harness_evaluator():
        return EvaluatorInfo(name="mine", version="1", summary="...", evaluate=evaluate)

    def evaluate(evidence: Evidence) -> Result: ...

registered in the entry-point group ``harness.evaluators``. ``evaluate`` is a pure function: the same evidence gives the same
result. It draws random numbers only from ``evidence.rng(name)``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np
import pluggy
from annotated_types import Gt, Lt
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
    """Times and peak memory; seconds on the host's monotonic clock, or CPU seconds if ``clock`` is "cpu".

    Attributes:
        unlearn_s: charged seconds per unlearned model, shape (n_unlearned,); NaN for a failed model that counts as its original.
        retrain_s: measured seconds of retraining through the same runner, shape (n_measurements,); may be empty.
        limit_s: the limit per model, in seconds, or in examples if ``clock`` is "steps"; None without a limit.
        peak_rss_mib: peak resident memory per finished model, MiB; NaN if unknown.
        peak_gpu_mib: peak GPU memory per finished model, MiB; NaN on CPU.
        clock: unit of the limit: "wall" (seconds), "cpu" (CPU seconds) or "steps" (examples drawn).
        unlearn_examples: examples drawn from the splits' loaders per unlearned model, shape (n_unlearned,); empty or NaN if
            unknown.
        retrain_examples: examples drawn per measured retraining, shape (n_measurements,); may be empty.
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
    """The input of an evaluator: everything that it may use of a run. All arrays are read-only views.

    Attributes:
        n_classes: number of classes C.
        ids: per split, example ids, shape (n,), dtype str.
        labels: per split, true classes, shape (n,), int64.
        logits: per population and split, shape (N_population, n, C), float32. ``original`` is the no-op: the models
            before unlearning. ``unlearned`` contains finished models only; row r was unlearned from original
            ``unlearned_from[r]``.
        unlearned_from: index of the original per unlearned model, shape (N_unlearned,), int64. With design ``per-original``,
            an original occurs more than once if ``--repeats`` is above 1. Rows of one original are not independent: an
            evaluator that compares distributions uses the first row of each. With ``one-original``, all values are equal and
            every row counts.
        timings: times and peak memory.
        seed: seed of the streams of :meth:`rng`. In a run it is the task's, so that all runs of a task use the same random
            draws (splits of examples, folds) and differ in their models only.
        class_names: the C class names.
        design: "per-original" (default): one unlearned model per original; "one-original": a single original, unlearned
            repeatedly with different seeds, as in the 2023 Challenge.
        true_labels: per split with labels that the task corrupted before training, the true classes, shape (n,), int64;
            empty if no labels were corrupted. ``labels`` are the labels that the models were trained on.
        queries: logits on the forget set under further queries, per query and population, shape (N_population, n_forget, C),
            float32; rows and examples are in the order of ``logits``. A query is a fixed change of the input ("flip",
            "shift", "noise") or of the weights ("bfloat16": rounded to it), identical for all populations. Empty if
            there are none.
        subjects: per split, the person or object that each example shows, shape (n,), dtype str; splits without subjects are
            omitted.
        probes: what the host computed from the models' weights, per probe, population and name, first axis (N_population,) in
            the order of ``logits``, or shorter: the first models alone, for a probe that takes much memory. It has the probes
            that the evaluators of the run ask for.
        unprobed: why a probe that an evaluator asks for is not in ``probes``, a clause by probe.
        twins: per other split, which forgotten examples have an equal or nearly equal example there, shape (n_forget,), bool;
            splits without such examples are omitted.
        never_trained: which validation examples methods were also asked to forget, though no model was trained on them, shape
            (n_validation,), bool; empty if there are none.
        altered: number of altered copies of retained examples that methods were also asked to forget.
        phi_only: True if of each model only phi is known (``harness score``). There are then two classes, and ``logits`` hold
            (phi, 0) for the true class, always 0, and all others: only what is computed from phi has its usual meaning.
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
    phi_only: bool = False
    probes: Mapping[str, Mapping[str, Mapping[str, NDArray[Any]]]] = field(default_factory=dict)
    twins: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    never_trained: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    altered: int = 0
    unprobed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for item in fields(self):
            object.__setattr__(self, item.name, _read_only(getattr(self, item.name)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with plain dicts, since read-only mapping views cannot be pickled."""
        return type(self), tuple(_plain(getattr(self, item.name)) for item in fields(self))

    def phi(self, population: Population, split: SplitName) -> NDArray[np.float64]:
        """Return the logit-scaled confidence of the true class, shape (N, n), float64; see :func:`phi`."""
        return phi(self.logits[population][split], self.labels[split])

    def rng(self, name: str) -> np.random.Generator:
        """Return a random generator with a stream that depends only on the evidence's seed and ``name``."""
        digest = hashlib.sha256(f"{self.seed}:{name}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _read_only(value: Any) -> Any:
    """Return a read-only view of an array, mapping or Timings; return any other value unchanged."""
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    if isinstance(value, Mapping):
        return MappingProxyType({name: _read_only(inner) for name, inner in value.items()})
    if isinstance(value, Timings):
        return replace(value, **{item.name: _read_only(getattr(value, item.name)) for item in fields(value)})
    return value


def _plain(value: Any) -> Any:
    return {name: _plain(inner) for name, inner in value.items()} if isinstance(value, Mapping) else value


def phi(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the logit-scaled confidence log p_y - log sum_{k != y} p_k, computed as z_y - logsumexp_{k != y} z_k.

    Both forms are equal because the softmax's normaliser cancels; the second neither overflows nor underflows. Source: Carlini et
    al., "Membership Inference Attacks From First Principles" (2022), section VI.

    Args:
        logits: shape (N, n, C) with C >= 2.
        labels: true classes, shape (n,), in [0, C).

    Returns:
        shape (N, n), float64.
    """
    found = np.empty(logits.shape[:2])
    for model, out in zip(logits, found, strict=True):  # one at a time: in float64 a population may not fit into memory
        others = np.array(model, dtype=np.float64)
        true = np.take_along_axis(others, labels[:, None], axis=1)[:, 0]
        np.put_along_axis(others, labels[:, None], -math.inf, axis=1)
        top = others.max(axis=1, keepdims=True)
        out[:] = true - (np.log(np.exp(others - top).sum(axis=1)) + top[:, 0])
    return found


def probed(examples: int, most: int) -> NDArray[np.int64]:
    """Return the positions, ascending, of the examples of a split that a probe of at most ``most`` examples uses."""
    if examples <= most:
        return np.arange(examples)
    # NumPy may change Generator's streams between versions but never RandomState's, so cached results stay comparable.
    return np.sort(np.random.RandomState(0).permutation(examples)[:most])


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        low: lower end.
        high: upper end.
        level: coverage, e.g. 0.95.
        method: how it was computed, e.g. "bootstrap over models, 200 resamples".
    """

    low: float
    high: float
    level: Annotated[float, Gt(0), Lt(1)] = 0.95
    method: str = ""


@dataclass(frozen=True)
class Metric:
    """A number with everything needed to interpret it.

    Attributes:
        name: unique within the evaluator, lower case with underscores.
        value: value of the unlearned models; None if undefined (``note`` then gives the reason). Never NaN.
        direction: which way is better; "closer_to_reference" means closer to ``control``.
        description: one sentence for a reader who does not know the metric.
        unit: unit of ``value``, ``control`` and ``noop``, e.g. "s", "MiB", "share"; empty for a dimensionless number.
        interval: confidence interval of ``value`` over models.
        control: the same statistic for control models against retrained models: the value of perfect unlearning.
        control_interval: confidence interval of ``control``.
        noop: the same statistic for the unchanged originals: the ceiling of leakage.
        position: position of ``value`` between the no-op (0) and the control (1); None if undefined.
        smallest_visible: smallest detectable difference from ``control`` at this run's number of models.
        headline: show the metric in the terminal summary.
        note: caveat for the reader, e.g. that N is too small.
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
    """The result of an evaluator.

    Attributes:
        metrics: metrics with unique names, in display order.
        arrays: small arrays for plots by name, each 1-D or 2-D and finite; stored in the report as lists.
        warnings: sentences for the reader.
    """

    metrics: tuple[Metric, ...]
    arrays: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluatorInfo:
    """The registration of an evaluator.

    Attributes:
        name: the entry point's name.
        version: must change whenever the numbers may change; part of the report.
        summary: one line for ``harness evaluators``.
        evaluate: the pure function from evidence to result.
        source: reference of the formula.
        needs: "logits", or "phi" if phi is enough; an evaluator that needs logits is not called where only phi is known.
        probes: names of the probes that it reads from ``Evidence.probes``; it is not called where one of them is missing.
        default: used unless others are asked for; False for an evaluator that takes long.
    """

    name: str
    version: str
    summary: str
    evaluate: Callable[[Evidence], Result]
    source: str = ""
    needs: Literal["logits", "phi"] = "logits"
    probes: tuple[str, ...] = ()
    default: bool = True
