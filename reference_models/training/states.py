"""Stacked states: the weights of many models of the same architecture in one set of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

State: TypeAlias = dict[str, Tensor]
"""One model's ``state_dict``."""

StackedState: TypeAlias = dict[str, Tensor]
"""The states of K models: the names of one ``state_dict``, each tensor with a first dimension of length K."""

Manifest: TypeAlias = dict[str, tuple[torch.dtype, tuple[int, ...]]]
"""Dtype and shape of each tensor of one model's state."""


def stack_states(states: Sequence[Mapping[str, Tensor]]) -> StackedState:
    """Stack the states of single models; raise ValueError if there are none, or if names, dtypes or shapes differ."""
    if not states:
        raise ValueError("there are no states to stack")
    first = manifest(states[0])
    for state in states[1:]:
        if manifest(state) != first:
            raise ValueError("the states are not of the same architecture: names, dtypes or shapes differ")
    return {name: torch.stack([state[name] for state in states]) for name in first}


def concatenate_states(states: Sequence[Mapping[str, Tensor]]) -> StackedState:
    """Concatenate stacked states along the member dimension."""
    if not states:
        raise ValueError("there are no states to concatenate")
    return {name: torch.cat([state[name] for state in states]) for name in states[0]}


def member_state(state: Mapping[str, Tensor], member: int) -> State:
    """Return a copy of one member's state."""
    return {name: tensor[member].clone() for name, tensor in state.items()}


def take_members(state: Mapping[str, Tensor], members: slice) -> StackedState:
    """Return views of some members of a stacked state."""
    return {name: tensor[members] for name, tensor in state.items()}


def on_cpu(tensor: Tensor) -> Tensor:
    """Return a detached, contiguous copy on the CPU; channels-last tensors cannot be written to safetensors."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def n_members(state: Mapping[str, Tensor]) -> int:
    """Return the number of models in a stacked state; raise ValueError if it is 0 or its tensors disagree."""
    counts = {len(tensor) if tensor.dim() else 0 for tensor in state.values()}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(
            "this is not a stacked state: its tensors do not share a first dimension of at least one model"
        )
    return counts.pop()


def manifest(state: Mapping[str, Tensor]) -> Manifest:
    """Return the dtype and shape of each tensor of a single model's state, in its order."""
    return {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in state.items()}
