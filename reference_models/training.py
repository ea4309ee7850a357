"""Training: whole populations at once, and one model in a plain loop as the reference of what each step computes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from reference_models.architectures import build_model
from reference_models.augmentation import augment
from reference_models.ensembles import Mechanism
from reference_models.images import normalise
from reference_models.mechanism import choose_mechanism, initial_state, make_ensemble
from reference_models.recipe import ModelSpec, Recipe, derive_seed
from reference_models.sampling import Batch, member_batches, population_batches
from reference_models.schedules import learning_rate, steps_per_epoch
from reference_models.states import StackedState, State, on_cpu, stack_states

OnStep = Callable[[int, int], None]
"""Called after every step with the number of steps done and of all steps."""


def train_chunk(
    spec: ModelSpec,
    recipe: Recipe,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    seeds: Sequence[int],
    *,
    device: torch.device | str = "cpu",
    on_step: OnStep | None = None,
    mechanism: Mechanism | None = None,
) -> StackedState:
    """Train one model a seed on the same examples, all at once; member k depends on ``seeds[k]`` alone.

    Initialisation, data order and augmentation of a member come from its own seed. Every step equals that of
    :func:`train_one` up to rounding; rounding may depend on how many members there are, so that weights are reproduced
    bit by bit only with the same seeds in the same order on the same kind of device.

    Args:
        spec: the network.
        recipe: how it is trained; ``recipe.chunk`` is the caller's affair.
        images: shape (n, C, H, W), uint8.
        labels: shape (n,), int64, in 0..n_classes - 1.
        seeds: one a member.
        device: where to train; the examples are kept there.
        on_step: called after every step, with the number of steps done and the number in all.
        mechanism: how members are computed together; by default the fastest that suits the architecture.

    Returns:
        The trained members as CPU tensors, in the order of ``seeds``.

    Raises:
        ValueError: no seeds, shapes that do not fit, an unknown architecture, or fewer examples than one step takes.
    """
    _check(spec, images, labels, seeds)
    mechanism = mechanism or choose_mechanism(spec)
    if mechanism == "loop":
        return _train_in_turn(spec, recipe, images, labels, seeds, torch.device(device), on_step)
    data = _Examples(images, labels, torch.device(device))
    total_steps = recipe.epochs * steps_per_epoch(recipe, len(labels))
    with reproducible():
        ensemble = make_ensemble(spec, initial_state(spec, seeds), device, mechanism)
        optimizer = make_optimizer(recipe, ensemble.parameters())
        for step, batch in enumerate(population_batches(recipe, len(labels), seeds)):
            pictures, targets = data.batch(recipe, batch)
            take_step(ensemble.logits, optimizer, pictures, targets, recipe, learning_rate(recipe, step, total_steps))
            if on_step is not None:
                on_step(step + 1, total_steps)
    return ensemble.state()


def train_one(
    spec: ModelSpec,
    recipe: Recipe,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    seed: int,
    device: torch.device | str = "cpu",
    on_step: OnStep | None = None,
) -> State:
    """Train one model with an ordinary module and optimizer; arguments and errors as in :func:`train_chunk`.

    Random layers draw from the global generators, which are seeded from ``seed`` for the time of the training.
    """
    _check(spec, images, labels, [seed])
    data = _Examples(images, labels, torch.device(device))
    total_steps = recipe.epochs * steps_per_epoch(recipe, len(labels))
    model = build_model(spec, seed).to(device)
    optimizer = make_optimizer(recipe, model.parameters())
    with reproducible(), torch.random.fork_rng():
        torch.manual_seed(derive_seed("member", "layers", seed))
        for step, batch in enumerate(member_batches(recipe, len(labels), seed)):
            pictures, targets = data.batch(recipe, batch)
            inputs = normalise(pictures.permute(0, 3, 1, 2), spec.mean, spec.std)
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets, label_smoothing=recipe.label_smoothing).backward()  # type: ignore[no-untyped-call]
            set_learning_rate(optimizer, learning_rate(recipe, step, total_steps))
            optimizer.step()
            if on_step is not None:
                on_step(step + 1, total_steps)
    return {name: on_cpu(tensor) for name, tensor in model.state_dict().items()}


def take_step(
    logits_of: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    lr: float,
) -> None:
    """One step of K members at learning rate ``lr``.

    Args:
        logits_of: maps ``images`` to logits of shape (K, B, n_classes).
        optimizer: of all members' parameters.
        images: as ``logits_of`` takes them.
        labels: shape (K, B), int64.
        recipe: for its loss.
        lr: learning rate.
    """
    set_learning_rate(optimizer, lr)
    optimizer.zero_grad()
    summed_loss(logits_of(images), labels, recipe).backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def summed_loss(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Sum over members of each one's mean cross-entropy, so that every member's gradient is its own.

    Args:
        logits: shape (K, B, n_classes).
        labels: shape (K, B), int64.
        recipe: for its label smoothing.
    """
    loss = F.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), reduction="sum", label_smoothing=recipe.label_smoothing
    )
    return loss / labels.shape[1]


def make_optimizer(recipe: Recipe, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """The recipe's optimizer; its update is elementwise, so that stacked members do not touch each other."""
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        parameters,
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = lr


@contextlib.contextmanager
def reproducible() -> Iterator[None]:
    """On a GPU: the same convolution algorithms on every run, in float32 and not TF32."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


class _Examples:
    """The training set, resident on a device."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], device: torch.device) -> None:
        self._images = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 2, 3, 1))).to(device)
        self._labels = torch.from_numpy(np.ascontiguousarray(labels)).to(device)

    def batch(self, recipe: Recipe, batch: Batch) -> tuple[Tensor, Tensor]:
        """Augmented uint8 images (..., B, H, W, C) and labels (..., B)."""
        drawn = batch.to(self._images.device)
        return augment(self._images[drawn.index], recipe.augment, drawn.draws), self._labels[drawn.index]


def _check(spec: ModelSpec, images: NDArray[np.uint8], labels: NDArray[np.int64], seeds: Sequence[int]) -> None:
    shape = (len(labels), spec.in_channels, *spec.image_size)
    if images.shape != shape or images.dtype != np.uint8:
        raise ValueError(f"images must be uint8 of shape {shape}, not {images.dtype} of shape {images.shape}")
    if len(seeds) == 0:
        raise ValueError("there are no seeds: name one for each model")


def _train_in_turn(
    spec: ModelSpec,
    recipe: Recipe,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    seeds: Sequence[int],
    device: torch.device,
    on_step: OnStep | None,
) -> StackedState:
    states = []
    for member, seed in enumerate(seeds):

        def report(done: int, total: int, before: int = member) -> None:
            if on_step is not None:
                on_step(before * total + done, len(seeds) * total)

        states.append(train_one(spec, recipe, images, labels, seed, device, report))
    return stack_states(states)
