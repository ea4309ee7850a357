"""One module that computes K members of an architecture at once, by replacing its layers with K-fold ones.

Members lie side by side in the channel dimension, (B, K * C, H, W), so that a convolution of K models is one grouped
convolution; a network of linear layers alone keeps them in a first dimension, (K, B, ...), so that a layer is one
batched matrix product. Every K-fold layer keeps the parameter names of the layer it replaces.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_models.states import StackedState, on_cpu


class UnsupportedLayerError(ValueError):
    """A layer has parameters and no K-fold form."""


def _repeated(tensor: Tensor, k: int) -> Tensor:
    return tensor.detach().repeat(k, *[1] * (tensor.dim() - 1))


def _parameter(tensor: Tensor | None, k: int) -> nn.Parameter | None:
    return None if tensor is None else nn.Parameter(_repeated(tensor, k))


def _buffer(tensor: Tensor | None, k: int) -> Tensor | None:
    return None if tensor is None else _repeated(tensor, k)


class GroupedConv2d(nn.Module):
    """K convolutions on (B, K * C, H, W); an input of C channels is shared by all members."""

    bias: nn.Parameter | None

    def __init__(self, conv: nn.Conv2d, k: int) -> None:
        super().__init__()
        if conv.padding_mode != "zeros":
            raise UnsupportedLayerError(f"no K-fold form of padding mode {conv.padding_mode}")
        if isinstance(conv.padding, str):
            raise UnsupportedLayerError("no K-fold form of padding given by name")
        self.weight = nn.Parameter(_repeated(conv.weight, k).contiguous(memory_format=torch.channels_last))
        self.register_parameter("bias", _parameter(conv.bias, k))
        self.stride, self.padding, self.dilation = conv.stride, conv.padding, conv.dilation
        self.k, self.groups, self.in_channels = k, conv.groups, conv.in_channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, K * C, H, W) or (B, C, H, W) to (B, K * C', H', W')."""
        shared = self.groups == 1 and x.shape[1] == self.in_channels
        groups = 1 if shared else self.k * self.groups
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, groups)


class GroupedBatchNorm(nn.Module):
    """K batch normalisations on (B, K * C, ...), each with its own statistics."""

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, k: int) -> None:
        super().__init__()
        self.register_parameter("weight", _parameter(norm.weight, k))
        self.register_parameter("bias", _parameter(norm.bias, k))
        self.register_buffer("running_mean", _buffer(norm.running_mean, k))
        self.register_buffer("running_var", _buffer(norm.running_var, k))
        count = norm.num_batches_tracked
        self.register_buffer("num_batches_tracked", None if count is None else count.repeat(k))
        if norm.momentum is None:
            raise UnsupportedLayerError("no K-fold form of batch normalisation with a cumulative average")
        self.momentum, self.eps = norm.momentum, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Same shape; in training the running statistics move by ``momentum``."""
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        of_batch = self.training or self.running_mean is None
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, of_batch, self.momentum, self.eps
        )


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
        """Same shape."""
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class MemberLinear(nn.Module):
    """K linear layers on (K, B, n); an input of (1, B, n) is shared by all members."""

    bias: nn.Parameter | None

    def __init__(self, linear: nn.Linear, k: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.detach().repeat(k, 1, 1))
        bias: Tensor | None = linear.bias
        self.register_parameter("bias", _parameter(None if bias is None else bias[None], k))
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        """(K, B, n) to (K, B, n')."""
        if x.dim() != 3:
            raise UnsupportedLayerError("a K-fold linear layer takes one vector an example")
        members, weight = x.expand(self.k, -1, -1), self.weight.transpose(1, 2)
        return torch.bmm(members, weight) if self.bias is None else torch.baddbmm(self.bias[:, None], members, weight)


class _SideBySide(torch.autograd.Function):
    """K linear layers on (B, K * n), with gradients that autograd would compute member by member and copy."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(B, K * n) to (B, K * n')."""
        ctx.save_for_backward(x, weight)
        members, transposed = _members_first(x, len(weight)), weight.transpose(1, 2)
        out = torch.bmm(members, transposed) if bias is None else torch.baddbmm(bias[:, None], members, transposed)
        return out.transpose(0, 1).flatten(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """Gradients of the input, the weights (K, n', n) and the biases (K, n')."""
        x, weight = ctx.saved_tensors
        own = _members_first(gradient, len(weight)).contiguous()
        of_input = None
        if ctx.needs_input_grad[0]:
            of_input = torch.empty_like(x)
            torch.bmm(own, weight, out=_members_first(of_input, len(weight)))
        of_weight = torch.bmm(own.transpose(1, 2), _members_first(x, len(weight)))
        return of_input, of_weight, own.sum(1) if ctx.needs_input_grad[2] else None


def _members_first(x: Tensor, k: int) -> Tensor:
    """(B, K * n) to (K, B, n), a view where it can be."""
    return x.reshape(len(x), k, -1).transpose(0, 1)


class GroupedLinear(MemberLinear):
    """K linear layers on (B, K * n)."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, K * n) to (B, K * n')."""
        if x.dim() != 2:
            raise UnsupportedLayerError("a K-fold linear layer takes one vector an example")
        out: Tensor = _SideBySide.apply(x.contiguous(), self.weight, self.bias)  # type: ignore[no-untyped-call]
        return out


class _Flattened(torch.autograd.Function):
    """Flattens pictures; their gradient comes back channels last, as the layers before want it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C * H * W)."""
        ctx.shape = x.shape
        return x.flatten(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """(B, C * H * W) to (B, C, H, W)."""
        return gradient.reshape(ctx.shape).contiguous(memory_format=torch.channels_last)


class GroupedFlatten(nn.Flatten):
    """As ``nn.Flatten``; of pictures (B, K * C, H, W) with channels last in memory the gradient has channels last too."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, K * C, H, W) to (B, K * n)."""
        if x.is_contiguous() or x.dim() != 4 or (self.start_dim, self.end_dim) != (1, -1):
            return super().forward(x)
        out: Tensor = _Flattened.apply(x)  # type: ignore[no-untyped-call]
        return out


def _grouped_flatten(flatten: nn.Flatten, k: int) -> nn.Module:  # noqa: ARG001
    return GroupedFlatten(flatten.start_dim, flatten.end_dim)


class MemberFlatten(nn.Module):
    """Flattens (K, B, ...) to (K, B, n)."""

    def forward(self, x: Tensor) -> Tensor:
        """(K, B, ...) to (K, B, n)."""
        return x.flatten(2)


def _member_flatten(flatten: nn.Flatten, k: int) -> nn.Module:  # noqa: ARG001
    if (flatten.start_dim, flatten.end_dim) != (1, -1):
        raise UnsupportedLayerError("only a flattening of whole examples has a K-fold form")
    return MemberFlatten()


Replacement = Callable[[Any, int], nn.Module]
IN_CHANNELS: Mapping[type[nn.Module], Replacement] = {
    nn.Conv2d: GroupedConv2d,
    nn.BatchNorm1d: GroupedBatchNorm,
    nn.BatchNorm2d: GroupedBatchNorm,
    nn.GroupNorm: GroupedGroupNorm,
    nn.Flatten: _grouped_flatten,
    nn.Linear: GroupedLinear,
}
IN_MEMBERS: Mapping[type[nn.Module], Replacement] = {nn.Linear: MemberLinear, nn.Flatten: _member_flatten}


def _replaced(module: nn.Module, k: int, table: Mapping[type[nn.Module], Replacement]) -> nn.Module:
    if type(module) in table:
        return table[type(module)](module, k)
    if any(True for _ in module.parameters(recurse=False)) or any(True for _ in module.buffers(recurse=False)):
        raise UnsupportedLayerError(f"no K-fold form of {type(module).__name__}")
    for name, child in module.named_children():
        setattr(module, name, _replaced(child, k, table))
    return module


def has_only_linear_layers(module: nn.Module) -> bool:
    """Whether every parameter of ``module`` belongs to an ``nn.Linear``."""
    owners = (part for part in module.modules() if any(True for _ in part.parameters(recurse=False)))
    return all(type(part) is nn.Linear for part in owners)


def grouped_module(template: nn.Module, k: int) -> nn.Module:
    """A K-fold copy of ``template``; UnsupportedLayerError where a layer has no K-fold form."""
    table = IN_MEMBERS if has_only_linear_layers(template) else IN_CHANNELS
    return _replaced(copy.deepcopy(template), k, table)


def load_members(module: nn.Module, state: StackedState) -> None:
    """Copy a stacked state into a K-fold module, in place."""
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            tensor.copy_(state[name].reshape(tensor.shape))


def members_of(module: nn.Module, template: nn.Module, k: int) -> StackedState:
    """The stacked state of a K-fold module, copied to the CPU."""
    own = module.state_dict()
    return {name: on_cpu(own[name].reshape(k, *tensor.shape)) for name, tensor in template.state_dict().items()}
