"""Choice of the mechanism that computes K members at once, by comparing its outputs with ordinary modules."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict

import torch
from torch import Tensor, nn

from reference_models.networks.architectures import build_model
from reference_models.networks.inputs import is_token
from reference_models.networks.recipe import ModelSpec, model_spec_from_json
from reference_models.training.ensembles import ENSEMBLES, Ensemble, LoopEnsemble, Mechanism
from reference_models.training.states import StackedState, stack_states

PROBE_MEMBERS = 2
PROBE_EXAMPLES = 3
PROBE_TOLERANCE = 1e-3
RANDOM_LAYERS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    nn.RReLU,
)


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
    """Return the fastest mechanism whose outputs agree with ordinary modules.

    An architecture with random layers uses "loop", since a member's draws must not depend on other members.
    """
    return _choose(json.dumps(asdict(spec), sort_keys=True))


@functools.lru_cache(maxsize=64)
def _choose(spec_json: str) -> Mechanism:
    spec = model_spec_from_json(json.loads(spec_json))
    if any(isinstance(layer, RANDOM_LAYERS) for layer in build_model(spec, None).modules()):
        return "loop"
    candidates: tuple[Mechanism, ...] = ("grouped", "vmap")
    return next((mechanism for mechanism in candidates if _agrees(spec, mechanism)), "loop")


def _agrees(spec: ModelSpec, mechanism: Mechanism) -> bool:
    """Return True if ``mechanism`` runs this architecture and computes what the loop computes."""
    state, template, cpu = initial_state(spec, range(PROBE_MEMBERS)), build_model(spec, None), torch.device("cpu")
    inputs = probe_inputs(spec, PROBE_MEMBERS * PROBE_EXAMPLES).view(PROBE_MEMBERS, PROBE_EXAMPLES, *spec.input_shape)
    if spec.is_picture:
        inputs = inputs.movedim(-3, -1)
    with torch.no_grad():
        try:
            found = ENSEMBLES[mechanism](spec, template, state, cpu).logits(inputs)
        except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError):
            return False
        return _close(found, LoopEnsemble(spec, template, state, cpu).logits(inputs))


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
    allowed = PROBE_TOLERANCE * max(1.0, other.abs().max().item())
    return one.shape == other.shape and bool((one - other).abs().max() <= allowed)
