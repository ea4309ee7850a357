"""K independent models of the same architecture, computed together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from reference_models.networks.inputs import Normaliser, normalise
from reference_models.networks.recipe import ModelSpec
from reference_models.training.arithmetic import autocast
from reference_models.training.examples import Examples
from reference_models.training.grouped import (
    UnsupportedLayerError,
    grouped_module,
    is_members_first,
    load_members,
    members_of,
)
from reference_models.training.losses import summed_loss
from reference_models.training.sampling import Batch
from reference_models.training.states import StackedState, member_state, n_members, on_cpu, stack_states

Mechanism = Literal["grouped", "vmap", "loop"]
"""One module with K-fold layers; ``torch.func.vmap`` over stacked tensors; one module after another."""


class Ensemble(Protocol):
    """K models, with weights on one device."""

    def logits(self, inputs: Tensor) -> Tensor:
        """Return outputs (K, B, n_classes) in training mode, for stored inputs (K, B, ...); pictures (K, B, H, W, C)."""
        ...

    def gradients(self, examples: Examples, batch: Batch) -> None:
        """Write each member's gradient, for its row (K, B) of ``batch``, to ``.grad`` of all parameters."""
        ...

    def parameters(self) -> Iterator[Tensor]:
        """Return the leaf tensors for the optimizer."""
        ...

    def state(self) -> StackedState:
        """Return a copy of all weights on the CPU."""
        ...


class _Differentiated:
    """A base class that computes gradients by autograd."""

    def logits(self, inputs: Tensor) -> Tensor:
        """See :class:`Ensemble`."""
        raise NotImplementedError

    def parameters(self) -> Iterator[Tensor]:
        """See :class:`Ensemble`."""
        raise NotImplementedError

    def gradients(self, examples: Examples, batch: Batch) -> None:
        """See :class:`Ensemble`."""
        for parameter in self.parameters():
            parameter.grad = None
        with autocast(examples.recipe, examples.inputs.device):
            logits = self.logits(examples.drawn(batch))
        loss = summed_loss(logits, examples.targets(batch), examples.recipe)
        loss.backward()  # type: ignore[no-untyped-call]


class GroupedEnsemble(_Differentiated):
    """An ensemble in one K-fold module (:mod:`reference_models.training.grouped`)."""

    def __init__(self, spec: ModelSpec, template: nn.Module, state: StackedState, device: torch.device) -> None:
        self._k, self._template, self._spec = n_members(state), template, spec
        self._members_first = is_members_first(template)
        if not spec.is_picture and not (self._members_first and len(spec.input_shape) == 1):
            raise UnsupportedLayerError("only pictures and vectors have a K-fold form")
        self._module = grouped_module(template, self._k).to(device)
        load_members(self._module, state)
        self._normaliser = _picture_normaliser(spec, device)

    def logits(self, inputs: Tensor) -> Tensor:
        """See :class:`Ensemble`."""
        if not self._spec.is_picture:
            vectors: Tensor = self._module(normalise(inputs, self._spec.mean, self._spec.std, dims=1))
            return vectors
        if self._members_first:
            out: Tensor = self._module(self._normaliser.channels_last(inputs))
            return out
        out = self._module(self._normaliser.channels_side_by_side(inputs))
        return out.view(len(out), self._k, -1).transpose(0, 1)

    def parameters(self) -> Iterator[Tensor]:
        """See :class:`Ensemble`."""
        return iter(self._module.parameters())

    def state(self) -> StackedState:
        """See :class:`Ensemble`."""
        return members_of(self._module, self._template, self._k)


NARROW = 8
"""Minimum number of output channels of a convolution for images with channels last in memory.

oneDNN's AVX2 kernels, as of torch 2.13, write beyond their buffers in the backward pass of such convolutions: memory is
corrupted, and the process crashes or hangs some time later.
"""


def _picture_normaliser(spec: ModelSpec, device: torch.device) -> Normaliser:
    return Normaliser(spec.mean, spec.std, getattr(torch, spec.dtype), device)


def planes(inputs: Tensor, module: nn.Module, spec: ModelSpec) -> Tensor:
    """Return pictures (..., h, w, C) as (..., C, h, w); copy them only if ``module`` has narrow convolutions.

    Other inputs are returned as they are.
    """
    if not spec.is_picture:
        return inputs
    values = inputs.movedim(-1, -3)
    narrow = any(isinstance(part, nn.Conv2d) and part.out_channels < NARROW for part in module.modules())
    return values.contiguous() if narrow else values


def place(module: nn.Module, device: torch.device) -> None:
    """Move ``module`` to ``device``, on a GPU with weights in the memory layout of its pictures, channels last."""
    if device.type == "cuda":
        module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    else:
        module.to(device)


def read_inputs(inputs: Tensor, module: nn.Module, spec: ModelSpec) -> Tensor:
    """Return what ordinary modules read, for stored inputs (..., B, ...); pictures (..., B, H, W, C) become (..., B, C, H, W)."""
    if not spec.is_picture:
        return normalise(inputs, spec.mean, spec.std, dims=len(spec.input_shape))
    return planes(_picture_normaliser(spec, inputs.device).channels_last(inputs), module, spec)


class VmapEnsemble(_Differentiated):
    """An ensemble of stacked tensors, computed by ``torch.func.vmap``; for architectures without in-batch randomness."""

    def __init__(self, spec: ModelSpec, template: nn.Module, state: StackedState, device: torch.device) -> None:
        self._module, self._names = copy.deepcopy(template).to(device), list(state)
        trained = {name for name, parameter in template.named_parameters() if parameter.requires_grad}
        own = {name: tensor.detach().to(device, copy=True) for name, tensor in state.items()}
        self._buffers = {name: tensor for name, tensor in own.items() if name not in trained}
        self._parameters = {name: tensor.requires_grad_() for name, tensor in own.items() if name in trained}
        self._spec = spec

    def _one(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Tensor) -> Tensor:
        out: Tensor = functional_call(self._module, (parameters, buffers), (inputs,))
        return out

    def logits(self, inputs: Tensor) -> Tensor:
        """See :class:`Ensemble`."""
        values = read_inputs(inputs, self._module, self._spec)
        out: Tensor = vmap(self._one)(self._parameters, self._buffers, values)
        return out

    def parameters(self) -> Iterator[Tensor]:
        """See :class:`Ensemble`."""
        return iter(self._parameters.values())

    def state(self) -> StackedState:
        """See :class:`Ensemble`."""
        own = {**self._parameters, **self._buffers}
        return {name: on_cpu(own[name]) for name in self._names}


class LoopEnsemble(_Differentiated):
    """An ensemble with a module per member, computed one after another: the fallback for any architecture."""

    def __init__(self, spec: ModelSpec, template: nn.Module, state: StackedState, device: torch.device) -> None:
        self._modules = [copy.deepcopy(template) for _ in range(n_members(state))]
        for member, module in enumerate(self._modules):
            module.load_state_dict(member_state(state, member))
            place(module, device)
        self._spec = spec

    def logits(self, inputs: Tensor) -> Tensor:
        """See :class:`Ensemble`."""
        values = read_inputs(inputs, self._modules[0], self._spec)
        return torch.stack([module(own) for module, own in zip(self._modules, values, strict=True)])

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
