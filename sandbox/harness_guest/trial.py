"""A dry run of a network: build it and train one step on random inputs, to find its errors before training.

Host and guest both call it, since a network that works with one torch version may fail with another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_models.networks.architectures import build_model
from reference_models.networks.inputs import normalise
from reference_models.networks.recipe import ModelSpec
from reference_models.training.mechanism import probe_inputs

EXCHANGED = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
)
"""Dtypes of tensors exchanged with the sandbox."""


class NetworkError(Exception):
    """A network that cannot be trained or exchanged; the message says where and what to do."""


def try_network(spec: ModelSpec, batch_sizes: Iterable[int], device: str = "cpu") -> None:
    """Build a network and run one forward and one backward pass per batch size; the random state is restored.

    Args:
        spec: of the network.
        batch_sizes: numbers of examples.
        device: "cpu" or "cuda".

    Raises:
        NetworkError: it cannot be built, has unsupported tensors, or does not map (n, C, H, W) to finite logits.
    """
    with torch.random.fork_rng():
        model = _built(spec)
        _check_state(model)
        model.to(device)
        for size in batch_sizes:
            _pass(model, spec, size, device)


def _built(spec: ModelSpec) -> nn.Module:
    name = spec.architecture.name
    try:
        model = build_model(spec, 0)
    except (Exception, SystemExit) as error:
        raise NetworkError(f"{name} cannot be built: {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise NetworkError(f"{name} returns a {type(model).__name__}; a factory must return a torch.nn.Module")
    return model


def _check_state(model: nn.Module) -> None:
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            raise NetworkError(f"{name!r} in its state is a {type(value).__name__}; only tensors are exchanged")
        if value.dtype not in EXCHANGED:
            known = ", ".join(str(dtype).removeprefix("torch.") for dtype in EXCHANGED)
            raise NetworkError(
                f"{name!r} has dtype {value.dtype}; {known} are exchanged: convert it, e.g. with model.float()"
            )


def _pass(model: nn.Module, spec: ModelSpec, size: int, device: str) -> None:
    what = f"a batch of {size} {'example' if size == 1 else 'examples'}"
    stored = probe_inputs(spec, size).to(device)
    inputs = normalise(stored, spec.mean, spec.std, len(spec.input_shape))
    labels = torch.zeros(size, dtype=torch.int64, device=device)
    model.train()
    with _layers(model) as entered:
        try:
            logits = model(inputs)
        except (Exception, SystemExit) as error:
            where = f" in its layer {entered[-1]}" if entered else ""
            raise NetworkError(f"{what} fails{where}: {type(error).__name__}: {error}") from error
    _check_logits(logits, (size, spec.n_classes), what)
    try:
        F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
    except (Exception, SystemExit) as error:
        raise NetworkError(f"the backward pass of {what} fails: {type(error).__name__}: {error}") from error
    model.zero_grad()


def _check_logits(logits: object, shape: tuple[int, int], what: str) -> None:
    if not isinstance(logits, Tensor):
        raise NetworkError(f"it returns a {type(logits).__name__} for {what}; it must return logits of shape {shape}")
    if tuple(logits.shape) != shape:
        raise NetworkError(f"it returns shape {tuple(logits.shape)} for {what}; it must return logits of shape {shape}")
    if logits.dtype != torch.float32:
        raise NetworkError(f"it returns logits of dtype {logits.dtype}; they must be torch.float32")


@contextmanager
def _layers(model: nn.Module) -> Iterator[list[str]]:
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
