"""The share of the memory of the forget set that is left: regression of each example's shift on the no-op's.

For every forgotten example, the shift of the unlearned models against retrained ones is compared with the shift of the
untouched originals. The slope of the regression through the origin,

    sum_i (u_i - r_i) (o_i - r_i) / sum_i (o_i - r_i)^2,

is the share of the memory that is left: 0 after perfect unlearning, 1 if nothing was done, p if a share p of the examples
(weighted by how well they are remembered) is wholly remembered. Means over the same models on both sides of a product would
bias it, so products are taken over pairs of *different* models alone (U-statistics). Both sums are therefore unbiased at
any number of models. Sources: Hoeffding, "A Class of Statistics with Asymptotically Normal Distribution" (1948); Efron and
Stein, "The Jackknife Estimate of Variance" (1981); Schuirmann, "A comparison of the two one-sided tests procedure" (1987)
for the use of its bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from harness_evaluators.common import mapped

Values = NDArray[np.float64]
Origins = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """An estimate with its error over models.

    Attributes:
        value: the estimate.
        error: its standard deviation over new draws of all models.
        freedom: degrees of freedom of the error (Welch and Satterthwaite).
    """

    value: float
    error: float
    freedom: float

    def bound(self, probability: float) -> float:
        """Return the upper confidence limit at level ``probability``."""
        return self.value + float(stdtrit(self.freedom, probability)) * self.error


@dataclass(frozen=True)
class Memory:
    """The remaining memory of the forget set.

    Attributes:
        slope: share of the memory that is left.
        shift: mean shift over examples, in standard deviations of retrained models; positive: too little forgotten.
        size: mean square of the no-op's shift, in squared standard deviations: the amount there was to forget.
    """

    slope: Estimate
    shift: Estimate
    size: Estimate


@dataclass(frozen=True)
class Sample:
    """Standardised confidences of the populations on the forget set, shape (N, n) each.

    Attributes:
        unlearned: the compared models.
        origins: row number in ``original`` of each unlearned model's original; -1 if it has none.
        original: the no-op.
        retrained: retrained models, of all seeds.
    """

    unlearned: Values
    origins: Origins
    original: Values
    retrained: Values


def of_examples(sample: Sample, rows: NDArray[np.int64]) -> Sample:
    """Return a sample of some of the examples."""
    return Sample(sample.unlearned[:, rows], sample.origins, sample.original[:, rows], sample.retrained[:, rows])


def standardised(unlearned: Values, original: Values, retrained: Values, origins: Origins) -> Sample:
    """Standardise phi by the spread of retrained models, example by example.

    Unlearned values beyond the range of the other populations by more than one standard deviation are cut to that limit, so
    that a single outlier cannot dominate.
    """
    centre = retrained.mean(axis=0)
    deviation = spread(retrained)
    low = np.minimum(original.min(axis=0), retrained.min(axis=0)) - deviation
    high = np.maximum(original.max(axis=0), retrained.max(axis=0)) + deviation

    def scaled(phi: Values) -> Values:
        phi -= centre
        phi /= deviation
        return phi

    return Sample(
        scaled(np.clip(unlearned, low, high, out=mapped.like(unlearned))),
        origins,
        scaled(mapped.copied(original)),
        scaled(mapped.copied(retrained)),
    )


def spread(retrained: Values) -> Values:
    """Return the standard deviation of each example over retrained models, shape (n,), never 0.

    The floor is a tenth of the root mean variance, so that examples with nearly equal retrained models do not outweigh all
    others, or the rounding error if that is larger.
    """
    variances = retrained.var(axis=0, ddof=1)
    rounding = (1e-6 * (1 + np.abs(retrained).mean(axis=0))) ** 2
    return np.asarray(np.sqrt(np.maximum(variances, np.maximum(rounding, 1e-2 * variances.mean()))))


def memory(sample: Sample) -> Memory:
    """Estimate slope, shift and size with jackknife errors over models; needs two models of each population or more."""
    terms = _Terms.of(sample)
    value = terms.statistics(np.zeros_like(terms.whole))[0]
    replicates = [terms.statistics(group) for group in terms.each_left_out(sample)]
    replicates[-1] = replicates[-1] + _through_spread(sample, value)
    first, *rest = map(_jackknife, replicates)
    retrained, size = rest[-1]
    # N copies of one model count as one: less variance than that of retrained models means fewer independent models.
    least = retrained * size / effective(sample.unlearned, sample.retrained)
    first = np.maximum(first[0], np.where(_OF_UNLEARNED, least, 0.0)), first[1]
    variances = np.stack([variance for variance, _ in (first, *rest)])
    freedoms = np.array([size - 1 for _, size in (first, *rest)])[:, None]
    total = variances.sum(axis=0)
    freedom = total**2 / np.maximum((variances**2 / freedoms).sum(axis=0), 1e-300)
    columns = zip(value, np.sqrt(total), np.maximum(freedom, 1.0), strict=True)
    return Memory(*(Estimate(*map(float, column)) for column in columns))


_OF_UNLEARNED = np.array([True, True, False])
"""Mask of the statistics that depend on unlearned models: slope, shift, size."""


def shift(sample: Sample) -> Estimate:
    """Estimate the mean shift over examples alone, in standard deviations of retrained models."""
    sides = sample.unlearned.mean(axis=1), sample.retrained.mean(axis=1)
    variances = np.array([side.var(ddof=1) / len(side) for side in sides])
    variances[0] = max(variances[0], variances[1] * len(sides[1]) / effective(sample.unlearned, sample.retrained))
    total = float(variances.sum())
    freedom = total**2 / max(float((variances**2 / [len(side) - 1 for side in sides]).sum()), 1e-300)
    return Estimate(float(sides[0].mean() - sides[1].mean()), total**0.5, max(freedom, 1.0))


def by_example(sample: Sample) -> tuple[Values, Values]:
    """Return each example's part of the slope's numerator and of its denominator, shape (n,) each.

    The slope of any group of examples is the sum of the former over the sum of the latter.
    """
    u, o, r = (one.sum(axis=0) for one in (sample.unlearned, sample.original, sample.retrained))
    sizes = len(sample.unlearned), len(sample.original), len(sample.retrained)
    known = np.flatnonzero(sample.origins >= 0)
    own = (sample.unlearned[known] * sample.original[sample.origins[known]]).sum(axis=0)
    uo = (u * o - own) / (sizes[0] * sizes[1] - len(known))
    oo = (o**2 - (sample.original**2).sum(axis=0)) / (sizes[1] * (sizes[1] - 1))
    rr = (r**2 - (sample.retrained**2).sum(axis=0)) / (sizes[2] * (sizes[2] - 1))
    xr = o * r / (sizes[1] * sizes[2])
    return uo - u * r / (sizes[0] * sizes[2]) - xr + rr, oo - 2 * xr + rr


def effective(unlearned: Values, retrained: Values) -> float:
    """Return the effective number of independent unlearned models, from their variance relative to that of retrained models."""
    whole = float(retrained.var(axis=0, ddof=1).mean())
    ratio = float(unlearned.var(axis=0, ddof=1).mean()) / whole if whole > 0 else 1.0
    return float(np.clip(len(unlearned) * ratio, 1.0, len(unlearned)))


@dataclass(frozen=True)
class _Terms:
    """Contribution of each model to the sums behind the statistics, and to their numbers of terms.

    The sums, by number: products of (0) unlearned and original models, except a model with its own original, (1) unlearned
    and
    retrained, (2) different originals, (3) original and retrained, (4) different retrained models; and (5) unlearned, (6)
    retrained models themselves. A product is a sum over examples. So the sum of one model's products with many is its product
    with their sum, and no table of pairs is needed.

    Attributes:
        unlearned, original, retrained: sum and count of the terms with each of N models, shape (2, N, 7).
        whole: of all models, shape (2, 1, 7).
        examples: number of examples in the sums.
    """

    unlearned: Values
    original: Values
    retrained: Values
    whole: Values
    examples: int

    @classmethod
    def of(cls, sample: Sample) -> _Terms:
        u, o, r = sample.unlearned, sample.original, sample.retrained
        all_u, all_o, all_r = (one.sum(axis=0) for one in (u, o, r))
        known = sample.origins >= 0
        own = np.where(known, np.einsum("in,in->i", u, o[sample.origins]), 0.0)
        sizes, examples = (len(u), len(o), len(r)), u.shape[1]
        of_u, of_o, of_r = (np.zeros((2, size, 7)) for size in sizes)
        of_u[..., 0] = u @ all_o - own, sizes[1] - known
        of_u[..., 1] = u @ all_r, np.full(sizes[0], sizes[2])
        of_u[..., 5] = u.sum(axis=1), np.full(sizes[0], examples)
        of_o[..., 0] = o @ all_u - _by_origin(sample, own), sizes[0] - _by_origin(sample, known)
        of_o[..., 2] = 2 * (o @ all_o - np.einsum("in,in->i", o, o)), np.full(sizes[1], 2 * (sizes[1] - 1))
        of_o[..., 3] = o @ all_r, np.full(sizes[1], sizes[2])
        of_r[..., 1] = r @ all_u, np.full(sizes[2], sizes[0])
        of_r[..., 3] = r @ all_o, np.full(sizes[2], sizes[1])
        of_r[..., 4] = 2 * (r @ all_r - np.einsum("in,in->i", r, r)), np.full(sizes[2], 2 * (sizes[2] - 1))
        of_r[..., 6] = r.sum(axis=1), np.full(sizes[2], examples)
        parts = zip((of_u, of_o, of_r), _COUNTED_ONCE, strict=True)
        whole = np.sum([one.sum(axis=1, keepdims=True) * once for one, once in parts], axis=0)
        return cls(of_u, of_o, of_r, whole, examples)

    def statistics(self, left_out: Values) -> Values:
        """Return slope, shift and size without the terms of G groups of models, shape (2, G, 7); the result is (G, 3)."""
        sums, counts = self.whole - left_out
        uo, ur, oo, xr, rr, u, r = (sums / counts).T
        size = (oo - 2 * xr + rr) / self.examples
        safe = np.where(np.abs(size) > 1e-12, size, 1e-12)
        return np.stack([(uo - ur - xr + rr) / self.examples / safe, u - r, size], axis=1)

    def each_left_out(self, sample: Sample) -> list[Values]:
        """Leave out each model in turn: unlearned ones (with their original, if it has several), then retrained ones."""
        if len(np.unique(sample.origins[sample.origins >= 0])) < 2:
            return [self.unlearned, self.original, self.retrained]
        # No term contains both a model and its own original, so the terms of both add up.
        unlearned = np.zeros_like(self.original)
        for number in np.ndindex(2, 7):
            unlearned[number[0], :, number[1]] = _by_origin(sample, self.unlearned[number[0], :, number[1]])
        return [unlearned + self.original, self.retrained]


_COUNTED_ONCE = np.array([[1, 1, 0, 0, 0, 1, 0], [0, 0, 0.5, 1, 0, 0, 0], [0, 0, 0, 0, 0.5, 0, 1]])
"""Factors for the terms of unlearned, original and retrained models, so that each term counts once."""


def _by_origin(sample: Sample, values: NDArray[np.generic]) -> Values:
    """Return the sum of unlearned models' numbers by original, shape (N,)."""
    known = sample.origins >= 0
    found = np.bincount(sample.origins[known], weights=values[known], minlength=len(sample.original))
    return found.astype(np.float64)


def _through_spread(sample: Sample, value: Values) -> Values:
    """Return the effect of leaving out each retrained model through the spread that divides confidences, shape (R, 3).

    Without a model with standardised value z, an example's variance falls by the share (R z^2 / (R - 1) - 1) / (R - 2). To
    first order, its part in the slope and in the size grows by that share, its part in the shift by half of it. An example
    with a floored spread keeps it.
    """
    size = len(sample.retrained)
    squares = sample.retrained**2
    floored = squares.sum(axis=0) < (size - 1) * (1 - 1e-9)
    share = np.where(floored, 0.0, (size / (size - 1) * squares - 1) / max(size - 2, 1))
    top, bottom = by_example(sample)
    shift = sample.unlearned.mean(axis=0) - sample.retrained.mean(axis=0)
    memory = value[2] if abs(value[2]) > 1e-12 else 1e-12
    parts = np.stack([(top - value[0] * bottom) / memory, shift / 2, bottom], axis=1)
    return np.asarray(share @ parts / len(parts))


def _jackknife(replicates: Values) -> tuple[Values, int]:
    """Return the variances of statistics from replicates (G, 3) that each leave out one of G models, and G."""
    count = len(replicates)
    return (count - 1) / count * ((replicates - replicates.mean(axis=0)) ** 2).sum(axis=0), count
