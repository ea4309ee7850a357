"""Copies of pictures and gradients between zeros, as machine code; see :mod:`reference_models.convolution_shapes`.

The zeros are there before, and stay. Functions are made once for each shape.
"""

from __future__ import annotations

from reference_models.code_cache import compiled_once
from reference_models.convolution_shapes import ConvolutionShape
from reference_models.machine_code import Code, Value, Vectors


@compiled_once
def pad_pictures(shape: ConvolutionShape, vectors: Vectors) -> Code:
    """Code for (pictures, padded pictures; pictures): a copy between the zeros that are there."""
    code = Code(2, 1)
    x, out = code.arrays
    row_length = shape.columns.size * shape.in_channels
    start = shape.rows.padding * shape.padded_row + shape.columns.padding * shape.in_channels

    @code.each(code.counts[0])
    def picture(b: Value) -> None:
        @code.each(shape.rows.size)
        def row(i: Value) -> None:
            source = code.at(x, code.times(b, shape.input_picture), code.times(i, row_length))
            target = code.at(out, start, code.times(b, shape.padded_picture), code.times(i, shape.padded_row))

            def copy(place: int | Value, width: int) -> None:
                code.store(code.load(code.at(source, place), width), code.at(target, place))

            code.over_row(row_length, vectors.width, copy)

    return code


@compiled_once
def pad_stored(shape: ConvolutionShape, vectors: Vectors) -> Code:
    """Code for (uint8 pictures, int64 numbers of some, scales and shifts of a row, padded pictures; how many).

    A value x becomes x * scale + shift.
    """
    code = Code(5, 1)
    table, numbers, scales, shifts, out = code.arrays
    row_length = shape.columns.size * shape.in_channels
    start = shape.rows.padding * shape.padded_row + shape.columns.padding * shape.in_channels

    @code.each(code.counts[0])
    def picture(b: Value) -> None:
        own = code.times(code.load_whole(numbers, b), shape.input_picture)

        @code.each(shape.rows.size)
        def row(i: Value) -> None:
            begin = code.plus(own, code.times(i, row_length))
            target = code.at(out, start, code.times(b, shape.padded_picture), code.times(i, shape.padded_row))

            def copy(place: int | Value, width: int) -> None:
                value = code.load_bytes(table, code.plus(begin, place), width)
                scale, shift = (code.load(code.at(array, place), width) for array in (scales, shifts))
                code.store(code.multiply_add(value, scale, shift), code.at(target, place))

            code.over_row(row_length, vectors.width, copy)

    return code


@compiled_once
def pad_gradients(shape: ConvolutionShape, rectified: bool, vectors: Vectors) -> Code:
    """Code for (gradients, outputs, padded gradients; pictures): likewise; 0 where an output was ``rectified``."""
    code = Code(3, 1)
    gradients, y, out = code.arrays

    @code.each(code.counts[0])
    def picture(b: Value) -> None:
        @code.each(shape.rows.out)
        def row(i: Value) -> None:
            begin = (code.times(b, shape.output_picture), code.times(i, shape.output_row))
            source, signs = code.at(gradients, *begin), code.at(y, *begin)
            target = code.at(
                out, shape.gradient_start, code.times(b, shape.gradient_picture), code.times(i, shape.gradient_row)
            )

            def copy(place: int | Value, width: int) -> None:
                value = code.load(code.at(source, place), width)
                if rectified:
                    value = code.where_positive(code.load(code.at(signs, place), width), value)
                code.store(value, code.at(target, place))

            code.over_row(shape.output_row, vectors.width, copy)

    return code
