"""Machine code computes what torch does, on every kind of vectors."""

from __future__ import annotations

import itertools
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_models import convolution_code, linear_code, norm_code, padding_code
from reference_models.convolution_shapes import Axis, ConvolutionShape, convolution_shape
from reference_models.images import Normaliser, normalise
from reference_models.machine_code import Code, NoCompilerError, Vectors, _compiler, address, host_vectors, load_code
from reference_models.norm_code import NormShape
from reference_models.tiling import cut, plan

VECTORS = {"long": Vectors(16, 32), "medium": Vectors(8, 16), "short": Vectors(4, 32), "few": Vectors(4, 16)}
SHAPES = {
    "stride 2": convolution_shape((8, 16), (14, 14), (3, 3), (2, 2), (1, 1)),
    "first layer": convolution_shape((3, 8), (16, 15), (3, 3), (2, 2), (1, 1)),
    "stride 1": convolution_shape((16, 16), (7, 7), (3, 3), (1, 1), (1, 1)),
    "wide kernel": convolution_shape((4, 12), (9, 11), (5, 2), (1, 2), (0, 1)),
    "steps over pixels": convolution_shape((4, 8), (9, 10), (1, 1), (3, 3), (0, 0)),
    "one output": convolution_shape((32, 4), (4, 4), (4, 4), (1, 1), (0, 0)),
    "weights beyond the cache": convolution_shape((128, 64), (4, 4), (3, 3), (1, 1), (1, 1)),
}
N = 5
"""Pictures: more than are summed at a time."""


def _rand(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _size(shape: ConvolutionShape) -> tuple[int, int]:
    return shape.rows.size, shape.columns.size


def _torch_way(shape: ConvolutionShape, x: Tensor, weight: Tensor, bias: Tensor, rectified: bool) -> Tensor:
    """The same convolution by torch, in double precision: channels last, weights as in the module."""
    y = F.conv2d(
        x.permute(0, 3, 1, 2).double(),
        weight.permute(3, 2, 0, 1).double(),
        bias.double(),
        (shape.rows.stride, shape.columns.stride),
        (shape.rows.padding, shape.columns.padding),
    ).permute(0, 2, 3, 1)
    return y.relu() if rectified else y


def _inputs(shape: ConvolutionShape) -> tuple[Tensor, Tensor, Tensor]:
    x = _rand(N, *_size(shape), shape.in_channels)
    weight = _rand(shape.rows.kernel, shape.columns.kernel, shape.in_channels, shape.out_channels)
    return x, weight / weight[..., 0].numel() ** 0.5, _rand(shape.out_channels)


def _outputs(shape: ConvolutionShape, vectors: Vectors, rectified: bool) -> tuple[Tensor, Tensor]:
    """Padded pictures, and outputs."""
    x, weight, bias = _inputs(shape)
    padded = torch.zeros(N, shape.padded_picture)
    padding_code.pad_pictures(shape, vectors).call(address(x), address(padded), N)
    y = torch.full((N, shape.rows.out, shape.columns.out, shape.out_channels), torch.nan)
    convolution_code.outputs(shape, rectified, vectors).call(*map(address, (padded, weight, bias, y)), N)
    return padded, y


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("vectors", VECTORS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_convolution_equals_torchs(shape: str, vectors: str, rectified: bool) -> None:
    _, y = _outputs(SHAPES[shape], VECTORS[vectors], rectified)

    expected = _torch_way(SHAPES[shape], *_inputs(SHAPES[shape]), rectified)
    torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("vectors", VECTORS)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_of_a_convolution_equal_torchs(shape: str, vectors: str) -> None:
    sizes, own = SHAPES[shape], VECTORS[vectors]
    padded, y = _outputs(sizes, own, rectified=True)
    x, weight, bias = (values.requires_grad_() for values in _inputs(sizes))
    gradient = _rand(*y.shape)
    expected = torch.autograd.grad(_torch_way(sizes, x, weight, bias, True), (x, weight, bias), gradient.double())
    x, weight = x.detach(), weight.detach()

    around = torch.zeros(N, sizes.gradient_picture)
    padding_code.pad_gradients(sizes, True, own).call(*map(address, (gradient, y, around)), N)
    of_weight, of_bias = torch.full_like(weight, torch.nan), torch.full_like(bias, torch.nan)
    arrays = (padded, around, of_weight, of_bias.detach())
    convolution_code.weight_gradients(sizes, own).call(*map(address, arrays), N)
    turned, of_x = torch.full_like(weight, torch.nan), torch.full_like(x, torch.nan)
    convolution_code.turn_weights(sizes).call(address(weight), address(turned))
    convolution_code.input_gradients(sizes, own).call(*map(address, (around, turned, of_x)), N)

    for found, wanted in zip((of_x, of_weight, of_bias.detach()), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_gradients_of_no_pictures_are_zero() -> None:
    shape = SHAPES["stride 2"]
    of_weight, of_bias = torch.full((shape.n_weights,), torch.nan), torch.full((shape.out_channels,), torch.nan)
    nothing = torch.zeros(0)

    arrays = (nothing, nothing, of_weight, of_bias)
    convolution_code.weight_gradients(shape, host_vectors()).call(*map(address, arrays), 0)

    assert of_weight.tolist() == [0.0] * shape.n_weights
    assert of_bias.tolist() == [0.0] * shape.out_channels


@pytest.mark.parametrize("vectors", VECTORS)
def test_stored_pictures_are_normalised_and_taken_by_number(vectors: str) -> None:
    shape = SHAPES["first layer"]
    table = torch.randint(0, 256, (7, *_size(shape), 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    numbers, mean, std = torch.tensor([6, 0, 6]), (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
    padded = torch.zeros(3, shape.rows.padded, shape.columns.padded, 3)
    row = Normaliser(mean, std, "cpu").of_row(shape.columns.size)

    code = padding_code.pad_stored(shape, VECTORS[vectors])
    code.call(*map(address, (table, numbers, *row, padded)), 3)

    inner = padded[:, 1:17, 1:16].permute(0, 3, 1, 2)
    torch.testing.assert_close(inner, normalise(table[numbers].permute(0, 3, 1, 2), mean, std))
    assert torch.count_nonzero(padded) == torch.count_nonzero(inner)


@pytest.mark.parametrize("n_examples", [1, 2, 9])
@pytest.mark.parametrize("n_outputs", [1, 10, 23])
@pytest.mark.parametrize("vectors", VECTORS)
def test_a_linear_layer_and_its_gradients_equal_torchs(vectors: str, n_outputs: int, n_examples: int) -> None:
    own, sizes = VECTORS[vectors], (48, n_outputs)
    x, weight, bias = _rand(n_examples, 48), _rand(n_outputs, 48), _rand(n_outputs)
    gradient = _rand(n_examples, n_outputs)

    results = [torch.full_like(values, torch.nan) for values in (gradient, x, weight, bias)]
    y, of_x, of_weight, of_bias = results
    linear_code.outputs(*sizes, own).call(*map(address, (x, weight, bias, y)), n_examples)
    linear_code.weight_gradients(*sizes, own).call(*map(address, (x, gradient, of_weight, of_bias)), n_examples)
    linear_code.input_gradients(*sizes, own).call(*map(address, (gradient, weight, of_x)), n_examples)

    expected = (x @ weight.T + bias, gradient @ weight, gradient.T @ x, gradient.sum(0))
    for found, wanted in zip(results, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def _norm(rectified: bool) -> tuple[NormShape, nn.BatchNorm2d]:
    norm = nn.BatchNorm2d(12, momentum=0.2)
    with torch.no_grad():
        norm.weight.copy_(_rand(12))
        norm.bias.copy_(_rand(12) / 2)
    return NormShape(12, norm.eps, 0.2, rectified), norm


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("vectors", VECTORS)
def test_batch_normalisation_in_training_equals_torchs(vectors: str, rectified: bool) -> None:
    (shape, norm), own = _norm(rectified), VECTORS[vectors]
    z = (_rand(3, 5, 7, 12) * 3 + 20).requires_grad_()
    expected = norm(z.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    expected = expected.relu() if rectified else expected
    gradient = _rand(3, 5, 7, 12)
    wanted = torch.autograd.grad(expected, (z, norm.weight, norm.bias), gradient)

    running = [torch.zeros(12), torch.ones(12)]
    weight, bias, z = norm.weight.detach(), norm.bias.detach(), z.detach()
    y, mean, inverse, of_z = torch.empty_like(z), torch.empty(12), torch.empty(12), torch.empty_like(z)
    of_weight, of_bias = torch.empty(12), torch.empty(12)
    arrays = (z, weight, bias, *running, y, mean, inverse)
    norm_code.training_outputs(shape, own).call(*map(address, arrays), 3 * 5 * 7)
    arrays = (gradient, y, z, weight, mean, inverse, of_z, of_weight, of_bias)
    norm_code.training_gradients(shape, own).call(*map(address, arrays), 3 * 5 * 7)

    torch.testing.assert_close(y, expected.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(running, [norm.running_mean, norm.running_var])
    for found, right in zip((of_z, of_weight, of_bias), wanted, strict=True):
        torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rectified", [False, True])
def test_batch_normalisation_in_evaluation_equals_torchs(rectified: bool) -> None:
    shape, norm = _norm(rectified)
    running, z = (_rand(12), _rand(12).exp()), _rand(3, 5, 7, 12)
    y = torch.empty_like(z)

    arrays = (z, norm.weight.detach(), norm.bias.detach(), *running, y)
    norm_code.evaluation_outputs(shape, host_vectors()).call(*map(address, arrays), 3 * 5 * 7)

    expected = F.batch_norm(z.permute(0, 3, 1, 2), *running, norm.weight, norm.bias, eps=norm.eps).permute(0, 2, 3, 1)
    torch.testing.assert_close(y, (expected.relu() if rectified else expected).detach(), rtol=1e-5, atol=1e-5)


AXES = itertools.product(range(1, 8), range(1, 5), range(1, 4), range(3))


@pytest.mark.parametrize("axis", [Axis(*each) for each in AXES if each[0] + 2 * each[3] >= each[1]], ids=str)
def test_every_input_is_reached_by_each_output_once(axis: Axis) -> None:
    pairs = [
        (out * axis.stride + tap - axis.padding, tap, out) for out in range(axis.out) for tap in range(axis.kernel)
    ]
    inside = {pair for pair in pairs if 0 <= pair[0] < axis.size}
    before, behind = axis.margins()

    reached = [
        (phase.first + i * axis.stride, tap, out + i)
        for phase in axis.phases()
        for i in range(phase.count)
        for tap, out in phase.taps
    ]

    assert len(reached) == len(set(reached))
    assert {pair for pair in reached if 0 <= pair[2] < axis.out} == inside
    assert all(-before <= out < axis.out + behind for _, _, out in reached)
    assert sorted(phase.first + i * axis.stride for phase in axis.phases() for i in range(phase.count)) == [
        *range(axis.size)
    ]


@pytest.mark.parametrize(("rows", "columns"), [*itertools.product(range(1, 9), range(1, 18, 2))])
def test_tiles_cover_a_rectangle_once_and_fit_the_registers(rows: int, columns: int) -> None:
    held = plan(rows, columns, 4, 32)

    places = [
        (tiles.row + down * tiles.rows + row, tiles.column + across * tiles.columns + column)
        for tiles in cut(rows, columns, held.places)
        for down, across in itertools.product(range(tiles.n_down), range(tiles.n_across))
        for row, column in tiles.places
    ]

    assert sorted(places) == [*itertools.product(range(rows), range(columns))]
    assert all(len(tiles.places) <= held.places for tiles in cut(rows, columns, held.places))
    assert held.vectors * held.places + held.vectors < 32


def test_a_relu_lets_through_what_is_no_number() -> None:
    shape, vectors = SHAPES["stride 1"], host_vectors()
    padded, weight, bias = torch.zeros(1, shape.padded_picture), torch.zeros(shape.n_weights), torch.zeros(16)
    padded[0, shape.padded_picture // 2] = torch.nan
    y = torch.zeros(1, 7, 7, 16)

    convolution_code.outputs(shape, True, vectors).call(*map(address, (padded, weight, bias, y)), 1)

    assert torch.isnan(y[0, 3, 3]).all()
    assert torch.count_nonzero(torch.isnan(y)) == 9 * 16


def test_an_address_is_that_of_memory_in_order() -> None:
    values = _rand(4, 6)

    assert address(values[1]) == values.data_ptr() + 6 * 4
    with pytest.raises(ValueError, match="contiguous"):
        address(values.T)


def test_a_missing_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)

    with pytest.raises(NoCompilerError, match="no machine code can be made here"):
        _compiler.__wrapped__()


def test_rounds_that_are_not_known_beforehand_can_be_none() -> None:
    code = Code(1, 1)
    (out,) = code.arrays

    (total,) = code.loop(code.counts[0], lambda i, sum_: [code.sum(sum_, code.constant(1.0, 1))], [code.zero(1)])
    code.store(total, out)
    compiled, found = load_code(code.n_arguments, code.compiled()), torch.full((1,), torch.nan)

    counted = []
    for rounds in (0, 1, 5):
        compiled.call(address(found), rounds)
        counted.append(found.item())
    assert counted == [0.0, 1.0, 5.0]
