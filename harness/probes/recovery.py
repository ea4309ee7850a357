"""The probe ``recovery``: what models answer after little training on the retain set, rounding, or noise.

A method that only suppresses what a model answers leaves the memory in its weights, and a small change of them brings it back.
Sources: arXiv 2505.22310 for training on, 2605.02196 for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import phi, probed
from harness.probes.probe import Arrays, Probe, ProbeInputs
from harness.tasks.task import Task
from reference_models.networks.recipe import ModelSpec, Recipe, derive_seed

if TYPE_CHECKING:
    from torch import Tensor

    from reference_models.training.states import StackedState

SHOTS = (0, 1, 5, 10)
"""Numbers of forgotten examples that are trained on beside the retain set."""
BITS = (8, 6, 4)
NOISE = (10, 20, 40)
"""Standard deviations of the noise, in per cent of the tensor's."""
CONDITIONS = len(SHOTS) + len(BITS) + len(NOISE)
EXAMPLES, LEAST_EXAMPLES = 512, 128
"""Most test examples, and fewest if there are as many; between, as many as are forgotten."""

BUDGET = 0.2
"""Cost of the probe of a model, as a share of its training."""
LEAST_EPOCHS, MOST_EPOCHS = 1.0, 6.0
"""Cost below and above which it does not fall or rise with the recipe's epochs: the forward passes, and whole passes."""
LEAST_PASSES = 0.1
"""Fewest passes over the retain set of each training, where the budget allows none."""
DISTANCE = 0.1
"""Learning rate, as a share of the recipe's peak, times passes: models that suppress nothing hardly change by that."""
LARGEST = 1e30
"""Largest logit; larger ones are cut to it."""
MOST_LR = 0.3
"""Largest learning rate, as a share of the recipe's peak."""


def passes(recipe: Recipe, sizes: Mapping[str, int]) -> float:
    """Return the passes over the retain set of each training: one, or fewer if that exceeds the budget.

    A forward pass counts as a third of a pass with gradients.
    """
    examples = recipe.epochs * (sizes["retain"] + sizes["forget"])
    answers = CONDITIONS * (sizes["forget"] + tested(sizes)) / 3
    left = (BUDGET * examples - answers) / (len(SHOTS) * sizes["retain"])
    return min(1.0, max(LEAST_PASSES, left))


def lr_share(of_retain: float) -> float:
    """Return the learning rate as a share of the recipe's peak, for so many passes."""
    return min(MOST_LR, DISTANCE / of_retain)


def tested(sizes: Mapping[str, int]) -> int:
    """Return the number of test examples."""
    return min(sizes["test"], EXAMPLES, max(LEAST_EXAMPLES, sizes["forget"]))


def few(forgotten: int) -> NDArray[np.int64]:
    """Return the positions of forgotten examples that may be trained on, in the order of their use; at most half of all."""
    return np.random.RandomState(1).permutation(forgotten)[: min(max(SHOTS), forgotten // 2)]


def compute(given: ProbeInputs, state: StackedState) -> Arrays:
    """Return what each changed model answers on the forget and test set, and which forgotten examples were trained on.

    Logits are not kept: of ten conditions, many classes and many models they would not fit into memory.

    Returns:
        of every condition ``retain``, ``retain_<k>``, ``bits_<b>``, ``noise_<per cent>``: ``<condition>/forget`` and
        ``<condition>/test``, logit-scaled confidences of shape (K, n), float32, and ``<condition>/hits``, whether a forgotten
        example is classified correctly, (K, n_forget), 0 or 1; and ``given``, shape (K, n_forget), 0 or 1.
    """
    from reference_models.training.prediction import stacked_logits

    forget, test = given.inputs["forget"], given.inputs["test"]
    used = probed(len(test), tested({split: len(labels) for split, labels in given.labels.items()}))
    chosen = np.zeros((len(given.seeds), len(forget)), dtype=np.uint8)
    chosen[:, few(len(forget))] = 1
    found: Arrays = {"given": chosen}
    for condition, changed in _changed(given, state):
        logits = stacked_logits(given.spec, changed, forget, device=given.device)
        found[f"{condition}/forget"], found[f"{condition}/hits"] = answered(logits, given.labels["forget"])
        logits = stacked_logits(given.spec, changed, test[used], device=given.device)
        found[f"{condition}/test"], _ = answered(logits, given.labels["test"][used])
    return found


def answered(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return confidences and whether the class is right, shape (K, n); a model that answers NaN has equal logits."""
    bounded = np.clip(np.nan_to_num(logits, nan=0.0), -LARGEST, LARGEST).astype(np.float32)
    return phi(bounded, labels).astype(np.float32), (bounded.argmax(axis=2) == labels).astype(np.uint8)


def _changed(given: ProbeInputs, state: StackedState) -> Iterator[tuple[str, StackedState]]:
    """Yield each condition with the models that it makes."""
    weights = weight_names(given.spec)
    for number, shots in enumerate(SHOTS):
        yield f"retain_{shots}" if shots else "retain", trained_on(given, state, shots, number)
    for bits in BITS:
        yield f"bits_{bits}", {name: rounded(one, bits) if name in weights else one for name, one in state.items()}
    for percent in NOISE:
        yield f"noise_{percent}", with_noise(state, weights, given.seeds, percent / 100)


def trained_on(given: ProbeInputs, state: StackedState, shots: int, number: int) -> StackedState:
    """Return the models after training on a part of the retain set and ``shots`` forgotten examples."""
    from reference_models.training.loop import train_chunk

    sizes = {split: len(labels) for split, labels in given.labels.items()}
    share = passes(given.recipe, sizes)
    each = given.recipe.batch_size
    # Full batches: batch normalisation cannot train on one example.
    whole = each * max(1, int(share * sizes["retain"]) // each)
    # NumPy may change Generator's streams between versions but never RandomState's, so cached results stay comparable.
    kept = np.random.RandomState(2).permutation(sizes["retain"])[: max(1, whole - shots)]
    asked = few(sizes["forget"])[:shots]
    inputs = np.concatenate([given.inputs["retain"][np.sort(kept)], given.inputs["forget"][asked]])
    labels = np.concatenate([given.labels["retain"][np.sort(kept)], given.labels["forget"][asked]])
    recipe = replace(given.recipe, epochs=1, lr=lr_share(share) * given.recipe.lr, schedule="constant", drop_last=False)

    def report(done: int, total: int) -> None:
        given.on_step(number * total + done, len(SHOTS) * total)

    seeds = [derive_seed("recovery", seed) for seed in given.seeds]
    return train_chunk(given.spec, recipe, inputs, labels, seeds, device=given.device, on_step=report, initial=state)


def weight_names(spec: ModelSpec) -> frozenset[str]:
    """Return the names of the network's parameters; the rest of its state, as running means, is left as it is."""
    from reference_models.networks.architectures import build_model

    named = build_model(spec, None).named_parameters()
    return frozenset(name for name, one in named if one.is_floating_point())


def rounded(stacked: Tensor, bits: int) -> Tensor:
    """Return K tensors, each rounded to 2^bits - 1 evenly spaced numbers symmetric to 0, the largest being its maximum."""
    import torch

    levels = 2 ** (bits - 1) - 1
    each = tuple(range(1, stacked.dim()))
    step = (stacked.abs().amax(each, keepdim=True) if each else stacked.abs()) / levels
    return torch.where(step > 0, torch.round(stacked / step.clamp_min(1e-38)) * step, stacked)


def with_noise(state: StackedState, weights: frozenset[str], seeds: Sequence[int], strength: float) -> StackedState:
    """Add normal noise of ``strength`` times each tensor's standard deviation; the same draws at every strength."""
    import torch

    draws = [torch.Generator().manual_seed(derive_seed("recovery", "noise", seed)) for seed in seeds]
    found = dict(state)
    for name, stacked in state.items():
        if name in weights:
            noise = torch.stack([torch.randn(stacked.shape[1:], generator=one, dtype=stacked.dtype) for one in draws])
            each = tuple(range(1, stacked.dim()))
            spread = stacked.std(each, correction=0, keepdim=True) if each else torch.zeros_like(stacked)
            found[name] = stacked + strength * spread * noise
    return found


def _refuses(task: Task) -> str:
    return "its networks are trained in shards" if task.sisa is not None else ""


RECOVERY = Probe(
    name="recovery",
    summary="answers after a little training on the retain set, after rounding of the weights, and with noise on them",
    compute=compute,
    epochs=lambda recipe: min(max(BUDGET * recipe.epochs, LEAST_EPOCHS), MOST_EPOCHS),
    refuses=_refuses,
)
