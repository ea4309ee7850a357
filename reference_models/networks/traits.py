"""Properties of a network that decide how it can be trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn


@contextmanager
def entered_layers(model: nn.Module) -> Iterator[list[str]]:
    """Return the layers whose forward pass has begun and not ended, innermost last, as "name (class)"."""
    entered: list[str] = []
    hooks = []
    for name, layer in model.named_modules():
        if name:
            label = f"{name!r} ({type(layer).__name__})"
            hooks.append(layer.register_forward_pre_hook(lambda *_, label=label: entered.append(label)))
            hooks.append(layer.register_forward_hook(lambda *_: _left(entered)))
    try:
        yield entered
    finally:
        for hook in hooks:
            hook.remove()


def _left(entered: list[str]) -> None:
    entered.pop()


def tied_weights(model: nn.Module) -> tuple[str, str] | None:
    """Return two names of one parameter; None if every parameter has one name."""
    first: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        other = first.setdefault(id(parameter), name)
        if other != name:
            return other, name
    return None


def draws_random_numbers(model: nn.Module, inputs: Tensor) -> bool:
    """Return True if a training-mode forward pass moves torch's random state on the CPU; a failing pass counts as far as it came.

    Running statistics of ``model`` move, too.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = torch.get_rng_state()
        with suppress(Exception):  # the trial step reports it
            model.train()(inputs)
        return not torch.equal(before, torch.get_rng_state())
