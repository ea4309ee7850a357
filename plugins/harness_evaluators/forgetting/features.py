"""Features of each model for the permutation tests, one column per example, or per example and class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence, Population, SplitName
from harness_evaluators.common import mapped, parallel
from harness_evaluators.common.evidence_analysis import Models, phi_of

Values = NDArray[np.float64]
Logits = NDArray[np.float32]
Order = NDArray[np.int64]

MOST_NUMBERS = 2_000_000
"""Most logits of wrong classes over all models; if there are more, the columns with the largest variance are used."""

MOST_COLUMNS = 8192
"""Most columns of wrong classes for any number of models: each column is compared under all permutations."""

BLOCK = 2_000_000
"""Logits processed at once: with a thousand classes, a copy of all logits may exceed the memory."""

MOST_UNSEEN = 2048
"""Most examples of the test set; if there are more, a random subset is used."""


def phi(models: Models, population: Population, split: SplitName) -> Values:
    """Return phi of a population's models in order, shape (N, n)."""
    return mapped.taken(models.analysis.phi(population, split), models.whole[population])


def query_phi(models: Models, query: str, population: Population) -> Values:
    """Return phi on the forget set under a query, models in order, shape (N, n)."""
    found = phi_of(models.evidence.queries[query][population], models.evidence.labels["forget"])
    return mapped.taken(found, models.whole[population])


def queries(evidence: Evidence, populations: Sequence[Population]) -> tuple[str, ...]:
    """Return the names of the queries for which all of these populations have logits."""
    made = [name for name, by in evidence.queries.items() if all(population in by for population in populations)]
    return tuple(sorted(made))


def wrong_classes(models: Models, populations: Sequence[Population], first: int) -> Logits:
    """Return logits of the wrong classes on the forget set, less their mean on each example, shape (M, columns).

    They contain traces that the confidence in the true class misses, for instance the second most likely class. If there are
    too many columns, those with the largest variance over all populations' models are used. This choice is invariant to
    permutations of models.

    Args:
        models: of the run.
        populations: concatenated along the first axis.
        first: most models of each population.
    """
    evidence = models.evidence
    rows = {name: models.whole[name][:first] for name in populations}
    size, wrong = sum(map(len, rows.values())), evidence.n_classes - 1
    if wrong < 2:
        return np.zeros((size, 0), dtype=np.float32)

    def of(part: slice) -> Logits:
        labels = evidence.labels["forget"][part]
        sides = [evidence.logits[name]["forget"][chosen, part] for name, chosen in rows.items()]
        return np.concatenate([_centred(side, labels) for side in sides])

    examples = len(evidence.labels["forget"])
    most = max(1, min(MOST_COLUMNS, MOST_NUMBERS // size))
    if examples * wrong <= most:
        return of(slice(0, examples))
    parts = parallel.slices(examples, BLOCK // (size * wrong))
    spread = np.concatenate([of(part).var(axis=0) for part in parts])
    varied = np.sort(np.argsort(-spread, kind="stable")[:most])
    kept = [
        varied[(varied >= part.start * wrong) & (varied < part.stop * wrong)] - part.start * wrong for part in parts
    ]
    return np.concatenate([of(part)[:, ours] for part, ours in zip(parts, kept, strict=True) if len(ours)], axis=1)


def _centred(logits: Logits, labels: NDArray[np.int64]) -> Logits:
    """Return logits of wrong classes less their mean, shape (N, n (C - 1)), in float32 to save memory."""
    others = np.arange(logits.shape[2] - 1)[None, :]
    others = others + (others >= labels[:, None])
    chosen = np.take_along_axis(logits, np.broadcast_to(others, (len(logits), *others.shape)), axis=2)
    chosen = chosen - chosen.mean(axis=2, keepdims=True)
    return np.asarray(chosen.reshape(len(logits), -1))


def order_of_wrong_classes(
    models: Models, population: Population, split: SplitName, rows: Order, first: int, most: int
) -> Logits:
    """Return centred ranks of wrong classes among an example's wrong classes, shape (N, len(rows), k), float32.

    They are invariant to a model's temperature. Equal logits share a rank.

    Args:
        models: of the run.
        population: models in order.
        split: of the examples.
        rows: the examples.
        first: most models of the population.
        most: largest k; of more wrong classes, those that follow the true one are used.
    """
    labels, classes = models.evidence.labels[split][rows], models.evidence.n_classes
    following = ((labels[:, None] + np.arange(1, classes)[None, :]) % classes)[None]
    chosen = models.whole[population][:first]
    found = np.full((len(chosen), len(rows), min(most, classes - 1)), np.nan, dtype=np.float32)
    for part in parallel.slices(len(chosen), BLOCK // (len(rows) * classes)):
        logits = models.evidence.logits[population][split][chosen[part, None], rows]
        wrong = np.take_along_axis(logits, np.broadcast_to(following, (len(logits), *following.shape[1:])), axis=2)
        for number in range(found.shape[2]):
            found[part, :, number] = _places(wrong, number)
    return found


def _places(logits: Logits, number: int) -> Logits:
    """Return the number of an example's logits below its logit ``number`` less the number above, shape (N, n)."""
    one = logits[..., number, None]
    return np.asarray((logits < one).sum(axis=2, dtype=np.float32) - (logits > one).sum(axis=2, dtype=np.float32))


def unseen(evidence: Evidence, rng: np.random.Generator) -> Order:
    """Return the test examples of the placebo: of classes that the retain set contains, at most MOST_UNSEEN.

    A class that is wholly forgotten is forgotten on the test set as well, and is no placebo.
    """
    labels = evidence.labels["test"]
    rows = by_id(evidence, "test")
    if "retain" in evidence.labels:
        rows = rows[np.isin(labels[rows], evidence.labels["retain"])]
    return rng.permutation(rows)[:MOST_UNSEEN] if len(rows) > MOST_UNSEEN else rows


def by_id(evidence: Evidence, split: SplitName) -> NDArray[np.int64]:
    """Return the row numbers of a split sorted by id, so that random draws are independent of storage order."""
    return np.argsort(evidence.ids[split], kind="stable").astype(np.int64)
