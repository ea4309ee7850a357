"""A convolution and its gradients as machine code, direct: no copy of patches is made.

Sums of a tile of outputs stay in registers while the kernel passes over them; a step multiplies one number a place with
vectors of neighbouring channels, so that every load feeds several multiply-adds. Pictures lie channels last, their
lengths are those of :class:`~reference_models.convolution_shapes.ConvolutionShape`; weights are (kernel rows, kernel
columns, input channels, output channels). Functions are made once for each shape.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

from reference_models.code_cache import compiled_once
from reference_models.convolution_shapes import ConvolutionShape, Phase
from reference_models.machine_code import FLOAT_BYTES, Code, Value, Vectors
from reference_models.tile_sums import TileSums
from reference_models.tiling import Plan, Tiles, cut, plan, vectors_in

WEIGHT_BYTES = 256 << 10
"""Weights up to here stay in the processor's cache while all of them pass over one picture after another."""

PICTURE_BYTES = 32 << 10
"""Pictures and gradients up to here are read again and again from the nearest cache."""


def _each_tile(
    code: Code, size: tuple[int, int], held: Plan, width: int, body: Callable[[TileSums, Value, Value], None]
) -> None:
    """``body(sums, row, column)`` for every tile of a rectangle."""
    for tiles in cut(*size, held.places):
        _over_grid(code, tiles, functools.partial(body, TileSums(code, tiles, held.vectors, width)))


def _over_grid(code: Code, tiles: Tiles, body: Callable[[Value, Value], None]) -> None:
    @code.each(tiles.n_down)
    def tile_row(i: Value) -> None:
        row = code.place(tiles.row, tiles.rows, i)
        code.each(tiles.n_across)(lambda j: body(row, code.place(tiles.column, tiles.columns, j)))


@compiled_once
def outputs(shape: ConvolutionShape, rectified: bool, vectors: Vectors) -> Code:
    """Code for (padded pictures, weights, biases, outputs; pictures). Outputs below 0 become 0 where it is ``rectified``."""
    code = Code(4, 1)
    x, weights, biases, y = code.arrays
    (n_pictures,) = code.counts
    width, n_vectors = vectors_in(shape.out_channels, vectors)
    size = (shape.rows.out, shape.columns.out)
    held = plan(*size, n_vectors, vectors.registers)
    down, across = shape.rows.stride * shape.padded_row, shape.columns.stride * shape.in_channels

    def some_channels(picture: Value, part: Value) -> None:
        channels = code.times(part, held.vectors * width)
        own = code.at(x, code.times(picture, shape.padded_picture))
        out = code.at(y, code.times(picture, shape.output_picture), channels)

        def tile(sums: TileSums, row: Value, column: Value) -> None:
            corner = code.at(own, code.times(row, down), code.times(column, across))

            def kernel_row(i: Value, *values: Value) -> list[Value]:
                pixels = code.at(corner, code.times(i, shape.padded_row))
                factors = code.at(weights, code.times(i, shape.run * shape.out_channels), channels)

                def tap(j: Value, *values: Value) -> list[Value]:
                    place = code.at(factors, code.times(j, shape.out_channels))
                    return sums.step(values, code.at(pixels, j), down, across, place)

                return code.loop(shape.run, tap, values)

            values = code.loop(shape.rows.kernel, kernel_row, sums.everywhere(code.at(biases, channels)))
            if rectified:
                values = [code.where_positive(value, value) for value in values]
            place = code.at(out, code.times(row, shape.output_row), code.times(column, shape.out_channels))
            sums.store(values, place, shape.output_row, shape.out_channels)

        _each_tile(code, size, held, width, tile)

    parts = n_vectors // held.vectors
    if shape.n_weights * FLOAT_BYTES <= WEIGHT_BYTES:
        code.each(n_pictures)(lambda picture: code.each(parts)(lambda part: some_channels(picture, part)))
    else:
        code.each(parts)(lambda part: code.each(n_pictures)(lambda picture: some_channels(picture, part)))
    return code


@compiled_once
def weight_gradients(shape: ConvolutionShape, vectors: Vectors) -> Code:
    """Code for (padded pictures, padded gradients, weights' gradients, biases' gradients; pictures)."""
    code = Code(4, 1)
    x, gradients, weights, biases = code.arrays
    (n_pictures,) = code.counts
    width, n_vectors = vectors_in(shape.out_channels, vectors)
    # Of a small kernel all rows make one tile; of a large one each row has its own.
    rows_at_once = shape.rows.kernel if shape.rows.kernel * shape.run <= vectors.registers - 5 else 1
    size = (rows_at_once, shape.run)
    held = plan(*size, n_vectors, vectors.registers)
    at_once = max(1, PICTURE_BYTES // (FLOAT_BYTES * (shape.padded_picture + shape.gradient_picture)))
    weight_row = shape.run * shape.out_channels
    down, across = shape.rows.stride * shape.padded_row, shape.columns.stride * shape.in_channels

    def some_channels(n: Value, pixels: Value, factors: Value, out: Value, sums: TileSums) -> None:
        """Add what n pictures say of the weights at ``out``."""

        def picture(b: Value, *values: Value) -> list[Value]:
            own, own_factors = (
                code.at(pixels, code.times(b, shape.padded_picture)),
                code.at(factors, code.times(b, shape.gradient_picture)),
            )

            def output_row(i: Value, *values: Value) -> list[Value]:
                row = code.at(own, code.times(i, down))
                row_factors = code.at(own_factors, code.times(i, shape.gradient_row))

                def output(j: Value, *values: Value) -> list[Value]:
                    place = code.at(row_factors, code.times(j, shape.out_channels))
                    return sums.step(values, code.at(row, code.times(j, across)), shape.padded_row, 1, place)

                return code.loop(shape.columns.out, output, values)

            return code.loop(shape.rows.out, output_row, values)

        values = code.loop(n, picture, sums.stored(out, weight_row, shape.out_channels))
        sums.store(values, out, weight_row, shape.out_channels)

    begin = code.at(gradients, shape.gradient_start)
    code.each(shape.n_weights // width)(lambda i: code.store(code.zero(width), code.at(weights, code.times(i, width))))
    _sum_outputs(code, shape, begin, biases, width)

    @code.each(code.quotient(code.plus(n_pictures, at_once - 1), at_once))
    def block(turn: Value) -> None:
        first = code.times(turn, at_once)
        n = code.smaller(code.minus(n_pictures, first), code.number(at_once))
        own = code.at(x, code.times(first, shape.padded_picture))
        own_gradients = code.at(begin, code.times(first, shape.gradient_picture))

        @code.each(shape.rows.kernel // rows_at_once)
        def kernel_row(i: Value) -> None:
            def tile(sums: TileSums, row: Value, column: Value) -> None:
                down = code.plus(row, i)
                pixels = code.at(own, code.times(down, shape.padded_row), column)
                out = code.at(weights, code.times(down, weight_row), code.times(column, shape.out_channels))

                @code.each(n_vectors // held.vectors)
                def part(v: Value) -> None:
                    channels = code.times(v, held.vectors * width)
                    some_channels(n, pixels, code.at(own_gradients, channels), code.at(out, channels), sums)

            _each_tile(code, size, held, width, tile)

    return code


def _sum_outputs(code: Code, shape: ConvolutionShape, gradients: Value, out: Value, width: int) -> None:
    """The biases' gradients: the outputs', summed over all pictures and places."""

    @code.each(shape.out_channels // width)
    def part(v: Value) -> None:
        def picture(b: Value, total: Value) -> list[Value]:
            own = code.at(gradients, code.times(b, shape.gradient_picture), code.times(v, width))

            def row(i: Value, total: Value) -> list[Value]:
                begin = code.at(own, code.times(i, shape.gradient_row))

                def output(j: Value, total: Value) -> list[Value]:
                    return [code.sum(total, code.load(code.at(begin, code.times(j, shape.out_channels)), width))]

                return code.loop(shape.columns.out, output, [total])

            return [code.sum(total, code.loop(shape.rows.out, row, [code.zero(width)])[0])]

        (total,) = code.loop(code.counts[0], picture, [code.zero(width)])
        code.store(total, code.at(out, code.times(v, width)))


@compiled_once
def input_gradients(shape: ConvolutionShape, vectors: Vectors) -> Code:
    """Code for (padded gradients, weights as :func:`turn_weights` writes them, pictures' gradients; pictures)."""
    code = Code(3, 1)
    gradients, _, out = code.arrays

    @code.each(code.counts[0])
    def picture(b: Value) -> None:
        own = code.at(gradients, shape.gradient_start, code.times(b, shape.gradient_picture))
        own_out = code.at(out, code.times(b, shape.input_picture))
        for phases in itertools.product(shape.rows.phases(), shape.columns.phases()):
            _gradients_of_phase(code, shape, vectors, phases, own, own_out)

    return code


def _gradients_of_phase(
    code: Code, shape: ConvolutionShape, vectors: Vectors, phases: tuple[Phase, Phase], own: Value, out: Value
) -> None:
    """Of one picture: the gradients ``out`` of those places that are reached by the same taps, from its outputs' ``own``."""
    rows, columns = phases
    width, n_vectors = vectors_in(shape.in_channels, vectors)
    held = plan(rows.count, columns.count, n_vectors, vectors.registers)
    row_length = shape.columns.size * shape.in_channels
    corner = code.at(out, rows.first * row_length + columns.first * shape.in_channels)
    down, across = shape.rows.stride * row_length, shape.columns.stride * shape.in_channels

    def tap(
        sums: TileSums,
        values: list[Value],
        kernel: tuple[int, int],
        output: tuple[int, int],
        begin: Value,
        channels: Value,
    ) -> list[Value]:
        numbers = code.at(begin, output[0] * shape.gradient_row + output[1] * shape.out_channels)
        first = (kernel[0] * shape.columns.kernel + kernel[1]) * shape.in_channels * shape.out_channels
        factors = code.at(code.arrays[1], first, channels)

        def channel(i: Value, *values: Value) -> list[Value]:
            place = code.at(factors, code.times(i, shape.in_channels))
            return sums.step(values, code.at(numbers, i), shape.gradient_row, shape.out_channels, place)

        return code.loop(shape.out_channels, channel, values)

    def tile(sums: TileSums, row: Value, column: Value) -> None:
        begin = code.at(own, code.times(row, shape.gradient_row), code.times(column, shape.out_channels))

        @code.each(n_vectors // held.vectors)
        def part(v: Value) -> None:
            channels = code.times(v, held.vectors * width)
            values = sums.zeros()
            for (kernel_row, output_row), (kernel_column, output_column) in itertools.product(rows.taps, columns.taps):
                places = ((kernel_row, kernel_column), (output_row, output_column))
                values = tap(sums, values, *places, begin, channels)
            sums.store(
                values, code.at(corner, code.times(row, down), code.times(column, across), channels), down, across
            )

    _each_tile(code, (rows.count, columns.count), held, width, tile)


@compiled_once
def turn_weights(shape: ConvolutionShape) -> Code:
    """Code for (weights, weights with output channels before input channels)."""
    code = Code(2, 0)
    weights, out = code.arrays
    at_once = next(n for n in (8, 4, 2, 1) if shape.in_channels % n == 0)

    @code.each(shape.rows.kernel * shape.columns.kernel)
    def tap(t: Value) -> None:
        begin = code.times(t, shape.in_channels * shape.out_channels)

        @code.each(shape.out_channels)
        def row(j: Value) -> None:
            source = code.at(weights, begin, j)
            target = code.at(out, begin, code.times(j, shape.in_channels))

            @code.each(shape.in_channels // at_once)
            def columns(turn: Value) -> None:
                first = code.times(turn, at_once)
                for i in range(at_once):
                    value = code.load(code.at(source, code.times(first, shape.out_channels), i * shape.out_channels))
                    code.store(value, code.at(target, first, i))

    return code
