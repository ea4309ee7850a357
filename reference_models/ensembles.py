"""K models of one architecture that are computed together, each as if it were alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from reference_models.grouped import grouped_module, has_only_linear_layers, load_members, members_of
from reference_models.images import channel_scale
from reference_models.recipe import ModelSpec
from reference_models.states import StackedState, member_state, n_members, on_cpu, stack_states

Mechanism = Literal["grouped", "vmap", "loop"]
"""Side by side in one K-fold module; vmap over stacked tensors; one module after the other."""


class Ensemble(Protocol):
    """K models, with weights on one device."""

    def logits(self, images: Tensor) -> Tensor:
        """Outputs (K, B, n_classes), float32, of uint8 images (K, B, H, W, C), or (1, B, H, W, C) shared by all."""
        ...

    def train(self, training: bool) -> None:
        """Switch to training or evaluation mode, as ``nn.Module.train``."""
        ...

    def parameters(self) -> Iterator[Tensor]:
        """The leaf tensors that an optimizer is to move."""
        ...

    def state(self) -> StackedState:
        """A copy of all weights on the CPU."""
        ...


class _Normaliser:
    """Normalises uint8 images whose last dimension is the channel."""

    def __init__(self, spec: ModelSpec, device: torch.device) -> None:
        self._scale, self._shift = channel_scale(spec.mean, spec.std, device)

    def _apply(self, values: Tensor) -> Tensor:
        """In place, on contiguous float32 (B, H, ..., C); over whole rows, as a dimension of length C would be slow."""
        rows = values.flatten(2)
        repeats = rows.shape[2] // len(self._scale)
        rows.mul_(self._scale.repeat(repeats)).add_(self._shift.repeat(repeats))
        return values

    def channels_side_by_side(self, images: Tensor) -> Tensor:
        """(K, B, H, W, C) to (B, K * C, H, W), channels last in memory."""
        k, n, height, width, channels = images.shape
        values = torch.empty((n, height, width, k, channels), device=images.device)
        values.copy_(images.permute(1, 2, 3, 0, 4))
        return self._apply(values).view(n, height, width, k * channels).permute(0, 3, 1, 2)

    def members_first(self, images: Tensor) -> Tensor:
        """(K, B, H, W, C) to (K, B, C, H, W)."""
        values = images.to(torch.float32, memory_format=torch.contiguous_format)
        return self._apply(values.flatten(0, 1)).view(images.shape).permute(0, 1, 4, 2, 3)


class GroupedEnsemble:
    """Members side by side in one K-fold module (:mod:`reference_models.grouped`)."""

    def __init__(self, spec: ModelSpec, template: nn.Module, state: StackedState, device: torch.device) -> None:
        self._k, self._template = n_members(state), template
        self._members_first = has_only_linear_layers(template)
        self._module = grouped_module(template, self._k).to(device)
        load_members(self._module, state)
        self._normaliser = _Normaliser(spec, device)

    def logits(self, images: Tensor) -> Tensor:
        """See :class:`Ensemble`."""
        if self._members_first:
            out: Tensor = self._module(self._normaliser.members_first(images))
            return out
        out = self._module(self._normaliser.channels_side_by_side(images))
        return out.view(len(out), self._k, -1).transpose(0, 1)

    def train(self, training: bool) -> None:
        """See :class:`Ensemble`."""
        self._module.train(training)

    def parameters(self) -> Iterator[Tensor]:
        """See :class:`Ensemble`."""
        return iter(self._module.parameters())

    def state(self) -> StackedState:
        """See :class:`Ensemble`."""
        return members_of(self._module, self._template, self._k)


class VmapEnsemble:
    """Members in stacked tensors, computed by ``torch.func.vmap``: for any architecture without in-batch randomness."""

    def __init__(self, spec: ModelSpec, template: nn.Module, state: StackedState, device: torch.device) -> None:
        self._k = n_members(state)
        self._module, self._names = copy.deepcopy(template).to(device), list(state)
        trained = {name for name, _ in template.named_parameters()}
        own = {name: tensor.detach().to(device, copy=True) for name, tensor in state.items()}
        self._buffers = {name: tensor for name, tensor in own.items() if name not in trained}
        self._parameters = {name: tensor.requires_grad_() for name, tensor in own.items() if name in trained}
        self._normaliser = _Normaliser(spec, device)

    def _one(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor) -> Tensor:
        out: Tensor = functional_call(self._module, (parameters, buffers), (images,))
        return out

    def logits(self, images: Tensor) -> Tensor:
        """See :class:`Ensemble`."""
        values = self._normaliser.members_first(images).expand(self._k, *[-1] * 4)
        out: Tensor = vmap(self._one)(self._parameters, self._buffers, values)
        return out

    def train(self, training: bool) -> None:
        """See :class:`Ensemble`."""
        self._module.train(training)

    def parameters(self) -> Iterator[Tensor]:
        """See :class:`Ensemble`."""
        return iter(self._parameters.values())

    def state(self) -> StackedState:
        """See :class:`Ensemble`."""
        own = {**self._parameters, **self._buffers}
        return {name: on_cpu(own[name]) for name in self._names}


class LoopEnsemble:
    """One ordinary module a member, one after the other: for what neither of the other two can compute."""

    def __init__(self, spec: ModelSpec, template: nn.Module, state: StackedState, device: torch.device) -> None:
        self._modules = [copy.deepcopy(template) for _ in range(n_members(state))]
        for member, module in enumerate(self._modules):
            module.load_state_dict(member_state(state, member))
            module.to(device)
        self._normaliser = _Normaliser(spec, device)

    def logits(self, images: Tensor) -> Tensor:
        """See :class:`Ensemble`."""
        values = self._normaliser.members_first(images).expand(len(self._modules), *[-1] * 4)
        return torch.stack([module(own) for module, own in zip(self._modules, values, strict=True)])

    def train(self, training: bool) -> None:
        """See :class:`Ensemble`."""
        for module in self._modules:
            module.train(training)

    def parameters(self) -> Iterator[Tensor]:
        """See :class:`Ensemble`."""
        return (parameter for module in self._modules for parameter in module.parameters())

    def state(self) -> StackedState:
        """See :class:`Ensemble`."""
        return stack_states([{name: on_cpu(t) for name, t in module.state_dict().items()} for module in self._modules])


ENSEMBLES: dict[Mechanism, Callable[[ModelSpec, nn.Module, StackedState, torch.device], Ensemble]] = {
    "grouped": GroupedEnsemble,
    "vmap": VmapEnsemble,
    "loop": LoopEnsemble,
}
