"""Choice of the mechanism that computes K members at once, by comparing its outputs with ordinary modules."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from reference_models.networks.architectures import build_model
from reference_models.networks.inputs import is_token, normalise
from reference_models.networks.recipe import ModelSpec, model_spec_from_json
from reference_models.networks.traits import draws_random_numbers, entered_layers, tied_weights
from reference_models.training.ensembles import ENSEMBLES, Ensemble, LoopEnsemble, Mechanism
from reference_models.training.states import StackedState, stack_states

PROBE_MEMBERS = 2
PROBE_EXAMPLES = 3
PROBE_TOLERANCE = 1e-3
DATA_DEPENDENT = ("data-dependent control flow", "vmap: It looks like you're calling .item()", "dynamic shape")
"""Parts of the messages with which ``torch.func.vmap`` refuses Python code that depends on the values of tensors."""


@dataclass(frozen=True)
class Choice:
    """How the members of a population are computed.

    Attributes:
        mechanism: the mechanism.
        reason: why members are trained one after another; empty if they are trained together.
    """

    mechanism: Mechanism
    reason: str = ""


def initial_state(spec: ModelSpec, seeds: Sequence[int]) -> StackedState:
    """Return the stacked initial states of the members with these seeds."""
    return stack_states([build_model(spec, seed).state_dict() for seed in seeds])


def make_ensemble(
    spec: ModelSpec, state: StackedState, device: torch.device | str, mechanism: Mechanism | None = None
) -> Ensemble:
    """Return an ensemble with ``state`` on ``device``; the default mechanism is that of :func:`choose_mechanism`."""
    template = build_model(spec, None)
    chosen = mechanism or choose_mechanism(spec)
    return ENSEMBLES[chosen](spec, template, state, torch.device(device))


def choose_mechanism(spec: ModelSpec) -> Mechanism:
    """Return the fastest mechanism whose outputs agree with ordinary modules; see :func:`choice`."""
    return choice(spec).mechanism


def choice(spec: ModelSpec) -> Choice:
    """Return the fastest mechanism whose outputs and buffers agree with ordinary modules, and why it is "loop" if it is.

    An architecture that draws random numbers uses "loop", since a member's draws must not depend on other members.
    """
    return _choose(json.dumps(asdict(spec), sort_keys=True))


@functools.lru_cache(maxsize=64)
def _choose(spec_json: str) -> Choice:
    spec = model_spec_from_json(json.loads(spec_json))
    template = build_model(spec, None)
    if (tied := tied_weights(template)) is not None:
        return Choice("loop", f"its weights {tied[0]!r} and {tied[1]!r} are one tensor")
    read = normalise(probe_inputs(spec, PROBE_EXAMPLES), spec.mean, spec.std, len(spec.input_shape))
    if draws_random_numbers(build_model(spec, None), read):
        return Choice("loop", "it draws random numbers, e.g. for dropout, which must not depend on other models")
    frozen = [name for name, parameter in template.named_parameters() if not parameter.requires_grad]
    if ":" in spec.architecture.name or frozen:
        # Asked first, since vmap alone refuses control flow that would be that of all members at once.
        why = _refusal(spec, "vmap")
        if frozen or any(sign in why for sign in DATA_DEPENDENT):
            return Choice("loop", why) if why else Choice("vmap")
    why = _refusal(spec, "grouped")
    if why:
        why = _refusal(spec, "vmap")
        return Choice("loop", why) if why else Choice("vmap")
    return Choice("grouped")


def _refusal(spec: ModelSpec, mechanism: Mechanism) -> str:
    """Return why ``mechanism`` cannot be used; empty if it runs this architecture and computes what the loop computes."""
    state, template, cpu = initial_state(spec, range(PROBE_MEMBERS)), build_model(spec, None), torch.device("cpu")
    inputs = probe_inputs(spec, PROBE_MEMBERS * PROBE_EXAMPLES).view(PROBE_MEMBERS, PROBE_EXAMPLES, *spec.input_shape)
    if spec.is_picture:
        inputs = inputs.movedim(-3, -1)
    with torch.no_grad(), entered_layers(template) as entered, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on operators that are computed member by member
        try:
            ensemble = ENSEMBLES[mechanism](spec, template, state, cpu)
            found, after = ensemble.logits(inputs), ensemble.state()
        except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
            where = f"in its layer {entered[-1]}: " if entered else ""
            return f"they cannot be computed together: {where}{str(error).strip().splitlines()[0]}"
    with torch.no_grad():
        loop = LoopEnsemble(spec, build_model(spec, None), state, cpu)
        alone = loop.logits(inputs)
        if not _close(found, alone):
            return "computed together, its models give other outputs than each by itself"
        differ = (name for name, one in loop.state().items() if not _close(after[name].float(), one.float()))
        if (name := next(differ, None)) is not None:
            return f"computed together, its models have another {name!r} after a step than each by itself"
    return ""


def probe_inputs(spec: ModelSpec, count: int) -> Tensor:
    """Return ``count`` random examples as stored, shape (count, ...), always the same."""
    generator, dtype = torch.Generator().manual_seed(0), getattr(torch, spec.dtype)
    shape = (count, *spec.input_shape)
    if is_token(dtype):
        return torch.randint(0, spec.vocabulary or 2, shape, generator=generator).to(dtype)
    if dtype == torch.uint8:
        return torch.randint(0, 256, shape, generator=generator, dtype=dtype)
    return torch.randn(shape, generator=generator).to(dtype)


def _close(one: Tensor, other: Tensor) -> bool:
    allowed = PROBE_TOLERANCE * max(1.0, other.abs().max().item() if other.numel() else 0.0)
    return one.shape == other.shape and bool(((one - other).abs() <= allowed).all())
