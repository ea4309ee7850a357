"""Selection, replacement and perturbation of weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from harness_unlearners._clock import Batch
from harness_unlearners._training import forward


def weight_layers(model: nn.Module) -> dict[str, _ConvNd | nn.Linear]:
    """Return convolutions and linear layers by name, in registration order."""
    return {name: module for name, module in model.named_modules() if isinstance(module, (_ConvNd, nn.Linear))}


def kernels(model: nn.Module) -> list[Tensor]:
    """Return the trained weights of the convolutions, or of the linear layers if there is no convolution."""
    layers = [layer for layer in weight_layers(model).values() if layer.weight.requires_grad]
    convolutions = [layer for layer in layers if isinstance(layer, _ConvNd)]
    return [layer.weight for layer in convolutions or layers]


def last_layers(model: nn.Module, k: int) -> list[str]:
    """Return the names of the modules with parameters in the last ``k`` layers.

    A layer is a convolution, linear layer or embedding together with everything registered after it and before the next one (its
    norm).

    Raises:
        ValueError: the network has fewer layers, or ``k`` is 0.
    """
    kinds = (_ConvNd, nn.Linear, nn.Embedding, nn.EmbeddingBag)
    layers = [name for name, module in model.named_modules() if isinstance(module, kinds)]
    if not 1 <= k <= len(layers):
        raise ValueError(f"option 'k' must be from 1 to the network's {len(layers)} layers, not {k}")
    first = layers[-k]
    owners = [name for name, module in model.named_modules() if any(True for _ in module.parameters(recurse=False))]
    return owners[owners.index(first) :]


def train_only(model: nn.Module, names: Sequence[str]) -> list[nn.Parameter]:
    """Put ``model`` into train mode and freeze all modules except ``names``, including BatchNorm statistics.

    Returns:
        The parameters that remain trainable, those with several names once; frozen ones of the network itself stay frozen.
    """
    trained = {parameter for parameter in model.parameters() if parameter.requires_grad}
    model.train().requires_grad_(False)
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and name not in names:
            module.eval()
    modules = [model.get_submodule(name) for name in names]
    found = (parameter for module in modules for parameter in module.parameters(recurse=False))
    parameters = [parameter for parameter in dict.fromkeys(found) if parameter in trained]
    for parameter in parameters:
        parameter.requires_grad_(True)
    return parameters


def selected(scores: Sequence[Tensor], share: float, *, largest: bool) -> list[Tensor]:
    """Return masks, shaped like ``scores``, of the ``share`` of all entries together with the highest or lowest scores."""
    flat = torch.cat([score.flatten() for score in scores])
    mask = torch.zeros_like(flat, dtype=torch.bool)
    mask[torch.topk(flat, round(share * len(flat)), largest=largest, sorted=False).indices] = True
    parts = torch.split(mask, [score.numel() for score in scores])
    return [part.view_as(score) for part, score in zip(parts, scores, strict=True)]


@torch.no_grad()
def replace_where(mask: Tensor, weight: Tensor, fresh: Tensor) -> None:
    """Replace ``weight`` by ``fresh`` wherever ``mask`` is true."""
    weight.copy_(torch.where(mask, fresh, weight))


@torch.no_grad()
def add_relative_noise(weights: Iterable[Tensor], sigma: float) -> None:
    """Add Gaussian noise of ``sigma`` times each tensor's own standard deviation (0 for a single value)."""
    for weight in weights:
        weight.add_(torch.randn_like(weight) * (sigma * weight.std(correction=0)))


def gradients(model: nn.Module, weights: Sequence[Tensor], batches: Iterable[Batch]) -> Iterator[tuple[Tensor, ...]]:
    """Yield the gradient of each batch's mean cross-entropy, in the model's current mode; its ``grad`` fields are not changed."""
    for images, labels in batches:
        loss = nn.functional.cross_entropy(forward(model, images), labels)
        yield torch.autograd.grad(loss, weights, materialize_grads=True)
