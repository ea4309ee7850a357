"""Metrics of forgetting that are commonly published, computed as plainly as papers compute them.

Each is one number for a population of unlearned models. Where a metric is defined for one model, it is the mean over models.
The Challenge's F is that of the bundled evaluator ``forgetting_quality``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import log_softmax
from scipy.stats import ks_2samp, norm, rankdata

from benchmarks.answers import Labels, Logits, Values
from harness.evaluation import Evidence

Published = Callable[[Evidence], float]


def average_gap(evidence: Evidence) -> float:
    """Return the mean gap to retrained models in accuracy on forget, retain and test, and in the attack's accuracy.

    Source: Fan et al., "SalUn" (2024), and many after it.
    """
    gaps = [
        abs(_accuracy(evidence, "unlearned", split) - _accuracy(evidence, "retrained", split))
        for split in ("forget", "retain", "test")
    ]
    attacks = [_threshold_attack(evidence, name) for name in ("unlearned", "retrained")]
    return float(np.mean([*gaps, abs(attacks[0] - attacks[1])]))


def loss_attack(evidence: Evidence) -> float:
    """Return the accuracy of the best loss threshold between forget and test set; 0.5 is chance.

    Source: Yeom et al., "Privacy Risk in Machine Learning" (2018).
    """
    return _threshold_attack(evidence, "unlearned")


def logit_distance(evidence: Evidence) -> float:
    """Return the mean Euclidean distance of logits on the forget set to retrained models', model by model.

    Source: "activation distance", Golatkar et al. (2021), on logits.
    """
    ours, theirs = _sane(evidence.logits["unlearned"]["forget"]), _sane(evidence.logits["retrained"]["forget"])
    models = min(len(ours), len(theirs))
    return float(np.sqrt(((ours[:models] - theirs[:models]) ** 2).sum(axis=2)).mean())


def mean_loss_p(evidence: Evidence) -> float:
    """Return the p-value of a Kolmogorov-Smirnov test between the models' mean losses on the forget set."""
    labels = evidence.labels["forget"]
    ours, theirs = (_loss(evidence.logits[name]["forget"], labels).mean(axis=1) for name in ("unlearned", "retrained"))
    return float(ks_2samp(ours, theirs).pvalue)


def gaussian_lira(evidence: Evidence) -> float:
    """Return the AUC of likelihood ratios of Gaussians that are fitted to each example's confidences.

    The first half of the models of either side fits, the second is attacked. Source: Carlini et al., "Membership
    Inference Attacks From First Principles" (2022).
    """
    ours, theirs = evidence.phi("unlearned", "forget"), evidence.phi("retrained", "forget")
    fits = [(one[::2].mean(axis=0), one[::2].std(axis=0) + 1e-6) for one in (ours, theirs)]
    scores = [np.ravel(norm.logpdf(one[1::2], *fits[0]) - norm.logpdf(one[1::2], *fits[1])) for one in (ours, theirs)]
    ranks = rankdata(np.concatenate(scores))
    positive, negative = (len(one) for one in scores)
    return float((ranks[:positive].sum() - positive * (positive + 1) / 2) / (positive * negative))


METRICS: Mapping[str, Published] = {
    "average gap": average_gap,
    "MIA accuracy (loss threshold)": loss_attack,
    "distance of logits": logit_distance,
    "KS p of mean losses": mean_loss_p,
    "LiRA AUC (Gaussian)": gaussian_lira,
}
"""By the name that the page shows."""

BUNDLED = {"accuracy.forget": "forget accuracy", "accuracy.tow": "ToW", "divergence.zrf_uniform": "ZRF"}
"""Metrics of bundled evaluators that are commonly published in just this form, with the name that the page shows."""

NAMES = (*METRICS, *BUNDLED.values())


def _accuracy(evidence: Evidence, population: str, split: str) -> float:
    return float((evidence.logits[population][split].argmax(axis=2) == evidence.labels[split]).mean())


def _sane(logits: Logits) -> Values:
    """Cut what would overflow when squared or exponentiated."""
    return np.clip(np.asarray(logits, dtype=np.float64), -1e12, 1e12)


def _loss(logits: Logits, labels: Labels) -> Values:
    index = np.broadcast_to(labels[None, :, None], (*logits.shape[:2], 1))
    return np.asarray(-np.take_along_axis(log_softmax(_sane(logits), axis=2), index, axis=2)[..., 0])


def _threshold_attack(evidence: Evidence, population: str) -> float:
    """Return the mean over models of the balanced accuracy at the best threshold of each."""
    found = []
    members, others = (_loss(evidence.logits[population][name], evidence.labels[name]) for name in ("forget", "test"))
    for ours, unseen in zip(members, others, strict=True):
        at = np.concatenate([ours, unseen])
        rates = [np.searchsorted(np.sort(one), at, side="right") / len(one) for one in (ours, unseen)]
        found.append((1 + float((rates[0] - rates[1]).max())) / 2)
    return float(np.mean(found))
