"""Registered network architectures; they read pictures, normalised float32 of shape (n, C, H, W), and ``mlp`` any inputs."""

from __future__ import annotations

import importlib
import inspect
import itertools
import math
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import nn

from reference_models.networks.initial import load_initial
from reference_models.networks.libraries import library_factory
from reference_models.networks.naming import near_match
from reference_models.networks.recipe import LIBRARIES, ModelSpec
from reference_models.networks.resnet import resnet9, resnet18

Norm = Literal["none", "batch", "group"]
POSITIONAL = ("in_channels", "image_size", "n_classes")
OF_KIND = MappingProxyType({"in_channels": "pictures", "image_size": "pictures", "vocabulary": "token ids"})
"""Parameters that a factory is given for some kinds of inputs alone."""
BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _norm_layer(norm: Norm, channels: int) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "group":
        return nn.GroupNorm(math.gcd(channels, 8), channels)
    if norm == "none":
        return nn.Identity()
    raise ValueError(f"norm must be none, batch or group, not {norm!r}")


def small_cnn(
    in_channels: int, image_size: tuple[int, int], n_classes: int, *, width: int = 16, norm: Norm = "none"
) -> nn.Module:
    """Return three 3x3 convolutions of stride 2 with ``width``, 2 ``width`` and 4 ``width`` channels, and a linear layer.

    At the default width, a 32x32 RGB image costs 0.7 million multiply-adds.
    """
    height, side = image_size
    layers: list[nn.Module] = []
    channels = in_channels
    for out_channels in (width, 2 * width, 4 * width):
        conv = nn.Conv2d(channels, out_channels, 3, stride=2, padding=1, bias=norm == "none")
        layers += [conv, _norm_layer(norm, out_channels), nn.ReLU(inplace=True)]
        channels, height, side = out_channels, (height + 1) // 2, (side + 1) // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * side, n_classes))


def patch_cnn(
    in_channels: int,
    image_size: tuple[int, int],
    n_classes: int,
    *,
    patches: Sequence[int] = (4, 2),
    width: int = 24,
    hidden: Sequence[int] = (48,),
    norm: Norm = "batch",
) -> nn.Module:
    """Return patch convolutions (kernel size = stride), then linear layers with ReLU between them.

    Every layer is a matrix product, so that K models train as one batched product of matrices. The convolutions have
    ``width``, 2 ``width``, ... channels. Images are padded with zeros to a multiple of the patch.

    Args:
        in_channels: image channels.
        image_size: height and width in pixels.
        n_classes: number of logits.
        patches: side of the square patches of each convolution, in pixels of its input.
        width: channels of the first convolution.
        hidden: widths of the linear layers before the last.
        norm: normalisation after each convolution.
    """
    height, side = image_size
    layers: list[nn.Module] = []
    channels, out_channels = in_channels, width
    for patch in patches:
        conv = nn.Conv2d(
            channels,
            out_channels,
            patch,
            patch,
            padding=(_margin(height, patch), _margin(side, patch)),
            bias=norm == "none",
        )
        layers += [conv, _norm_layer(norm, out_channels), nn.ReLU(inplace=True)]
        channels, height, side = out_channels, -(-height // patch), -(-side // patch)
        out_channels *= 2
    return nn.Sequential(*layers, nn.Flatten(), *_linear_layers([channels * height * side, *hidden, n_classes]))


def _linear_layers(sizes: Sequence[int]) -> list[nn.Module]:
    """Return linear layers from each size to the next, with ReLU between them."""
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(inplace=True)]
    return layers[:-1]


def _margin(side: int, patch: int) -> int:
    """Return the zero padding per side that extends ``side`` to at least the next multiple of ``patch``."""
    return (-side % patch + 1) // 2


def mlp(input_shape: Sequence[int], n_classes: int, *, hidden: Sequence[int] = (128, 128)) -> nn.Module:
    """Return fully connected layers of the ``hidden`` sizes with ReLU between them, for inputs of any shape."""
    return nn.Sequential(nn.Flatten(), *_linear_layers([math.prod(input_shape), *hidden, n_classes]))


class EmbeddingBag(nn.Module):
    """Mean of the embeddings of an example's tokens, padding (id 0) left out, and linear layers with ReLU between them.

    Args:
        vocabulary: number of token ids.
        width: size of an embedding.
        sizes: widths of the linear layers, the number of logits last.
    """

    def __init__(self, vocabulary: int, width: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.layers = nn.Sequential(*_linear_layers([width, *sizes]))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (n, classes), for token ids, shape (n, ...)."""
        tokens = tokens.flatten(1)
        present = (tokens != 0).to(self.embedding.weight.dtype).unsqueeze(-1)
        total = (self.embedding(tokens) * present).sum(dim=1)
        found: torch.Tensor = self.layers(total / present.sum(dim=1).clamp(min=1))
        return found


def embedding_bag(vocabulary: int, n_classes: int, *, width: int = 32, hidden: Sequence[int] = (32,)) -> nn.Module:
    """Return a network for texts as token ids; see :class:`EmbeddingBag`."""
    return EmbeddingBag(vocabulary, width, [*hidden, n_classes])


ARCHITECTURES: Mapping[str, Callable[..., nn.Module]] = MappingProxyType(
    {
        "patch-cnn": patch_cnn,
        "small-cnn": small_cnn,
        "resnet9": resnet9,
        "resnet18": resnet18,
        "mlp": mlp,
        "embedding-bag": embedding_bag,
    }
)
"""Factories by name: ``factory(in_channels, image_size, n_classes, **options)``."""


def find_architecture(name: str) -> Callable[..., nn.Module]:
    """Return the factory of this name: registered, of a library, or imported as ``package.module:factory``.

    Raises:
        ValueError: there is no such factory, or it cannot be imported.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    module_name, colon, attribute = name.partition(":")
    if not colon:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ValueError(f"no architecture {name!r}: take one of {known}, or package.module:factory")
    if module_name in LIBRARIES:
        return library_factory(module_name, attribute)
    try:
        module = importlib.import_module(module_name)
        factory: Callable[..., nn.Module] = operator.attrgetter(attribute)(module)
    except AttributeError as error:
        near = [one for one, value in vars(sys.modules.get(module_name, object)).items() if callable(value)]
        raise ValueError(
            f"the architecture {name!r} cannot be imported: {error}{near_match(attribute, near)}"
        ) from error
    except ImportError as error:
        raise ValueError(f"the architecture {name!r} cannot be imported: {error}") from error
    if not callable(factory):
        raise ValueError(
            f"{name!r} is a {type(factory).__name__}; it must be a function or a class that returns a network"
        )
    return factory


def made(factory: Callable[..., nn.Module], given: Mapping[str, Any], options: Mapping[str, Any]) -> nn.Module:
    """Return the network of a factory, called with those of ``given`` that its signature names, and all ``options``.

    A factory that names none of them is called as ``factory(in_channels, image_size, n_classes, **options)``.

    Raises:
        ValueError: an option or a required parameter is not one of those.
    """
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # some callables have none
        parameters = MappingProxyType({})
    named = {name: given[name] for name, one in parameters.items() if name in given and one.kind in BY_NAME}
    if not named and not set(POSITIONAL) <= set(given):
        raise ValueError(f"its signature names none of {', '.join(given)}, which describe inputs that are no pictures")
    if not named:
        return factory(*(given[name] for name in POSITIONAL), **options)
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return factory(**named, **options)
    allowed = [name for name, one in parameters.items() if name not in given and one.kind in BY_NAME]
    for option in options:
        if option not in allowed:
            shown = ", ".join(allowed) or "none"
            raise ValueError(f"there is no option {option!r}{near_match(option, allowed)}; allowed: {shown}")
    for name in allowed:
        if parameters[name].default is inspect.Parameter.empty and name not in options:
            if name in OF_KIND:
                shape = given["input_shape"]
                raise ValueError(f"it is a network for {OF_KIND[name]}; inputs of shape {shape} have no {name}")
            raise ValueError(
                f"its parameter {name!r}{near_match(name, list(given))} has no value: set it in options. Without options a "
                f"factory is given {', '.join(given)}, those that it names"
            )
    return factory(**named, **options)


def build_model(spec: ModelSpec, seed: int | None) -> nn.Module:
    """Return the network of ``spec`` on the CPU, in training mode, without changing the global random state.

    Args:
        spec: architecture and the shape of its data.
        seed: seed of the initialisation; None if the weights will be overwritten. It also chooses one of several files of
            initial weights: that of number ``seed`` modulo their number.

    Raises:
        ValueError: there is no such factory, or the initial weights are not those of its network.
    """
    architecture = spec.architecture
    factory = find_architecture(architecture.name)
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            # Not torch.manual_seed: that would also reseed the generators of every GPU.
            torch.default_generator.manual_seed(seed)
        model = made(factory, spec.arguments(), architecture.options)
    if seed is not None and architecture.init and isinstance(model, nn.Module):
        load_initial(model, architecture.init[seed % len(architecture.init)], architecture.init_except)
    return model
