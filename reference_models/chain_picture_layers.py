"""Layers of pictures for chains of K members (:mod:`reference_models.chain_pictures`), computed by machine code."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reference_models import convolution_code, linear_code, norm_code, padding_code
from reference_models.chain_layers import FlattenedWeights
from reference_models.chain_pictures import Call, Calls, PictureLayer, Pictures, StoredPictures
from reference_models.convolution_shapes import convolution_shape
from reference_models.grouped import UnsupportedLayerError
from reference_models.machine_code import host_vectors
from reference_models.norm_code import NormShape

LEAST_WIDTH = 4
"""Channels in multiples of this are computed by machine code; others would waste most of a vector."""


class ChainConvolution(PictureLayer):
    """K convolutions, with a ReLU behind them where it is ``rectified``.

    Args:
        conv: the ordinary layer.
        k: number of members.
        size: rows and columns of its input.
        rectified: whether outputs below 0 become 0.
    """

    reads_stored = True

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

    def forward_calls(self, x: Pictures, members: slice, training: bool) -> Calls:  # noqa: ARG002
        """See :class:`PictureLayer`."""
        shape = self._shape
        n_given, n_pictures = (x.numbers if isinstance(x, StoredPictures) else x).shape[:2]
        weight, bias = self._weight[members], self._bias[members]
        self._x = self._scratch.zeros("x", (n_given, n_pictures, shape.padded_picture))
        out = (len(weight), n_pictures, shape.rows.out, shape.columns.out, shape.out_channels)
        self._y = self._scratch.take("y", out)
        source = (x,) if isinstance(x, Tensor) else (x.table[None], x.numbers, x.scale[None], x.shift[None])
        read = padding_code.pad_pictures if isinstance(x, Tensor) else padding_code.pad_stored
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
        pad = padding_code.pad_gradients(shape, self._rectified, vectors)
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

    def forward_calls(self, x: Pictures, members: slice, training: bool) -> Calls:
        """See :class:`PictureLayer`."""
        x = _computed(x)
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


class ChainFlattened(PictureLayer):
    """Pictures as vectors, still channels last: the layer behind knows."""

    def __init__(self) -> None:
        super().__init__()
        self._shape: tuple[int, ...] = ()

    def forward_calls(self, x: Pictures, members: slice, training: bool) -> Calls:  # noqa: ARG002
        """See :class:`PictureLayer`."""
        x = _computed(x)
        self._shape = tuple(x.shape)
        return [], x.flatten(2)

    def backward_calls(self, gradient: Tensor, members: slice, wanted: bool) -> tuple[list[Call], Tensor | None]:  # noqa: ARG002
        """See :class:`PictureLayer`."""
        return [], gradient.view(self._shape)


class ChainReadout(PictureLayer):
    """K linear layers on flattened pictures.

    Args:
        linear: the ordinary layer.
        k: number of members.
        picture: (C, H, W) of the pictures that were flattened.
    """

    def __init__(self, linear: nn.Linear, k: int, picture: tuple[int, ...]) -> None:
        super().__init__()
        if linear.in_features % LEAST_WIDTH:
            raise UnsupportedLayerError(f"{linear.in_features} inputs do not fill vectors")
        self._sizes, self._vectors = (linear.in_features, linear.out_features), host_vectors()
        self._layout = FlattenedWeights(picture)
        self._weight = self._add("weight", k, linear.out_features, linear.in_features)
        biases: Tensor | None = linear.bias
        shape = (k, linear.out_features)
        self._bias = torch.zeros(shape) if biases is None else self._add("bias", *shape)
        self._unused = torch.empty(shape)
        self._x = torch.empty(0)

    def load(self, name: str, values: Tensor) -> None:
        """See :class:`Layer`."""
        super().load(name, self._layout.channels_last(values) if name == "weight" else values)

    def plain(self, name: str, values: Tensor) -> Tensor:
        """See :class:`Layer`."""
        return self._layout.channels_first(values) if name == "weight" else values

    def forward_calls(self, x: Pictures, members: slice, training: bool) -> Calls:  # noqa: ARG002
        """See :class:`PictureLayer`."""
        self._x = _computed(x)
        y = self._scratch.take("y", (members.stop - members.start, self._x.shape[1], self._sizes[1]))
        compute = linear_code.outputs(*self._sizes, self._vectors)
        arrays = (self._x, self._weight[members], self._bias[members], y)
        return [Call(compute, arrays, (self._x.shape[1],))], y

    def backward_calls(self, gradient: Tensor, members: slice, wanted: bool) -> tuple[list[Call], Tensor | None]:
        """See :class:`PictureLayer`."""
        count = (gradient.shape[1],)
        results = (_gradient(self._weight, self._unused)[members], _gradient(self._bias, self._unused)[members])
        of_weights = linear_code.weight_gradients(*self._sizes, self._vectors)
        calls = [Call(of_weights, (self._x, gradient, *results), count)]
        if not wanted:
            return calls, None
        out = self._scratch.take("dx", (*gradient.shape[:2], self._sizes[0]))
        of_inputs = linear_code.input_gradients(*self._sizes, self._vectors)
        return [*calls, Call(of_inputs, (gradient, self._weight[members], out), count)], out


def _computed(x: Pictures) -> Tensor:
    if isinstance(x, StoredPictures):
        raise UnsupportedLayerError("stored pictures are read by convolutions alone")
    return x


def _check_channels(channels: int) -> None:
    if channels % LEAST_WIDTH:
        raise UnsupportedLayerError(f"{channels} channels do not fill vectors")


def _gradient(parameter: Tensor, unused: Tensor) -> Tensor:
    """Where a parameter's gradient belongs; that of a constant is not used."""
    return unused if parameter.grad is None else parameter.grad
