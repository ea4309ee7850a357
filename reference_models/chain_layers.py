"""Layers of K members with their backward pass written out; activations have shape (m, B, ...), channels last.

A layer computes ``members``, a slice of m of its K members, and keeps what their backward pass needs until the next
forward pass. An input of (1, B, ...) is shared by all members. No layer changes its input. What a layer returns is
valid until it is called again.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reference_models.scratch import Scratch, unflatten


class Layer:
    """One link of a chain, without parameters.

    Attributes:
        parameters: by the name in the ordinary layer, shape (K, ...), with gradients in ``.grad``.
        buffers: by the name in the ordinary layer, shape (K, ...).
    """

    def __init__(self) -> None:
        self.parameters: dict[str, Tensor] = {}
        self.buffers: dict[str, Tensor] = {}
        self._scratch = Scratch()

    def _add(self, name: str, *shape: int) -> Tensor:
        parameter = self.parameters[name] = torch.zeros(shape)
        parameter.grad = torch.zeros(shape)
        return parameter

    def load(self, name: str, values: Tensor) -> None:
        """Copy the members' values of a parameter or buffer in, from the ordinary layer's layout."""
        own = {**self.parameters, **self.buffers}[name]
        own.copy_(values.reshape(own.shape))

    def plain(self, name: str, values: Tensor) -> Tensor:
        """Values laid out as ``name`` is here, in the ordinary layer's layout."""
        return values.flatten(1) if name == "bias" else values

    def forward(self, x: Tensor, members: slice, training: bool) -> Tensor:
        """The outputs (m, B, ...)."""
        raise NotImplementedError

    def backward(self, gradient: Tensor, members: slice, wanted: bool) -> Tensor | None:
        """Write the members' gradients of all parameters; that of the input is returned where it is wanted."""
        raise NotImplementedError


class FlattenedWeights:
    """The order of a linear layer's weights (k, n', n) that reads flattened pictures.

    Args:
        picture: (C, H, W) of the pictures; their channels are first in the ordinary layer, last here.
    """

    def __init__(self, picture: tuple[int, ...]) -> None:
        self._channels, self._height, self._width = picture

    def channels_last(self, values: Tensor) -> Tensor:
        """From the ordinary layer's order."""
        return unflatten(values, 2, (self._channels, self._height, self._width)).permute(0, 1, 3, 4, 2).flatten(2)

    def channels_first(self, values: Tensor) -> Tensor:
        """To the ordinary layer's order."""
        return unflatten(values, 2, (self._height, self._width, self._channels)).permute(0, 1, 4, 2, 3).flatten(2)


class ChainLinear(Layer):
    """K linear layers.

    Args:
        linear: the ordinary layer.
        k: number of members.
        picture: (C, H, W) where the input is a flattened picture, which comes channels last.
    """

    def __init__(self, linear: nn.Linear, k: int, picture: tuple[int, ...]) -> None:
        super().__init__()
        self._weight = self._add("weight", k, linear.out_features, linear.in_features)
        bias: Tensor | None = linear.bias
        self._bias = None if bias is None else self._add("bias", k, 1, linear.out_features)
        self._layout = FlattenedWeights(picture or (linear.in_features, 1, 1))
        self._x = torch.empty(0)

    def load(self, name: str, values: Tensor) -> None:
        """See :class:`Layer`."""
        super().load(name, self._layout.channels_last(values) if name == "weight" else values)

    def plain(self, name: str, values: Tensor) -> Tensor:
        """See :class:`Layer`."""
        return self._layout.channels_first(values) if name == "weight" else super().plain(name, values)

    def forward(self, x: Tensor, members: slice, training: bool) -> Tensor:  # noqa: ARG002
        """(g, B, n) to (m, B, n')."""
        weight = self._weight[members]
        self._x = x.expand(len(weight), -1, -1)
        out = self._scratch.take("y", (len(weight), x.shape[1], weight.shape[1]))
        if self._bias is None:
            return torch.bmm(self._x, weight.transpose(1, 2), out=out)
        return torch.baddbmm(self._bias[members], self._x, weight.transpose(1, 2), out=out)

    def backward(self, gradient: Tensor, members: slice, wanted: bool) -> Tensor | None:
        """See :class:`Layer`."""
        weight, weight_gradient = self._weight[members], self._weight.grad
        assert weight_gradient is not None  # noqa: S101  (see _add)
        torch.bmm(gradient.transpose(1, 2), self._x, out=weight_gradient[members])
        if self._bias is not None and self._bias.grad is not None:
            torch.sum(gradient, 1, keepdim=True, out=self._bias.grad[members])
        if not wanted:
            return None
        return torch.bmm(gradient, weight, out=self._scratch.take("dx", (*gradient.shape[:2], weight.shape[2])))


class ChainReLU(Layer):
    """max(x, 0)."""

    def __init__(self) -> None:
        super().__init__()
        self._y = torch.empty(0)

    def forward(self, x: Tensor, members: slice, training: bool) -> Tensor:  # noqa: ARG002
        """Same shape."""
        self._y = torch.clamp_min(x, 0, out=self._scratch.take("y", tuple(x.shape)))
        return self._y

    def backward(self, gradient: Tensor, members: slice, wanted: bool) -> Tensor | None:  # noqa: ARG002
        """See :class:`Layer`."""
        out = self._scratch.take("dx", tuple(gradient.shape))
        masked: Tensor = torch.ops.aten.threshold_backward.grad_input(gradient, self._y, 0, grad_input=out)
        return masked


class ChainFlatten(Layer):
    """(m, B, H, W, C) to (m, B, n), still channels last: the linear layer behind it knows."""

    def __init__(self) -> None:
        super().__init__()
        self._shape: tuple[int, ...] = ()

    def forward(self, x: Tensor, members: slice, training: bool) -> Tensor:  # noqa: ARG002
        """(m, B, ...) to (m, B, n)."""
        self._shape = tuple(x.shape[2:])
        return x.flatten(2)

    def backward(self, gradient: Tensor, members: slice, wanted: bool) -> Tensor | None:  # noqa: ARG002
        """See :class:`Layer`."""
        return unflatten(gradient, 2, self._shape)


class ChainFunction(Layer):
    """Any layer without parameters that treats every example alone; autograd finds its gradient."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = module
        self._x = self._y = torch.empty(0)

    def forward(self, x: Tensor, members: slice, training: bool) -> Tensor:  # noqa: ARG002
        """(m, B, H, W, C) or (m, B, n) to the same number of dimensions."""
        with torch.enable_grad():
            self._x = x.detach().requires_grad_()
            flat = self._x.flatten(0, 1).clone()  # a module may work in place
            y = self._module(flat.permute(0, 3, 1, 2) if flat.dim() == 4 else flat)
            self._y = unflatten(y.permute(0, 2, 3, 1) if y.dim() == 4 else y, 0, tuple(x.shape[:2]))
        return self._y.detach().contiguous()

    def backward(self, gradient: Tensor, members: slice, wanted: bool) -> Tensor | None:  # noqa: ARG002
        """See :class:`Layer`."""
        return torch.autograd.grad(self._y, self._x, gradient)[0] if wanted else None
