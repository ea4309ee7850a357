"""Forgotten and remaining classes, and statistics of single models on them.

A retrained model has never seen a forgotten class. On its inputs it spreads the probability over *similar* remaining classes, and
on all other inputs it gives the class a low logit, since no example ever raised it. A method that imitates only the low
confidence in the class differs in both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import Evidence

Values = NDArray[np.float64]
Logits = NDArray[np.float32]
Labels = NDArray[np.int64]

FEWEST = 2
"""Fewest remaining classes over which a model can spread its probability."""


@dataclass(frozen=True)
class Classes:
    """The classes of a run that forgets whole classes.

    Attributes:
        forgotten: classes of the forget set, none of which is in the retain set, ascending.
        remaining: classes of the retain set, ascending, at least FEWEST.
    """

    forgotten: Labels
    remaining: Labels


def classes_of(evidence: Evidence) -> Classes | str:
    """Return the forgotten and the remaining classes, or why no whole class is forgotten, as a sentence."""
    retained = evidence.labels.get("retain", np.zeros(0, dtype=np.int64))
    if not len(retained):
        return "Not computed: without the classes of the retain set it is unknown whether a whole class is forgotten."
    forgotten, remaining = np.unique(evidence.labels["forget"]), np.unique(retained)
    kept = np.intersect1d(forgotten, remaining)
    if len(kept):
        return f"Not computed: no whole class is forgotten; {len(kept)} of {len(forgotten)} classes of the forget set remain."
    if len(remaining) < FEWEST:
        return (
            f"Not computed: only {len(remaining)} class remains, so that probability has no similar classes to go to."
        )
    return Classes(forgotten, remaining)


def nearest(retrained: Logits, labels: Labels, classes: Classes) -> Labels:
    """Return the nearest remaining class of each forgotten one, shape as ``classes.forgotten``.

    It is the class with the largest mean probability over retrained models on the inputs of the forgotten class, among the
    remaining classes.

    Args:
        retrained: logits on the forget set, shape (N, n, C).
        labels: of the forget set, shape (n,).
        classes: of the run.
    """
    shares = [
        by_model(retrained[:, labels == label], lambda one: remaining_shares(one, classes).mean(axis=1)).mean(axis=0)
        for label in classes.forgotten
    ]
    found: NDArray[np.int64] = classes.remaining[np.argmax(shares, axis=1)]
    return found


def by_model(logits: Logits, statistic: Callable[[Logits], Values]) -> Values:
    """Return a statistic of each model, computed one model at a time: in float64 all models may not fit into memory."""
    return np.concatenate([statistic(one) for one in np.split(logits, len(logits))])


def remaining_shares(logits: Logits, classes: Classes) -> Values:
    """Return the probabilities of the remaining classes, scaled to sum to 1; (N, n, C) to (N, n, number of these)."""
    z = logits[:, :, classes.remaining].astype(np.float64)
    z -= z.max(axis=2, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=2, keepdims=True)
    return z


def neighbour_odds(logits: Logits, neighbours: Labels, classes: Classes) -> Values:
    """Return the log-odds of each example's nearest class among the remaining classes, shape (N, n).

    Args:
        logits: on the forget set, shape (N, n, C).
        neighbours: the nearest class of each example, shape (n,).
        classes: of the run.
    """
    return _log_odds(logits[:, :, classes.remaining], np.searchsorted(classes.remaining, neighbours))


def forgotten_odds(logits: Logits, classes: Classes) -> Values:
    """Return the log-odds of each forgotten class against all remaining ones, shape (N, n times number of forgotten classes)."""
    z = logits.astype(np.float64)
    rest = _log_sum(z[:, :, classes.remaining])
    odds = z[:, :, classes.forgotten] - rest[:, :, None]
    return np.asarray(odds.reshape(len(z), -1))


def head_bias(logits: Logits, labels: Labels, classes: Classes) -> Values:
    """Return the mean logit of the forgotten classes less that of the other wrong ones, per model, shape (N,).

    Args:
        logits: shape (N, n, C).
        labels: true classes of the inputs, all remaining ones, shape (n,).
        classes: of the run.
    """
    z = logits.astype(np.float64)
    true = np.take_along_axis(z, labels[None, :, None], axis=2)[:, :, 0]
    others = (z[:, :, classes.remaining].sum(axis=2) - true) / (len(classes.remaining) - 1)
    return np.asarray((z[:, :, classes.forgotten].mean(axis=2) - others).mean(axis=1))


def named(logits: Logits, labels: Labels, classes: Classes) -> Values:
    """Return 1 for each model whose least probable class is a forgotten one, else 0, shape (N,).

    The probability of a class is its mean over inputs, each true class of these having the same weight. Ties count by the share
    of forgotten classes among the tied ones.

    Args:
        logits: shape (N, n, C).
        labels: true classes of the inputs, of any class, shape (n,).
        classes: of the run.
    """
    everyone = np.sort(np.concatenate([classes.forgotten, classes.remaining]))
    shares = remaining_shares(logits, Classes(classes.forgotten, everyone))
    means = np.mean([shares[:, labels == label].mean(axis=1) for label in np.unique(labels)], axis=0)
    lowest = means == means.min(axis=1, keepdims=True)
    return np.asarray((lowest & np.isin(everyone, classes.forgotten)).sum(axis=1) / lowest.sum(axis=1))


def _log_odds(logits: Logits, places: Labels) -> Values:
    """Return z_k - logsumexp_{j != k} z_j with k = ``places`` (n,), shape (N, n)."""
    z = logits.astype(np.float64)
    where = np.broadcast_to(places[None, :, None], (*z.shape[:2], 1))
    chosen = np.take_along_axis(z, where, axis=2)[:, :, 0]
    np.put_along_axis(z, where, -np.inf, axis=2)
    return np.asarray(chosen - _log_sum(z))


def _log_sum(z: Values) -> Values:
    top = z.max(axis=2)
    return np.asarray(top + np.log(np.exp(z - top[:, :, None]).sum(axis=2)))
