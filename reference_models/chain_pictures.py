"""Layers of pictures for chains of K members (:mod:`reference_models.chain_layers`), computed by machine code on the CPU.

Neighbouring layers of this kind are computed member by member, so that what a member passes from layer to layer stays in the
processor's cache. Calls of machine code are listed once, with all addresses, and repeated in every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from reference_models import convolution_code, norm_code
from reference_models.chain_layers import Layer
from reference_models.convolution_shapes import convolution_shape
from reference_models.grouped import UnsupportedLayerError
from reference_models.machine_code import CompiledFunction, address, host_vectors
from reference_models.norm_code import NormShape

LEAST_WIDTH = 4
"""Channels in multiples of this are computed by machine code; others would waste most of a vector."""


@dataclass(frozen=True)
class Call:
    """A compiled function, and what it is called with for each member.

    Attributes:
        function: the function.
        arrays: shape (m, ...), or (1, ...) where all members share one.
        count: what it is told besides.
        once: whether the first member's call does it for all.
    """

    function: CompiledFunction
    arrays: tuple[Tensor, ...]
    count: tuple[int, ...]
    once: bool = False

    def arguments(self, member: int) -> tuple[int, ...]:
        """For one of the m members."""
        steps = (0 if len(array) == 1 else array.stride(0) * array.element_size() for array in self.arrays)
        return (*(address(a) + member * step for a, step in zip(self.arrays, steps, strict=True)), *self.count)


@dataclass(frozen=True)
class StoredPictures:
    """Pictures that are normalised when they are read.

    Attributes:
        table: shape (n, H, W, C), uint8.
        numbers: which of them, shape (g, B), int64.
        scale: factors of a row's values, shape (W * C,), float32.
        shift: added to them, likewise.
    """

    table: Tensor
    numbers: Tensor
    scale: Tensor
    shift: Tensor


class PictureLayer(Layer):
    """One layer of a :class:`PictureStack`."""

    def forward_calls(self, x: Tensor | StoredPictures, members: slice, training: bool) -> tuple[list[Call], Tensor]:
        """What computes the outputs (m, B, H', W', C') of x (g, B, H, W, C), and where they will be."""
        raise NotImplementedError

    def backward_calls(self, gradient: Tensor, members: slice, wanted: bool) -> tuple[list[Call], Tensor | None]:
        """What computes all gradients, for the latest :meth:`forward_calls`, and where that of x will be, if it is wanted."""
        raise NotImplementedError

    def note_step(self, members: slice) -> None:
        """Members are trained once more."""


class ChainConvolution(PictureLayer):
    """K convolutions, with a ReLU behind them where it is ``rectified``.

    Args:
        conv: the ordinary layer.
        k: number of members.
        size: rows and columns of its input.
        rectified: whether outputs below 0 become 0.
    """

    def __init__(self, conv: nn.Conv2d, k: int, size: tuple[int, int], rectified: bool) -> None:
        super().__init__()
        if conv.padding_mode != "zeros" or isinstance(conv.padding, str) or conv.groups != 1 or conv.dilation != (1, 1):
            raise UnsupportedLayerError(f"no machine code for {conv}")
        _check_channels(conv.out_channels)
        channels, kernel = (conv.in_channels, conv.out_channels), (conv.kernel_size[0], conv.kernel_size[1])
        self._shape = convolution_shape(channels, size, kernel, conv.stride, conv.padding)
        self._rectified, self._vectors = rectified, host_vectors()
        self._weight = self._add("weight", k, *kernel, *channels)
        biases: Tensor | None = conv.bias
        self._bias = torch.zeros(k, channels[1]) if biases is None else self._add("bias", k, channels[1])
        self._unused = torch.empty_like(self._bias)
        self._x = self._y = torch.empty(0)

    def load(self, name: str, values: Tensor) -> None:
        """See :class:`Layer`."""
        super().load(name, values.permute(0, 3, 4, 2, 1) if name == "weight" else values)

    def plain(self, name: str, values: Tensor) -> Tensor:
        """See :class:`Layer`."""
        return values.permute(0, 4, 3, 1, 2) if name == "weight" else values

    def forward_calls(
        self,
        x: Tensor | StoredPictures,
        members: slice,
        training: bool,  # noqa: ARG002
    ) -> tuple[list[Call], Tensor]:
        """See :class:`PictureLayer`."""
        shape = self._shape
        n_given, n_pictures = (x.numbers if isinstance(x, StoredPictures) else x).shape[:2]
        weight, bias = self._weight[members], self._bias[members]
        self._x = self._scratch.zeros("x", (n_given, n_pictures, shape.padded_picture))
        out = (len(weight), n_pictures, shape.rows.out, shape.columns.out, shape.out_channels)
        self._y = self._scratch.take("y", out)
        source = (x,) if isinstance(x, Tensor) else (x.table[None], x.numbers, x.scale[None], x.shift[None])
        read = convolution_code.pad_pictures if isinstance(x, Tensor) else convolution_code.pad_stored
        compute = convolution_code.outputs(shape, self._rectified, self._vectors)
        calls = [
            Call(read(shape, self._vectors), (*source, self._x), (n_pictures,), once=n_given == 1),
            Call(compute, (self._x, weight, bias, self._y), (n_pictures,)),
        ]
        return calls, self._y

    def backward_calls(self, gradient: Tensor, members: slice, wanted: bool) -> tuple[list[Call], Tensor | None]:
        """See :class:`PictureLayer`."""
        shape, vectors, weight = self._shape, self._vectors, self._weight[members]
        n_members, n_pictures = gradient.shape[:2]
        padded = self._scratch.zeros("dy", (n_members, n_pictures, shape.gradient_picture))
        gradients = (_gradient(self._weight, self._unused)[members], _gradient(self._bias, self._unused)[members])
        pad = convolution_code.pad_gradients(shape, self._rectified, vectors)
        calls = [
            Call(pad, (gradient, self._y, padded), (n_pictures,)),
            Call(convolution_code.weight_gradients(shape, vectors), (self._x, padded, *gradients), (n_pictures,)),
        ]
        if not wanted:
            return calls, None
        out = self._scratch.take("dx", (n_members, n_pictures, shape.rows.size, shape.columns.size, shape.in_channels))
        turned = self._scratch.take("turned", (n_members, *weight.shape[1:]))
        compute = convolution_code.input_gradients(shape, vectors)
        turn = Call(convolution_code.turn_weights(shape), (weight, turned), ())
        return [*calls, turn, Call(compute, (padded, turned, out), (n_pictures,))], out


class ChainBatchNorm(PictureLayer):
    """K batch normalisations of pictures, with a ReLU behind them where it is ``rectified``.

    Args:
        norm: the ordinary layer.
        k: number of members.
        rectified: whether outputs below 0 become 0.
    """

    def __init__(self, norm: nn.BatchNorm2d, k: int, rectified: bool) -> None:
        super().__init__()
        if norm.momentum is None or norm.running_mean is None:
            raise UnsupportedLayerError(f"no machine code for {norm}")
        channels = norm.num_features
        _check_channels(channels)
        self._shape, self._vectors = NormShape(channels, norm.eps, norm.momentum, rectified), host_vectors()
        affine: Tensor | None = norm.weight
        self._weight = torch.ones(k, channels) if affine is None else self._add("weight", k, channels)
        self._bias = torch.zeros(k, channels) if affine is None else self._add("bias", k, channels)
        self._unused = torch.empty_like(self._bias)
        self._mean, self._variance = torch.zeros(k, channels), torch.ones(k, channels)
        self._count = torch.zeros(k, dtype=torch.int64)
        self.buffers = {
            "running_mean": self._mean,
            "running_var": self._variance,
            "num_batches_tracked": self._count,
        }
        self._batch_mean, self._batch_inverse = torch.zeros(k, channels), torch.zeros(k, channels)
        self._z = self._y = torch.empty(0)

    def note_step(self, members: slice) -> None:
        """See :class:`PictureLayer`."""
        self._count[members] += 1

    def forward_calls(self, x: Tensor | StoredPictures, members: slice, training: bool) -> tuple[list[Call], Tensor]:
        """See :class:`PictureLayer`."""
        if isinstance(x, StoredPictures):
            raise UnsupportedLayerError("a batch normalisation reads no stored pictures")
        n_members = members.stop - members.start
        self._z, self._y = x, self._scratch.take("y", (n_members, *x.shape[1:]))
        own = [each[members] for each in (self._weight, self._bias, self._mean, self._variance)]
        if not training:
            compute = norm_code.evaluation_outputs(self._shape, self._vectors)
            return [Call(compute, (x, *own, self._y), self._n_values())], self._y
        compute = norm_code.training_outputs(self._shape, self._vectors)
        kept = (self._batch_mean[members], self._batch_inverse[members])
        return [Call(compute, (x, *own, self._y, *kept), self._n_values())], self._y

    def backward_calls(self, gradient: Tensor, members: slice, wanted: bool) -> tuple[list[Call], Tensor | None]:  # noqa: ARG002
        """See :class:`PictureLayer`."""
        out = self._scratch.take("dx", tuple(gradient.shape))
        kept = (self._weight[members], self._batch_mean[members], self._batch_inverse[members])
        gradients = (_gradient(self._weight, self._unused)[members], _gradient(self._bias, self._unused)[members])
        compute = norm_code.training_gradients(self._shape, self._vectors)
        return [Call(compute, (gradient, self._y, self._z, *kept, out, *gradients), self._n_values())], out

    def _n_values(self) -> tuple[int, ...]:
        return (self._y[0].numel() // self._shape.channels,)


def _check_channels(channels: int) -> None:
    if channels % LEAST_WIDTH:
        raise UnsupportedLayerError(f"{channels} channels do not fill vectors")


def _gradient(parameter: Tensor, unused: Tensor) -> Tensor:
    """Where a parameter's gradient belongs; that of a constant is not used."""
    return unused if parameter.grad is None else parameter.grad


class _Tape:
    """Calls for m members, all of one member before those of the next."""

    def __init__(self, calls: Sequence[Call], n_members: int) -> None:
        self._calls = calls  # they hold the arrays
        self._all = [
            (call.function.call, call.arguments(member))
            for member in range(n_members)
            for call in calls
            if member == 0 or not call.once
        ]

    def run(self) -> None:
        """All calls, in order."""
        for function, arguments in self._all:
            function(*arguments)


@dataclass(frozen=True)
class _Pass:
    """What is done for some members with arrays at certain places; ``gradient`` to ``backward`` are there in training alone.

    Attributes:
        source: address of the inputs.
        forward: the calls.
        out: outputs.
        gradient: where the outputs' gradient is read.
        backward: the calls.
        of_inputs: where the inputs' gradient will be, if it is wanted.
    """

    source: int
    forward: _Tape
    out: Tensor
    gradient: Tensor | None = None
    backward: _Tape | None = None
    of_inputs: Tensor | None = None


class PictureStack(Layer):
    """Neighbouring picture layers, computed together.

    Args:
        layers: in their order.
        wanted: whether the gradient of the inputs is.
    """

    def __init__(self, layers: Sequence[PictureLayer], wanted: bool) -> None:
        super().__init__()
        self._layers, self._wanted = tuple(layers), wanted
        self._passes: dict[tuple[object, ...], _Pass] = {}
        self._latest: _Pass | None = None
        self._numbers: dict[tuple[object, ...], Tensor] = {}

    @property
    def reads_stored(self) -> bool:
        """Whether it takes :class:`StoredPictures`."""
        return isinstance(self._layers[0], ChainConvolution)

    def forward(self, x: Tensor | StoredPictures, members: slice, training: bool) -> Tensor:
        """(g, B, H, W, C), or stored pictures (g, B), to (m, B, H', W', C')."""
        if isinstance(x, Tensor):
            own = self._scratch.take("x", tuple(x.shape)).copy_(x)  # always at one address, and kept until the way back
            return self._run(own, own.data_ptr(), tuple(x.shape), members, training)
        numbers = self._numbers.setdefault((members.start, x.numbers.shape), torch.empty_like(x.numbers))
        numbers.copy_(x.numbers)
        return self._run(replace(x, numbers=numbers), x.table.data_ptr(), tuple(numbers.shape), members, training)

    def _run(
        self, x: Tensor | StoredPictures, source: int, shape: tuple[int, ...], members: slice, training: bool
    ) -> Tensor:
        key = (members.start, members.stop, shape, training)
        self._latest = self._passes.get(key)
        if self._latest is None or self._latest.source != source:
            self._latest = self._passes[key] = self._prepared(x, source, members, training)
        if training:
            for layer in self._layers:
                layer.note_step(members)
        self._latest.forward.run()
        return self._latest.out

    def backward(self, gradient: Tensor, members: slice, wanted: bool) -> Tensor | None:  # noqa: ARG002
        """See :class:`Layer`."""
        latest = self._latest
        if latest is None or latest.gradient is None or latest.backward is None:
            raise RuntimeError("there is no forward pass in training to go back through")
        latest.gradient.copy_(gradient)
        latest.backward.run()
        return latest.of_inputs

    def _prepared(self, x: Tensor | StoredPictures, source: int, members: slice, training: bool) -> _Pass:
        n_members = members.stop - members.start
        calls: list[Call] = []
        out: Tensor | StoredPictures = x
        for layer in self._layers:
            own, out = layer.forward_calls(out, members, training)
            calls += own
        assert isinstance(out, Tensor)  # noqa: S101  (there are layers)
        forward = _Tape(calls, n_members)
        if not training:
            return _Pass(source, forward, out)
        begin = self._scratch.take("gradient", tuple(out.shape))
        calls = []
        gradient: Tensor | None = begin
        for place, layer in reversed(list(enumerate(self._layers))):
            assert gradient is not None  # noqa: S101  (asked for wherever there is a layer before)
            own, gradient = layer.backward_calls(gradient, members, self._wanted or place > 0)
            calls += own
        return _Pass(source, forward, out, begin, _Tape(calls, n_members), gradient)
