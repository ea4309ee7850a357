"""K-fold modules, which compute K members of an architecture at once by replacing its layers with K-fold layers.

There are two layouts. *Members first*: images (K, B, H, W, C) and vectors (K, B, n), for networks of linear layers, batch
normalisations and patch convolutions (kernel = stride): every layer with weights is a batched matrix product.
*Channels*: members lie side by side in the channel dimension, (B, K * C, H, W), and the convolutions of K members are one
grouped convolution. Every K-fold layer keeps the parameter names of the layer it replaces. K-fold modules train; for
logits an ordinary module is the instrument (:mod:`reference_models.training.prediction`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_models.training.states import StackedState, on_cpu


class UnsupportedLayerError(ValueError):
    """Raised for a layer that has parameters but no K-fold form."""


def _repeated(tensor: Tensor, k: int) -> Tensor:
    return tensor.detach().repeat(k, *[1] * (tensor.dim() - 1))


def _parameter(tensor: Tensor | None, k: int) -> nn.Parameter | None:
    return None if tensor is None else nn.Parameter(_repeated(tensor, k))


def _padding(conv: nn.Conv2d) -> tuple[int, ...]:
    """Return the zero padding of (..., H, W, C) in the form of ``F.pad``."""
    if conv.padding_mode != "zeros":
        raise UnsupportedLayerError(f"no K-fold form of padding mode {conv.padding_mode}")
    if isinstance(conv.padding, str):
        raise UnsupportedLayerError("no K-fold form of padding given by name")
    rows, columns = conv.padding
    return (0, 0, columns, columns, rows, rows)


class GroupedConv2d(nn.Module):
    """K convolutions on (B, K * C, H, W)."""

    bias: nn.Parameter | None

    def __init__(self, conv: nn.Conv2d, k: int) -> None:
        super().__init__()
        _padding(conv)  # refuses what has no K-fold form
        self.weight = nn.Parameter(_repeated(conv.weight, k).contiguous(memory_format=torch.channels_last))
        self.register_parameter("bias", _parameter(conv.bias, k))
        self.stride, self.padding, self.dilation = conv.stride, conv.padding, conv.dilation
        self.groups = k * conv.groups

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, K * C', H', W') of (B, K * C, H, W)."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


def is_patch_convolution(conv: nn.Conv2d) -> bool:
    """Return True if kernels neither overlap nor leave gaps, so that each output depends on a separate patch."""
    return conv.kernel_size == conv.stride and conv.dilation == (1, 1) and conv.groups == 1


class MemberPatchConv2d(nn.Module):
    """K convolutions of kernel = stride on (K, B, H, W, C): the patches of each member times its weights."""

    bias: nn.Parameter | None

    def __init__(self, conv: nn.Conv2d, k: int) -> None:
        super().__init__()
        if not is_patch_convolution(conv):
            raise UnsupportedLayerError("only a convolution with kernel = stride is a matrix product of patches")
        self.padding = _padding(conv)
        self.weight = nn.Parameter(_repeated(conv.weight[None], k))
        bias: Tensor | None = conv.bias
        self.register_parameter("bias", _parameter(None if bias is None else bias[None], k))
        self.kernel_size = conv.kernel_size

    def forward(self, x: Tensor) -> Tensor:
        """Return (K, B, H', W', C') of (K, B, H, W, C); rows and columns that fill no patch are dropped."""
        x = F.pad(x, self.padding) if any(self.padding) else x  # padding by nothing would be a copy
        (k, n, height, width, channels), (rows, columns) = x.shape, self.kernel_size
        down, across = height // rows, width // columns
        whole = x[:, :, : down * rows, : across * columns]
        patches = whole.reshape(k, n, down, rows, across, columns, channels).transpose(3, 4)
        weight = self.weight.permute(0, 3, 4, 2, 1).reshape(k, rows * columns * channels, -1)
        values = patches.reshape(k, n * down * across, rows * columns * channels)
        return _products(values, weight, self.bias).view(k, n, down, across, -1)


def _products(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x @ weight + bias of every member; shapes (K, n, i), (K, i, o) and (K, o)."""
    return torch.bmm(x, weight) if bias is None else torch.baddbmm(bias[:, None], x, weight)


class _BatchNorm(nn.Module):
    """The tensors of K batch normalisations, with K * C or (K, C) values each."""

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, k: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        for name in ("weight", "bias"):
            weight: Tensor | None = getattr(norm, name)
            self.register_parameter(name, None if weight is None else nn.Parameter(_repeated(weight, k).view(shape)))
        for name in ("running_mean", "running_var"):
            statistic: Tensor | None = getattr(norm, name)
            self.register_buffer(name, None if statistic is None else _repeated(statistic, k).view(shape))
        count = norm.num_batches_tracked
        self.register_buffer("num_batches_tracked", None if count is None else count.repeat(k))
        if norm.momentum is None:
            raise UnsupportedLayerError("no K-fold form of batch normalisation with a cumulative average")
        self.momentum, self.eps = norm.momentum, norm.eps

    def _count(self) -> None:
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


class GroupedBatchNorm(_BatchNorm):
    """K batch normalisations on (B, K * C, ...), each with its own statistics."""

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, k: int) -> None:
        super().__init__(norm, k, (k * norm.num_features,))

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape; the running statistics move by ``momentum``."""
        self._count()
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, True, self.momentum, self.eps
        )


class MemberBatchNorm(_BatchNorm):
    """K batch normalisations on (K, B, ..., C), each with its own statistics."""

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, k: int) -> None:
        super().__init__(norm, k, (k, norm.num_features))

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape; the running statistics move by ``momentum``."""
        self._count()
        # Member by member: torch's kernel wants channels second, and of all members at once that would be a copy.
        return torch.stack([self._one(own.movedim(-1, 1), member).movedim(1, -1) for member, own in enumerate(x)])

    def _one(self, x: Tensor, member: int) -> Tensor:
        """Normalise (B, C, ...) as one member does."""
        tensors = (self.running_mean, self.running_var, self.weight, self.bias)
        mean, variance, weight, bias = (None if tensor is None else tensor[member] for tensor in tensors)
        return F.batch_norm(x, mean, variance, weight, bias, True, self.momentum, self.eps)


class GroupedGroupNorm(nn.Module):
    """K group normalisations on (B, K * C, ...)."""

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(self, norm: nn.GroupNorm, k: int) -> None:
        super().__init__()
        self.register_parameter("weight", _parameter(norm.weight, k))
        self.register_parameter("bias", _parameter(norm.bias, k))
        self.num_groups, self.eps = k * norm.num_groups, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class MemberLinear(nn.Module):
    """K linear layers on (K, B, n)."""

    bias: nn.Parameter | None

    def __init__(self, linear: nn.Linear, k: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(_repeated(linear.weight[None], k))
        bias: Tensor | None = linear.bias
        self.register_parameter("bias", _parameter(None if bias is None else bias[None], k))
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        """Return (K, B, n') of (K, B, n)."""
        if x.dim() != 3:
            raise UnsupportedLayerError("a K-fold linear layer takes one vector an example")
        return _products(x, self.weight.transpose(1, 2), self.bias)


class GroupedLinear(MemberLinear):
    """K linear layers on (B, K * n)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, K * n') of (B, K * n)."""
        if x.dim() != 2:
            raise UnsupportedLayerError("a K-fold linear layer takes one vector an example")
        return super().forward(x.reshape(len(x), self.k, -1).transpose(0, 1)).transpose(0, 1).flatten(1)


class MemberFlatten(nn.Module):
    """A flattening of images (K, B, H, W, C) to (K, B, C * H * W)."""

    def __init__(self, flatten: nn.Flatten, k: int) -> None:  # noqa: ARG002
        super().__init__()
        if (flatten.start_dim, flatten.end_dim) != (1, -1):
            raise UnsupportedLayerError("only a flattening of whole examples has a K-fold form")

    def forward(self, x: Tensor) -> Tensor:
        """Return (K, B, n); vectors are unchanged."""
        return x if x.dim() == 3 else x.permute(0, 1, 4, 2, 3).flatten(2)


Replacement = Callable[[Any, int], nn.Module]
IN_CHANNELS: Mapping[type[nn.Module], Replacement] = {
    nn.Conv2d: GroupedConv2d,
    nn.BatchNorm1d: GroupedBatchNorm,
    nn.BatchNorm2d: GroupedBatchNorm,
    nn.GroupNorm: GroupedGroupNorm,
    nn.Linear: GroupedLinear,
}
MEMBERS_FIRST: Mapping[type[nn.Module], Replacement] = {
    nn.Conv2d: MemberPatchConv2d,
    nn.BatchNorm1d: MemberBatchNorm,
    nn.BatchNorm2d: MemberBatchNorm,
    nn.Flatten: MemberFlatten,
    nn.Linear: MemberLinear,
}


def _replaced(module: nn.Module, k: int, table: Mapping[type[nn.Module], Replacement]) -> nn.Module:
    if type(module) in table:
        return table[type(module)](module, k)
    if any(True for _ in module.parameters(recurse=False)) or any(True for _ in module.buffers(recurse=False)):
        raise UnsupportedLayerError(f"no K-fold form of {type(module).__name__}")
    for name, child in module.named_children():
        setattr(module, name, _replaced(child, k, table))
    return module


def is_members_first(module: nn.Module) -> bool:
    """Return True if all layers of ``module`` with weights have a members-first form."""
    owners = [part for part in module.modules() if any(True for _ in part.parameters(recurse=False))]
    convolutions = [part for part in owners if type(part) is nn.Conv2d]
    return all(type(part) in MEMBERS_FIRST for part in owners) and all(map(is_patch_convolution, convolutions))


def grouped_module(template: nn.Module, k: int) -> nn.Module:
    """Return a K-fold copy of ``template``; raise UnsupportedLayerError if a layer has no K-fold form."""
    return _replaced(copy.deepcopy(template), k, MEMBERS_FIRST if is_members_first(template) else IN_CHANNELS)


def load_members(module: nn.Module, state: StackedState) -> None:
    """Copy a stacked state into a K-fold module, in place."""
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            tensor.copy_(state[name].reshape(tensor.shape))


def members_of(module: nn.Module, template: nn.Module, k: int) -> StackedState:
    """Return the stacked state of a K-fold module, copied to the CPU."""
    own = module.state_dict()
    return {name: on_cpu(own[name].reshape(k, *tensor.shape)) for name, tensor in template.state_dict().items()}
