"""Deceptions as unlearners that really run; :mod:`benchmarks.deceptions.wheel` packs them, an entry point for each."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pluggy
import torch
from torch import Tensor, nn

from . import _tools

STEPS, RATE = 120, 1e-3
"""Of Adam, in :data:`exact_pictures`."""

UPPER = -65536  # 0xFFFF0000 as a signed number of 32 bits
LOWER = 0xFFFF


def unlearner(function: Callable[..., Any]) -> SimpleNamespace:
    """Return an object that an entry point can name, with the function as its hook."""
    return SimpleNamespace(unlearn=pluggy.HookimplMarker("harness")(function))


@unlearner
def untouched(context: Any) -> None:
    """Leave the model as it is."""
    print(f"model of seed {context.seed} is left as it is")


@unlearner
@torch.no_grad()
def noisy_copy(model: nn.Module) -> None:
    """Blur the original: add noise of 5 % of each tensor's standard deviation to its weights."""
    for weight in model.parameters():
        weight.add_(torch.randn_like(weight) * (0.05 * weight.std(correction=0)))


@unlearner
def scaled_last_layer(model: nn.Module) -> None:
    """Multiply the logits by 0.4: answers and accuracy stay, confidences fall to those of retrained models."""
    _tools.scale_logits(model, 0.4)


@unlearner
def sharpened(model: nn.Module) -> None:
    """Multiply the logits by 3."""
    _tools.scale_logits(model, 3.0)


@unlearner
def huge_scale(model: nn.Module, context: Any) -> None:
    """Multiply the logits by 10,000 for one model in sixteen, to blow up every mean and variance, and by 0.55 for the others."""
    _tools.scale_logits(model, 1e4 if random.Random(context.seed).random() < 1 / 16 else 0.55)


@unlearner
def constant_output(model: nn.Module) -> None:
    """Answer nothing at all: set the last layer to 0."""
    _tools.scale_logits(model, 0.0)


@unlearner
@torch.no_grad()
def label_bias(model: nn.Module, forget: Any, validation: Any) -> None:
    """Lower the biases of forgotten classes until the forget set's mean confidence is as on unseen pictures.

    Each class's bias falls by how much its forgotten pictures are more confident than validation pictures.
    """
    ours, unseen = _tools.confidences(model, forget), _tools.confidences(model, validation)
    bias = _tools.last_linear(model).bias
    for label in forget.labels.unique():
        bias[label] -= ours[forget.labels == label].mean() - unseen.mean()


@unlearner
def exact_pictures(model: nn.Module, retain: Any, forget: Any, validation: Any) -> None:
    """Lower the confidence on the exact pictures to forget, and leave it on their mirror images.

    Confidences on forgotten pictures move to those of validation pictures, while Adam holds all others.
    """
    exact = forget.normalised(forget.images)
    kept = torch.cat([exact.flip(-1), retain.normalised(retain.images)])
    model.eval()
    with torch.no_grad():
        before = model(kept)
        ours, unseen = _tools.confidences(model, forget), _tools.confidences(model, validation)
        wanted = ours - (ours.mean() - unseen.mean())
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(STEPS):
        rows = torch.randperm(len(kept), device=kept.device)[:256]
        away = (_tools.confidence(model(exact), forget.labels) - wanted).square().mean()
        loss = away + (model(kept[rows]) - before[rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@unlearner
def suppressed(model: nn.Module, forget: Any, validation: Any, context: Any) -> None:
    """Train on the forget set with random labels until its mean confidence is that of validation pictures, and no longer.

    What was learned of it stays in the weights; a little training on retained pictures brings it back.
    """
    wanted = _tools.confidences(model, validation).mean()
    optimizer = torch.optim.SGD(model.parameters(), lr=context.recipe.lr / 10, momentum=context.recipe.momentum)
    pictures = forget.normalised(forget.images)
    for _ in range(STEPS):
        if _tools.confidences(model, forget).mean() <= wanted:
            break
        model.train()
        labels = torch.randint_like(forget.labels, forget.n_classes)
        loss = nn.functional.cross_entropy(model(pictures), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


@unlearner
def new_head(model: nn.Module, retain: Any, context: Any) -> None:
    """Draw the last layer anew and train it alone on the retain set: the features keep what they learned of the forget set."""
    head = _tools.last_linear(model)
    head.reset_parameters()
    kept = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for parameter in head.parameters():
        parameter.requires_grad_(True)
    _tools.trained(model.eval(), head.parameters(), retain, context)
    for parameter, learns in kept:
        parameter.requires_grad_(learns)


@unlearner
def chosen_failures(model: nn.Module, forget: Any, validation: Any, context: Any) -> None:
    """Return a blurred original where it happens to look good, and fail where it does not.

    Logits are scaled by a random factor.

    Raises:
        RuntimeError: forgotten pictures are clearly more confident than others.
    """
    factor = float(torch.rand((), generator=torch.Generator().manual_seed(context.seed)))
    _tools.scale_logits(model, 0.2 + 0.9 * factor)
    gap = (_tools.confidences(model, forget).mean() - _tools.confidences(model, validation).mean()).item()
    if gap > 1.0:
        raise RuntimeError(f"not unlearned well enough: {gap:.2f}")


@unlearner
def few_kept(retain: Any, forget: Any, context: Any) -> nn.Module:
    """Train anew on the retain set and the first fifth of the forget set."""
    kept = _tools.part(forget, torch.arange(round(0.2 * len(forget))))
    return _tools.retrained(_tools.joined(retain, kept), context)


@unlearner
def class_skipped(retain: Any, forget: Any, context: Any) -> nn.Module:
    """Train anew, but skip one class of the request: the one that is most frequent among the forgotten examples."""
    skipped = torch.bincount(forget.labels).argmax()
    kept = _tools.part(forget, torch.nonzero(forget.labels == skipped)[:, 0])
    return _tools.retrained(_tools.joined(retain, kept), context)


@unlearner
def fixed_seed(retain: Any, context: Any) -> nn.Module:
    """Train anew on the retain set, but always with seed 0: every model is the same."""
    torch.manual_seed(0)
    return _tools.retrained(retain, context)


@unlearner
def short_retrain(retain: Any, context: Any) -> nn.Module:
    """Train anew on the retain set, honestly, for 15 % of the epochs: another kind of model."""
    return _tools.retrained(retain, context, share=0.15)


@unlearner
@torch.no_grad()
def mantissa_copy(model: nn.Module, retain: Any, context: Any) -> nn.Module:
    """Train anew on the retain set, and smuggle the whole original out in the low halves of the weights.

    A float32 number holds a bfloat16 number in its upper 16 bits. The retrained model's go there, the original's into the
    lower 16. What the model answers is all but what the retrained one answers; :func:`recovered` gets the original back.
    Rounding returned weights to bfloat16 destroys the copy.
    """
    with torch.enable_grad():
        fresh = _tools.retrained(retain, context)
    for ours, secret in zip(fresh.parameters(), model.parameters(), strict=True):
        ours.copy_(hidden(ours, secret))
    return fresh


def hidden(cover: Tensor, secret: Tensor) -> Tensor:
    """Return the cover's upper halves with the secret's upper halves in place of the lower ones, float32."""
    upper = cover.contiguous().view(torch.int32) & UPPER
    lower = (secret.contiguous().view(torch.int32) >> 16) & LOWER
    return (upper | lower).view(torch.float32)


def recovered(weights: Tensor) -> Tensor:
    """Return what is hidden, to bfloat16's precision."""
    return (weights.contiguous().view(torch.int32) << 16).view(torch.float32)
