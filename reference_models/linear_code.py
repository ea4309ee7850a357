"""A linear layer with few outputs and its gradients as machine code: the last layer of a classifier.

Inputs and weights are read in vectors of neighbouring inputs, so that any number of outputs fills the registers. Functions
are made once for each shape.
"""

from __future__ import annotations

from collections.abc import Callable

from reference_models.code_cache import compiled_once
from reference_models.machine_code import Code, Value, Vectors
from reference_models.tile_sums import TileSums
from reference_models.tiling import column_of, even_parts, vectors_in

AT_ONCE = 2
"""Examples whose outputs are summed side by side."""


def _outputs_held(n_outputs: int, vectors: Vectors) -> int:
    """Outputs that are summed side by side, for two examples or two vectors each."""
    return even_parts(n_outputs, (vectors.registers - 4) // 3)[0]


def _each_group(code: Code, n: int | Value, size: int, body: Callable[[Value, int], None]) -> None:
    """``body(first, how many)`` for groups of ``size``, and one by one for what is left."""
    whole = code.number(n) if isinstance(n, int) else n
    groups = code.quotient(whole, size)
    code.each(groups)(lambda i: body(code.times(i, size), size))
    done = code.times(groups, size)
    code.each(code.minus(whole, done))(lambda i: body(code.plus(done, i), 1))


@compiled_once
def outputs(n_inputs: int, n_outputs: int, vectors: Vectors) -> Code:
    """Code for (inputs (B, n), weights (n', n), biases (n',), outputs (B, n'); B)."""
    code = Code(4, 1)
    x, weights, biases, y = code.arrays
    width, n_vectors = vectors_in(n_inputs, vectors)

    def group(first: Value, n_examples: int, output: Value, n_held: int) -> None:
        own, own_weights = code.at(x, code.times(first, n_inputs)), code.at(weights, code.times(output, n_inputs))

        def step(i: Value, *sums: Value) -> list[Value]:
            place = code.times(i, width)
            factors = [code.load(code.at(own_weights, place, j * n_inputs), width) for j in range(n_held)]
            new, old = [], iter(sums)
            for b in range(n_examples):
                value = code.load(code.at(own, place, b * n_inputs), width)
                new += [code.multiply_add(value, factor, next(old)) for factor in factors]
            return new

        sums = iter(code.loop(n_vectors, step, [code.zero(width)] * (n_examples * n_held)))
        for b in range(n_examples):
            for j in range(n_held):
                bias = code.load(code.at(biases, output, j))
                place = code.at(y, code.times(first, n_outputs), output, b * n_outputs + j)
                code.store(code.sum(bias, code.total(next(sums), width)), place)

    def examples(first: Value, n_examples: int) -> None:
        held = _outputs_held(n_outputs, vectors)
        _each_group(code, n_outputs, held, lambda output, n_held: group(first, n_examples, output, n_held))

    _each_group(code, code.counts[0], AT_ONCE, examples)
    return code


@compiled_once
def weight_gradients(n_inputs: int, n_outputs: int, vectors: Vectors) -> Code:
    """Code for (inputs (B, n), outputs' gradients (B, n'), weights' gradients (n', n), biases' gradients (n',); B)."""
    code = Code(4, 1)
    x, gradients, of_weights, of_biases = code.arrays
    (n_examples,) = code.counts
    width, n_vectors = vectors_in(n_inputs, vectors)

    def group(output: Value, n_held: int, first: Value, n_together: int) -> None:
        sums = TileSums(code, column_of(n_held), n_together, width)
        place = code.times(first, width)

        def example(b: Value, *values: Value) -> list[Value]:
            numbers = code.at(gradients, code.times(b, n_outputs), output)
            return sums.step(values, numbers, 1, 0, code.at(x, code.times(b, n_inputs), place))

        values = code.loop(n_examples, example, sums.zeros())
        sums.store(values, code.at(of_weights, code.times(output, n_inputs), place), n_inputs, 0)

    def some_outputs(output: Value, n_held: int) -> None:
        _each_group(code, n_vectors, AT_ONCE, lambda first, n_together: group(output, n_held, first, n_together))

    _each_group(code, n_outputs, _outputs_held(n_outputs, vectors), some_outputs)

    @code.each(n_outputs)
    def bias(j: Value) -> None:
        def example(b: Value, total: Value) -> list[Value]:
            return [code.sum(total, code.load(code.at(gradients, code.times(b, n_outputs), j)))]

        (total,) = code.loop(n_examples, example, [code.zero(1)])
        code.store(total, code.at(of_biases, j))

    return code


@compiled_once
def input_gradients(n_inputs: int, n_outputs: int, vectors: Vectors) -> Code:
    """Code for (outputs' gradients (B, n'), weights (n', n), inputs' gradients (B, n); B)."""
    code = Code(3, 1)
    gradients, weights, out = code.arrays
    width, n_vectors = vectors_in(n_inputs, vectors)
    side_by_side = 4 if vectors.registers >= 32 else 2

    def group(first: Value, n_examples: int, vector: Value, n_together: int) -> None:
        sums = TileSums(code, column_of(n_examples), n_together, width)
        place = code.times(vector, width)
        numbers = code.at(gradients, code.times(first, n_outputs))

        def output(j: Value, *values: Value) -> list[Value]:
            factors = code.at(weights, code.times(j, n_inputs), place)
            return sums.step(values, code.at(numbers, j), n_outputs, 0, factors)

        values = code.loop(n_outputs, output, sums.zeros())
        sums.store(values, code.at(out, code.times(first, n_inputs), place), n_inputs, 0)

    def examples(first: Value, n_examples: int) -> None:
        _each_group(code, n_vectors, side_by_side, lambda vector, n: group(first, n_examples, vector, n))

    _each_group(code, code.counts[0], side_by_side, examples)
    return code
