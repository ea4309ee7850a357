"""A dry run of a network: build it and train one step on random inputs, to find its errors before training.

Host and guest both call it, since a network that works with one torch version may fail with another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from reference_models.networks.architectures import build_model, find_architecture, made
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
SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "the default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "the number of threads": (torch.get_num_threads, torch.set_num_threads),
    "deterministic algorithms": (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    "whether gradients are recorded": (torch.is_grad_enabled, torch.set_grad_enabled),
}
"""Settings of torch that hold for the whole process: name -> (getter, setter)."""
TOLERANCE = 1e-3
"""Largest difference, relative to the largest logit, that rounding explains."""


class NetworkError(Exception):
    """A network that cannot be trained or exchanged; the message says where and what to do."""


def try_network(spec: ModelSpec, batch_sizes: Iterable[int], device: str = "cpu") -> None:
    """Build a network and run one forward and one backward pass per batch size; the random state is restored.

    Args:
        spec: of the network.
        batch_sizes: numbers of examples.
        device: "cpu" or "cuda".

    Raises:
        NetworkError: it cannot be built, has unsupported tensors, does not map (n, C, H, W) to finite logits and gradients, or
            is not determined by its seed at first and by its state later.
    """
    with torch.random.fork_rng():
        # Each of several files of initial weights is one way to build it.
        models = [_built(spec, seed) for seed in range(max(1, len(spec.architecture.init)))]
        _check_state(models[0])
        _check_left_out(models[0], spec)
        _check_seeds(models[0], spec)
        for model in models:
            model.to(device)
            for size in batch_sizes:
                _pass(model, spec, size, device)
            _evaluate(model, spec, device)
            _check_restored(model, spec, device)


def _built(spec: ModelSpec, seed: int | None) -> nn.Module:
    name = spec.architecture.name
    with _same_settings("building it"):
        try:
            model = build_model(spec, seed)
        except (Exception, SystemExit) as error:
            raise NetworkError(f"{name} cannot be built: {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise NetworkError(f"{name} returns a {type(model).__name__}; a factory must return a torch.nn.Module")
    if any(isinstance(layer, torch.jit.ScriptModule) for layer in model.modules()):
        raise NetworkError(f"{name} returns a scripted network; return the Python module, without torch.jit")
    # By its name: importing torch's compiler takes seconds.
    if any(type(layer).__name__ == "OptimizedModule" for layer in model.modules()):
        raise NetworkError(f"{name} returns a compiled network; return the module itself, without torch.compile")
    return model


@contextmanager
def _same_settings(what: str) -> Iterator[None]:
    """Restore the settings of the process; raise NetworkError if the block changed one."""
    before = {name: get() for name, (get, _) in SETTINGS.items()}
    changed = []
    try:
        yield
    finally:
        for name, (get, put) in SETTINGS.items():
            if get() != before[name]:
                put(before[name])
                changed.append(name)
    if changed:
        raise NetworkError(
            f"{what} changes {' and '.join(changed)} of torch in the whole process; leave these as they are"
        )


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


def _check_seeds(model: nn.Module, spec: ModelSpec) -> None:
    """Refuse a factory whose networks share modules, or have other initial weights than those of the seed (of ``model``: 0)."""
    again = _built(spec, 0)
    if {id(part) for part in model.modules()} & {id(part) for part in again.modules()}:
        raise NetworkError("its factory returns parts of an earlier network again; it must make a new one in each call")
    first, second = model.state_dict(), again.state_dict()
    name = next((name for name in first if not _same(first[name], second.get(name))), None)
    if name is not None:
        raise NetworkError(
            f"{name!r} differs between two networks of one seed: draw initial weights from torch's global generator, which "
            "the harness seeds, and not from NumPy, random, or a generator of its own"
        )
    factory, ends = find_architecture(spec.architecture.name), []
    for seed in (0, 1):
        torch.default_generator.manual_seed(seed)
        made(factory, spec.arguments(), spec.architecture.options)
        ends.append(torch.get_rng_state())
    if torch.equal(*ends):
        raise NetworkError(
            "its factory seeds torch's generator, so that all models would begin with the same weights; remove "
            "torch.manual_seed, since the harness seeds each model"
        )


def _same(one: Tensor, other: Tensor | None) -> bool:
    return other is not None and one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())


def _check_restored(model: nn.Module, spec: ModelSpec, device: str) -> None:
    """Refuse a network that is another function once its state is loaded into a new one."""
    other = _built(spec, None).to(device)
    try:
        other.load_state_dict(model.state_dict())
    except Exception as error:
        raise NetworkError(f"its state cannot be loaded into a new network: {type(error).__name__}: {error}") from error
    inputs = _inputs(spec, 2, device)
    with torch.no_grad():
        same = _close(other.eval()(inputs), model.eval()(inputs))
    if not same:
        held = [
            ".".join(filter(None, (path, name)))
            for path, layer in model.named_modules()
            for name, value in vars(layer).items()
            if isinstance(value, Tensor)
        ]
        hint = (
            f", e.g. its tensor {held[0]!r}, which is neither parameter nor buffer (use register_buffer)"
            if held
            else ""
        )
        raise NetworkError(
            "a new network with the same state returns other logits: it depends on values outside of parameters and buffers"
            + hint
        )


def _close(one: Tensor, other: Tensor) -> bool:
    return bool(((one - other).abs() <= TOLERANCE * max(1.0, other.abs().max().item())).all())


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
    inputs = _inputs(spec, 2, device)
    with torch.no_grad():
        logits = _checked_logits(model, spec, inputs, what)
    for name, value in model.state_dict().items():
        if not torch.equal(value, before[name]):
            raise NetworkError(f"{name!r} changes in {what}; only training may change a network's state")
    three = _inputs(spec, 3, device)
    with torch.no_grad():
        again = _checked_logits(model, spec, inputs, what)
        of_three = _checked_logits(model, spec, three, "a batch of 3 examples in evaluation mode")
        of_two = _checked_logits(model, spec, three[:2], what)
    if not _close(again, logits):
        raise NetworkError(
            f"it returns other logits when it reads {what} again; it must not draw random numbers or count calls"
        )
    if not _close(of_two, of_three[:2]):
        raise NetworkError(
            "in evaluation mode, the logits of an example depend on the others in its batch, as with batch normalisation "
            "without running statistics; they must depend on the example alone"
        )
    if logits.min() >= 0 and _close(logits.sum(1), torch.ones_like(logits[:, 0])):
        raise NetworkError("it returns probabilities; it must return logits, what a softmax would be applied to")


def _checked_logits(model: nn.Module, spec: ModelSpec, inputs: Tensor, what: str) -> Tensor:
    given = inputs.clone()
    with entered_layers(model) as entered, _non_finite(model) as at_fault, _same_settings(f"reading {what}"):
        try:
            logits = model(inputs)
        except (Exception, SystemExit) as error:
            where = f" in its layer {entered[-1]}" if entered else ""
            raise NetworkError(f"{what} fails{where}: {type(error).__name__}: {error}") from error
    if not torch.equal(inputs, given):
        raise NetworkError(
            f"it changes its inputs in place for {what}; use x = x * 2 in place of x.mul_(2), ReLU() without inplace"
        )
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
            if isinstance(output, Tensor) and output.is_floating_point() and not output.detach().isfinite().all():
                found.append(label)

        return check

    layers = [(f"{name!r} ({type(layer).__name__})", layer) for name, layer in model.named_modules() if name]
    hooks = [layer.register_forward_hook(look(label)) for label, layer in layers]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
