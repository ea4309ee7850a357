"""A batch normalisation as machine code; values lie channels last.

Mean and variance (Ioffe & Szegedy, 2015, algorithm 1) are taken in two passes, of the values and of their squared
distances from the mean. Functions are made once for each number of channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reference_models.code_cache import compiled_once
from reference_models.machine_code import Code, Value, Vectors
from reference_models.tiling import vectors_in

SUMS = 8
"""Partial sums of a channel that are held at a time, each of every eighth value."""


@dataclass(frozen=True)
class NormShape:
    """A batch normalisation.

    Attributes:
        channels: of the values.
        eps: added to the variance.
        momentum: weight of a batch in the running statistics.
        rectified: whether outputs below 0 become 0.
    """

    channels: int
    eps: float
    momentum: float
    rectified: bool


class _Channels:
    """Some neighbouring channels: ``width`` of them, from ``first`` on, with n values each."""

    def __init__(self, code: Code, shape: NormShape, first: Value, width: int) -> None:
        self.code, self._shape, self._first, self.width = code, shape, first, width
        (self._n,) = code.counts
        self.count = code.float_of(self._n, width)

    def load(self, array: Value) -> Value:
        """The channels' numbers in an array (channels,)."""
        return self.code.load(self.code.at(array, self._first), self.width)

    def store(self, value: Value, array: Value) -> None:
        """Write the channels' numbers to an array (channels,)."""
        self.code.store(value, self.code.at(array, self._first))

    def place(self, array: Value, i: Value) -> Value:
        """Where value ``i`` of the channels is in an array (values, channels)."""
        return self.code.at(array, self._first, self.code.times(i, self._shape.channels))

    def each(self, body: Callable[[Value], None]) -> None:
        """``body(i)`` for every value."""
        self.code.each(self._n)(body)

    def sums(self, terms: Callable[[Value], list[Value]], n_sums: int) -> list[Value]:
        """Sums of what ``terms(i)`` lists for every value."""
        code, zero = self.code, self.code.zero(self.width)

        def several(turn: Value, *sums: Value) -> list[Value]:
            begin = code.times(turn, SUMS)
            values = [value for j in range(SUMS) for value in terms(code.plus(begin, j))]
            return [code.sum(total, value) for total, value in zip(sums, values, strict=True)]

        def one(i: Value, *sums: Value) -> list[Value]:
            place = code.plus(code.times(code.quotient(self._n, SUMS), SUMS), i)
            return [code.sum(total, value) for total, value in zip(sums, terms(place), strict=True)]

        partial = code.loop(code.quotient(self._n, SUMS), several, [zero] * (SUMS * n_sums))
        while len(partial) > n_sums:
            half = len(partial) // 2
            partial = [code.sum(a, b) for a, b in zip(partial[:half], partial[half:], strict=True)]
        rest = code.minus(self._n, code.times(code.quotient(self._n, SUMS), SUMS))
        return code.loop(rest, one, partial)


def _each_part(code: Code, shape: NormShape, vectors: Vectors, body: Callable[[_Channels], None]) -> None:
    """``body`` for all channels, some at a time."""
    width, n_vectors = vectors_in(shape.channels, vectors)
    code.each(n_vectors)(lambda part: body(_Channels(code, shape, code.times(part, width), width)))


def _normalise(own: _Channels, shape: NormShape, z: Value, y: Value, scale: Value, shift: Value) -> None:
    code = own.code

    def one(i: Value) -> None:
        value = code.multiply_add(code.load(own.place(z, i), own.width), scale, shift)
        code.store(code.where_positive(value, value) if shape.rectified else value, own.place(y, i))

    own.each(one)


def _scale_and_shift(own: _Channels, weight: Value, bias: Value, mean: Value, inverse: Value) -> tuple[Value, Value]:
    scale = own.code.product(weight, inverse)
    return scale, own.code.difference(bias, own.code.product(mean, scale))


def _inverse_deviation(own: _Channels, variance: Value, eps: float) -> Value:
    code = own.code
    return code.ratio(code.constant(1.0, own.width), code.root(code.sum(variance, code.constant(eps, own.width))))


@compiled_once
def training_outputs(shape: NormShape, vectors: Vectors) -> Code:
    """Code for (values, weights, biases, running means and variances, outputs, means, inverse deviations; how many).

    The count is that of a channel's values. Running statistics move by the momentum, the variance's towards the unbiased one.
    """
    code = Code(8, 1)
    z, weights, biases, running_means, running_variances, y, means, inverses = code.arrays

    def part(own: _Channels) -> None:
        (total,) = own.sums(lambda i: [code.load(own.place(z, i), own.width)], 1)
        mean = code.ratio(total, own.count)

        def squared(i: Value) -> list[Value]:
            distance = code.difference(code.load(own.place(z, i), own.width), mean)
            return [code.product(distance, distance)]

        (total,) = own.sums(squared, 1)
        inverse = _inverse_deviation(own, code.ratio(total, own.count), shape.eps)
        own.store(mean, means)
        own.store(inverse, inverses)
        unbiased = code.ratio(total, code.difference(own.count, code.constant(1.0, own.width)))
        for array, new in ((running_means, mean), (running_variances, unbiased)):
            old = own.load(array)
            moved = code.product(code.difference(new, old), code.constant(shape.momentum, own.width))
            own.store(code.sum(old, moved), array)
        _normalise(own, shape, z, y, *_scale_and_shift(own, own.load(weights), own.load(biases), mean, inverse))

    _each_part(code, shape, vectors, part)
    return code


@compiled_once
def evaluation_outputs(shape: NormShape, vectors: Vectors) -> Code:
    """Code for (values, weights, biases, running means and variances, outputs; values of a channel)."""
    code = Code(6, 1)
    z, weights, biases, running_means, running_variances, y = code.arrays

    def part(own: _Channels) -> None:
        inverse = _inverse_deviation(own, own.load(running_variances), shape.eps)
        placed = _scale_and_shift(own, own.load(weights), own.load(biases), own.load(running_means), inverse)
        _normalise(own, shape, z, y, *placed)

    _each_part(code, shape, vectors, part)
    return code


@compiled_once
def training_gradients(shape: NormShape, vectors: Vectors) -> Code:
    """Code for (gradients, outputs, values, weights, means, inverse deviations, three results; values of a channel).

    Results are the gradients of values, weights and biases. With g the gradient, x the normalised value, w and s weight
    and inverse deviation, the values' is w s (g - mean of g - x mean of g x).
    """
    code = Code(9, 1)
    gradients, y, z, weights, means, inverses, out, of_weights, of_biases = code.arrays

    def part(own: _Channels) -> None:
        mean, inverse = own.load(means), own.load(inverses)

        def read(i: Value) -> tuple[Value, Value]:
            gradient = code.load(own.place(gradients, i), own.width)
            if shape.rectified:
                gradient = code.where_positive(code.load(own.place(y, i), own.width), gradient)
            return gradient, code.difference(code.load(own.place(z, i), own.width), mean)

        def terms(i: Value) -> list[Value]:
            gradient, distance = read(i)
            return [gradient, code.product(gradient, distance)]

        total, with_distance = own.sums(terms, 2)
        of_weight = code.product(with_distance, inverse)
        own.store(total, of_biases)
        own.store(of_weight, of_weights)
        scale = code.product(own.load(weights), inverse)
        mean_gradient = code.ratio(total, own.count)
        slope = code.ratio(code.product(of_weight, inverse), own.count)

        def one(i: Value) -> None:
            gradient, distance = read(i)
            rest = code.difference(code.difference(gradient, mean_gradient), code.product(distance, slope))
            code.store(code.product(scale, rest), own.place(out, i))

        own.each(one)

    _each_part(code, shape, vectors, part)
    return code
