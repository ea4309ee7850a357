"""A dry run of a network: build it and train one step on random inputs, to find its errors before training.

Host and guest both call it, since a network that works with one torch version may fail with another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from reference_models.networks.architectures import build_model
from reference_models.networks.inputs import normalise
from reference_models.networks.recipe import ModelSpec
from reference_models.networks.traits import entered_layers
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
        NetworkError: it cannot be built, has unsupported tensors, or does not map (n, C, H, W) to finite logits and gradients.
    """
    with torch.random.fork_rng():
        # Each of several files of initial weights is one way to build it.
        models = [_built(spec, seed) for seed in range(max(1, len(spec.architecture.init)))]
        _check_state(models[0])
        _check_left_out(models[0], spec)
        for model in models:
            model.to(device)
            for size in batch_sizes:
                _pass(model, spec, size, device)
            _evaluate(model, spec, device)


def _built(spec: ModelSpec, seed: int) -> nn.Module:
    name = spec.architecture.name
    try:
        model = build_model(spec, seed)
    except (Exception, SystemExit) as error:
        raise NetworkError(f"{name} cannot be built: {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise NetworkError(f"{name} returns a {type(model).__name__}; a factory must return a torch.nn.Module")
    return model


def _check_state(model: nn.Module) -> None:
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            raise NetworkError(f"{name!r} in its state is a {type(value).__name__}; only tensors are exchanged")
        if is_lazy(value):
            raise NetworkError(
                f"{name!r} has no shape yet, since its layer is lazy: give the layer its sizes, or call the network once in the "
                "factory"
            )
        if value.dtype not in EXCHANGED:
            known = ", ".join(str(dtype).removeprefix("torch.") for dtype in EXCHANGED)
            raise NetworkError(
                f"{name!r} has dtype {value.dtype}; {known} are exchanged: convert it, e.g. with model.float()"
            )
        if value.layout is not torch.strided or value.is_meta:
            kind = "on the device meta" if value.is_meta else f"of layout {value.layout}"
            raise NetworkError(f"{name!r} is {kind}; only dense tensors with values are exchanged")


def _check_left_out(model: nn.Module, spec: ModelSpec) -> None:
    """Refuse buffers outside the state that another initialisation has otherwise: a loaded model would be another function."""
    state = set(model.state_dict())
    other = dict(_built(spec, 1).named_buffers())
    for name, own in model.named_buffers():
        if name not in state and (name not in other or not torch.equal(own, other[name])):
            raise NetworkError(
                f"the buffer {name!r} is not in its state (persistent=False) and differs between initialisations: models could "
                "not be restored from their state. Make it persistent"
            )


def _inputs(spec: ModelSpec, size: int, device: str) -> Tensor:
    return normalise(probe_inputs(spec, size).to(device), spec.mean, spec.std, len(spec.input_shape))


def _pass(model: nn.Module, spec: ModelSpec, size: int, device: str) -> None:
    what = f"a batch of {size} {'example' if size == 1 else 'examples'}"
    labels = torch.zeros(size, dtype=torch.int64, device=device)
    model.train()
    logits = _checked_logits(model, spec, _inputs(spec, size, device), what)
    try:
        F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
    except (Exception, SystemExit) as error:
        frozen = "" if any(one.requires_grad for one in model.parameters()) else "; all its parameters are frozen"
        raise NetworkError(f"the backward pass of {what} fails: {type(error).__name__}: {error}{frozen}") from error
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            raise NetworkError(f"the gradient of {name!r} is not finite for {what}")
    model.zero_grad()


def _evaluate(model: nn.Module, spec: ModelSpec, device: str) -> None:
    """Refuse a network that has no logits in evaluation mode, or changes its state there."""
    model.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    what = "a batch of 2 examples in evaluation mode"
    with torch.no_grad():
        _checked_logits(model, spec, _inputs(spec, 2, device), what)
    for name, value in model.state_dict().items():
        if not torch.equal(value, before[name]):
            raise NetworkError(f"{name!r} changes in {what}; only training may change a network's state")


def _checked_logits(model: nn.Module, spec: ModelSpec, inputs: Tensor, what: str) -> Tensor:
    with entered_layers(model) as entered, _non_finite(model) as at_fault:
        try:
            logits = model(inputs)
        except (Exception, SystemExit) as error:
            where = f" in its layer {entered[-1]}" if entered else ""
            raise NetworkError(f"{what} fails{where}: {type(error).__name__}: {error}") from error
    shape = (len(inputs), spec.n_classes)
    if not isinstance(logits, Tensor):
        raise NetworkError(f"it returns a {type(logits).__name__} for {what}; it must return logits of shape {shape}")
    if tuple(logits.shape) != shape:
        raise NetworkError(f"it returns shape {tuple(logits.shape)} for {what}; it must return logits of shape {shape}")
    if logits.dtype != torch.float32:
        raise NetworkError(f"it returns logits of dtype {logits.dtype}; they must be torch.float32")
    if not logits.isfinite().all():
        where = f"; the first layer to return them is {at_fault[0]}" if at_fault else ""
        raise NetworkError(f"it returns NaN or infinite logits for {what}{where}")
    return logits


@contextmanager
def _non_finite(model: nn.Module) -> Iterator[list[str]]:
    """Return the layers that return NaN or infinity, first the first, as "name (class)"."""
    found: list[str] = []

    def look(label: str) -> Callable[[nn.Module, object, object], None]:
        def check(_layer: nn.Module, _given: object, output: object) -> None:
            if isinstance(output, Tensor) and output.is_floating_point() and not output.isfinite().all():
                found.append(label)

        return check

    layers = [(f"{name!r} ({type(layer).__name__})", layer) for name, layer in model.named_modules() if name]
    hooks = [layer.register_forward_hook(look(label)) for label, layer in layers]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
