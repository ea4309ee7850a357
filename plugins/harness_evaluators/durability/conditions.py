"""What models answer under each condition of the probe ``recovery``, as one number of each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Population, phi, probed
from harness_evaluators.common.evidence_analysis import MIN_MODELS, Models, Order

Values = NDArray[np.float64]
Logits = NDArray[np.float32]
Classes = NDArray[np.int64]

PROBE = "recovery"
FORGET, TEST, HITS, GIVEN = "/forget", "/test", "/hits", "given"
SURE = 30.0
"""Confidences are cut to ± SURE, which is certainty in single precision; so one broken model cannot dominate a mean."""

LARGEST = 1e30
KINDS = ("retain", "bits", "noise")

ROWS: dict[str, Population] = {
    "unlearned": "unlearned",
    "retrained": "retrained",
    "control": "control",
    "noop": "original",
}


@dataclass(frozen=True)
class Answers:
    """Means over examples of each model of a population, before or under a condition; shape (N,) each.

    Attributes:
        phi: mean confidence in the true class on the forget set.
        excess: that, less the mean confidence on the test set.
        accuracy: share of the forget set classified correctly.
    """

    phi: Values
    excess: Values
    accuracy: Values


@dataclass(frozen=True)
class Condition:
    """A change of all models' weights.

    Attributes:
        name: of the condition.
        before, after: answers by row of the report, and of the retrained models, on the same examples.
    """

    name: str
    before: Mapping[str, Answers]
    after: Mapping[str, Answers]


def conditions(models: Models) -> list[Condition]:
    """Return all conditions, in the order of :data:`KINDS`."""
    evidence, arrays = models.evidence, models.evidence.probes[PROBE]
    names = sorted((name.removesuffix(FORGET) for name in arrays["unlearned"] if name.endswith(FORGET)), key=_place)
    given = np.asarray(arrays["unlearned"][GIVEN][0], dtype=bool)
    tested = np.asarray(arrays["unlearned"][names[0] + TEST]).shape[1]
    test = probed(len(evidence.labels["test"]), tested)
    rows = {row: name for row, name in ROWS.items() if len(models.order[name]) >= MIN_MODELS}

    def answers(population: Population, judged: Order, name: str = "") -> Answers:
        order, found = models.order[population], arrays[population]
        if name:
            forget, hits, unseen = (np.asarray(found[name + part])[order] for part in (FORGET, HITS, TEST))
        else:
            logits = evidence.logits[population]
            forget, hits = _phi(logits["forget"][order], evidence.labels["forget"])
            unseen, _ = _phi(logits["test"][order][:, test], evidence.labels["test"][test])
        return _answers(forget[:, judged], hits[:, judged], unseen)

    every, rest = np.arange(len(given)), np.flatnonzero(~given)
    before = {
        chosen: {row: answers(one, judged) for row, one in rows.items()} for chosen, judged in enumerate((every, rest))
    }
    return [
        Condition(
            name,
            before[int(_sees_forgotten(name))],
            {row: answers(one, rest if _sees_forgotten(name) else every, name) for row, one in rows.items()},
        )
        for name in names
    ]


def _answers(forget: Values, hits: Values, unseen: Values) -> Answers:
    confidence = _bounded(forget).mean(axis=1)
    return Answers(
        phi=confidence, excess=confidence - _bounded(unseen).mean(axis=1), accuracy=np.asarray(hits).mean(axis=1)
    )


def _bounded(confidences: Values) -> Values:
    return np.clip(np.nan_to_num(np.asarray(confidences, dtype=np.float64), nan=0.0), -SURE, SURE)


def _phi(logits: Logits, labels: Classes) -> tuple[Values, Values]:
    """Return phi and whether the class is right, as the probe does; of a model that answers NaN, those of equal logits."""
    bounded = np.clip(np.nan_to_num(logits, nan=0.0), -LARGEST, LARGEST).astype(np.float32)
    return phi(bounded, labels), (bounded.argmax(axis=2) == labels).astype(np.float64)


def _sees_forgotten(name: str) -> bool:
    """Return True if some forgotten examples are trained on, so that the rest is judged."""
    return name.startswith("retain_")


def _place(name: str) -> tuple[int, float]:
    """Return the place of a condition: by kind, then from the smallest change to the largest."""
    kind, _, amount = name.partition("_")
    size = float(amount or 0)
    return KINDS.index(kind), -size if kind == "bits" else size


def described(name: str) -> str:
    """Return a condition in words, which go on from "after"."""
    kind, _, amount = name.partition("_")
    return {
        "retain": "training on the retain set" + (f" and {amount} of the forgotten examples" if amount else " alone"),
        "bits": f"rounding the weights to {amount} bits",
        "noise": f"noise of {amount} % of each tensor's standard deviation",
    }[kind]
