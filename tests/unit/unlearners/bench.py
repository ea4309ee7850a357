"""Tiny networks and data, and calling a method as the guest calls it."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from harness_guest.context import Context
from harness_guest.data import Normalisation, SplitData
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe

N_CLASSES = 3
CLASSIC = (
    "gradient_ascent",
    "neggrad_plus",
    "random_labels",
    "salun",
    "scrub",
    "ssd",
    "bad_teacher",
    "l1_sparse",
    "cf_k",
    "eu_k",
)
CHALLENGE = ("fanchuan", "msg", "seif", "sebastian", "ct")
BUDGETED = ("finetune", "noise", *CLASSIC, *CHALLENGE)
METHODS = ("noop", "retrain", *BUDGETED)


def spec(name: str = "mlp", side: int = 6, **options: Any) -> ModelSpec:
    """Of a network for grey pictures of three classes."""
    return ModelSpec(ArchitectureSpec(name, options), (1, side, side), N_CLASSES, (0.5,), (0.25,))


MLP = spec(hidden=[8])
ARCHITECTURES = {
    "mlp": MLP,
    "patch-cnn": spec("patch-cnn", patches=[2, 2], width=2, hidden=[4]),
    "small-cnn": spec("small-cnn", width=2),
    "small-cnn-batch": spec("small-cnn", width=2, norm="batch"),
    "resnet18": spec("resnet18", width=2),
}


def data(n_examples: int = 30, seed: int = 0, side: int = 6) -> SplitData:
    """Noise with random labels."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n_examples, 1, side, side), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, N_CLASSES, (n_examples,), generator=generator)
    return SplitData(images, labels, N_CLASSES, Normalisation((0.5,), (0.25,)))


def context(options: Mapping[str, Any] | None = None, spec: ModelSpec = MLP, **fields: Any) -> Context:
    """Return a method's context: a recipe of two epochs, no time limit."""
    defaults = {"recipe": Recipe(epochs=2, batch_size=8), "spec": spec, "options": options or {}}
    return Context(torch.device("cpu"), 0, N_CLASSES, **{**defaults, **fields})


def run(
    name: str,
    model: nn.Module,
    about: Context,
    retain: SplitData | None = None,
    forget: SplitData | None = None,
    seed: int = 0,
) -> nn.Module:
    """Return the unlearned model, from a copy of ``model`` in eval mode; the validation set is empty."""
    torch.manual_seed(seed)
    model = copy.deepcopy(model).eval()
    given = {
        "model": model,
        "retain": retain or data(),
        "forget": forget or data(9, seed=1),
        "validation": data(0),
        "context": about,
    }
    hook = importlib.import_module(f"harness_unlearners.{name}").unlearn
    names = hook.__code__.co_varnames[: hook.__code__.co_argcount]
    returned = hook(**{argument: given[argument] for argument in names})
    return model if returned is None else returned


def distance(first: nn.Module, second: nn.Module) -> float:
    """Largest difference of any weight."""
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def loss_of(model: nn.Module, split: SplitData) -> torch.Tensor:
    """Mean cross-entropy in the mode that the model is in."""
    images, labels = next(iter(split.loader(len(split))))
    return F.cross_entropy(model(images), labels)


def gradient_of(model: nn.Module, split: SplitData) -> list[torch.Tensor]:
    """Of :func:`loss_of`, by parameter."""
    return list(torch.autograd.grad(loss_of(model, split), list(model.parameters())))


def stepped(model: nn.Module, split: SplitData, lr: float) -> nn.Module:
    """Return a copy after a gradient step on the mean cross-entropy: descent, or ascent for a negative ``lr``."""
    gradients = gradient_of(model, split)
    after = copy.deepcopy(model)
    with torch.no_grad():
        for parameter, gradient in zip(after.parameters(), gradients, strict=True):
            parameter -= lr * gradient
    return after


def logits_model() -> nn.Module:
    """Return a network that returns its input's pixels as logits."""
    return nn.Flatten()


def as_images(logits: list[list[float]]) -> torch.Tensor:
    """Input of :func:`logits_model`."""
    return torch.tensor(logits)[:, :, None, None]
