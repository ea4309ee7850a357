"""Training of populations in batches, and of a single model in a plain loop, which defines what each step computes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from reference_models.networks.architectures import build_model
from reference_models.networks.inputs import normalise
from reference_models.networks.recipe import ModelSpec, Recipe, derive_seed
from reference_models.training.arithmetic import autocast, reproducible
from reference_models.training.ensembles import Ensemble, Mechanism, place, planes
from reference_models.training.examples import Examples
from reference_models.training.mechanism import choose_mechanism, initial_state, make_ensemble
from reference_models.training.sampling import Batch, member_batches, population_batches
from reference_models.training.schedules import learning_rate, steps_per_epoch
from reference_models.training.states import StackedState, State, member_state, on_cpu, stack_states


class Recorder(Protocol):
    """A recorder of what each step did to the states; see :class:`reference_models.records.journal.Recorder`."""

    def only(self, member: int) -> Recorder:
        """Return a recorder of one member."""
        ...

    def before(self, step: int, state: Callable[[], StackedState]) -> None:
        """Record the state before a step."""
        ...

    def after(self, step: int, state: Callable[[], StackedState]) -> None:
        """Record the state after a step."""
        ...


OnStep = Callable[[int, int], None]
"""Callback after every step: number of steps done, total number of steps."""


def train_chunk(
    spec: ModelSpec,
    recipe: Recipe,
    inputs: NDArray[Any],
    labels: NDArray[np.int64],
    seeds: Sequence[int],
    *,
    device: torch.device | str = "cpu",
    on_step: OnStep | None = None,
    mechanism: Mechanism | None = None,
    recorder: Recorder | None = None,
    initial: StackedState | None = None,
) -> StackedState:
    """Train one model per seed on the same examples, all at once; member k depends on ``seeds[k]`` alone.

    Initialisation, data order and augmentation of a member come from its own seed. Every step equals that of
    :func:`train_one` up to rounding. Rounding may depend on the number of members: weights are bit-identical only for
    the same seeds in the same order on the same kind of device.

    Args:
        spec: the network.
        recipe: training recipe; ``recipe.chunk`` is ignored.
        inputs: shape (n, ...), as ``spec`` describes them.
        labels: shape (n,), int64, in 0..n_classes - 1.
        seeds: seed of each member.
        device: training device, which also holds the examples.
        on_step: see :data:`OnStep`.
        mechanism: how members are computed together; default: :func:`choose_mechanism`.
        recorder: writes the members' journals; it does not affect the weights.
        initial: initial weights of the members; default: drawn from their seeds.

    Returns:
        The trained members as CPU tensors, in the order of ``seeds``.

    Raises:
        ValueError: if there are no seeds, shapes do not match, the architecture is unknown, or one step needs more examples.
    """
    _check(spec, inputs, labels, seeds)
    mechanism = mechanism or choose_mechanism(spec)
    if mechanism == "loop":
        return _train_in_turn(spec, recipe, inputs, labels, seeds, torch.device(device), on_step, recorder, initial)
    examples = Examples(inputs, labels, recipe, torch.device(device), spec)
    total_steps = recipe.epochs * steps_per_epoch(recipe, len(labels))
    with reproducible():
        ensemble = make_ensemble(spec, initial or initial_state(spec, seeds), device, mechanism)
        optimizer = make_optimizer(
            recipe, ensemble.parameters(), fused=True if torch.device(device).type == "cpu" else None
        )
        for step, batch in enumerate(population_batches(recipe, len(labels), seeds, device)):
            with recorded(recorder, step, ensemble.state):
                take_step(ensemble, optimizer, examples, batch, learning_rate(recipe, step, total_steps))
            if on_step is not None:
                on_step(step + 1, total_steps)
    return ensemble.state()


def train_one(
    spec: ModelSpec,
    recipe: Recipe,
    inputs: NDArray[Any],
    labels: NDArray[np.int64],
    seed: int,
    device: torch.device | str = "cpu",
    on_step: OnStep | None = None,
    recorder: Recorder | None = None,
    initial: State | None = None,
) -> State:
    """Train one model with an ordinary module and optimizer; arguments and errors as in :func:`train_chunk`.

    Random layers draw from the global generators, which are seeded from ``seed`` and restored after training.
    """
    _check(spec, inputs, labels, [seed])
    examples = Examples(inputs, labels, recipe, torch.device(device), spec)
    total_steps = recipe.epochs * steps_per_epoch(recipe, len(labels))
    model = build_model(spec, seed)
    if initial is not None:
        model.load_state_dict(initial)
    place(model, torch.device(device))
    optimizer = make_optimizer(recipe, model.parameters())
    with reproducible(), torch.random.fork_rng():
        torch.manual_seed(derive_seed("member", "layers", seed))
        for step, batch in enumerate(member_batches(recipe, len(labels), seed, device)):
            read = normalise(planes(examples.drawn(batch), model, spec), spec.mean, spec.std, len(spec.input_shape))
            targets = examples.targets(batch)
            optimizer.zero_grad()
            set_learning_rate(optimizer, learning_rate(recipe, step, total_steps))
            with recorded(recorder, step, lambda: _alone(model)):
                with autocast(recipe, read.device):
                    logits = model(read)
                F.cross_entropy(logits.float(), targets, label_smoothing=recipe.label_smoothing).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            if on_step is not None:
                on_step(step + 1, total_steps)
    return {name: on_cpu(tensor) for name, tensor in model.state_dict().items()}


def take_step(
    ensemble: Ensemble, optimizer: torch.optim.Optimizer, examples: Examples, batch: Batch, lr: float
) -> None:
    """Take one step of K members, each on its row (K, B) of ``batch``, at learning rate ``lr``."""
    set_learning_rate(optimizer, lr)
    ensemble.gradients(examples, batch)
    optimizer.step()


def make_optimizer(recipe: Recipe, parameters: Iterable[Tensor], *, fused: bool | None = None) -> torch.optim.Optimizer:
    """Return the recipe's optimizer; its update is elementwise, so that stacked members stay independent.

    Args:
        recipe: recipe with the optimizer, weight decay and momentum.
        parameters: tensors to update.
        fused: use torch's fused implementation; default: torch's choice.
    """
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=fused)
    return torch.optim.SGD(
        parameters,
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=fused,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = lr


@contextlib.contextmanager
def recorded(recorder: Recorder | None, step: int, state: Callable[[], StackedState]) -> Iterator[None]:
    """Pass the states before and after the block to ``recorder``, if there is a recorder.

    Args:
        recorder: recorder of the members.
        step: number of the step in the block, from 0.
        state: returns a copy of the members' state on the CPU.
    """
    if recorder is not None:
        recorder.before(step, state)
    yield
    if recorder is not None:
        recorder.after(step, state)


def _check(spec: ModelSpec, inputs: NDArray[Any], labels: NDArray[np.int64], seeds: Sequence[int]) -> None:
    shape = (len(labels), *spec.input_shape)
    if inputs.shape != shape or inputs.dtype != spec.dtype:
        raise ValueError(f"inputs must be {spec.dtype} of shape {shape}, not {inputs.dtype} of shape {inputs.shape}")
    if len(seeds) == 0:
        raise ValueError("there are no seeds; pass one seed per model")


def _alone(model: nn.Module) -> StackedState:
    return stack_states([{name: on_cpu(tensor) for name, tensor in model.state_dict().items()}])


def _train_in_turn(
    spec: ModelSpec,
    recipe: Recipe,
    inputs: NDArray[Any],
    labels: NDArray[np.int64],
    seeds: Sequence[int],
    device: torch.device,
    on_step: OnStep | None,
    recorder: Recorder | None,
    initial: StackedState | None,
) -> StackedState:
    states = []
    for member, seed in enumerate(seeds):

        def report(done: int, total: int, before: int = member) -> None:
            if on_step is not None:
                on_step(before * total + done, len(seeds) * total)

        own = None if recorder is None else recorder.only(member)
        begun = None if initial is None else member_state(initial, member)
        states.append(train_one(spec, recipe, inputs, labels, seed, device, report, own, begun))
    return stack_states(states)
