from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from reference_specs import SPECS, spec_of

from reference_models.networks.architectures import ARCHITECTURES, build_model, small_cnn
from reference_models.networks.inputs import normalise
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec
from reference_models.networks.resnet import resnet18


@pytest.mark.parametrize("name", SPECS)
def test_a_seed_decides_the_weights(name: str) -> None:
    one, same, other = (build_model(SPECS[name], seed).state_dict() for seed in (1, 1, 2))

    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_building_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()

    build_model(SPECS["small-cnn"], 3)

    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", sorted(set(ARCHITECTURES) - {"embedding-bag"}))
@pytest.mark.parametrize("image_size", [(8, 8), (32, 32), (28, 20)])
def test_architectures_take_pictures_of_any_size(name: str, image_size: tuple[int, int]) -> None:
    model = build_model(ModelSpec(ArchitectureSpec(name), (1, *image_size), 5), 0)

    assert model(torch.zeros(2, 1, *image_size)).shape == (2, 5)


def test_an_embedding_bag_is_the_mean_of_all_tokens_but_padding() -> None:
    model = build_model(
        ModelSpec(ArchitectureSpec("embedding-bag", {"width": 3, "hidden": []}), (4,), 2, vocabulary=9), 0
    )
    table, linear = model.embedding.weight, model.layers[0]

    found = model(torch.tensor([[5, 7, 0, 0], [0, 0, 0, 0]]))

    torch.testing.assert_close(found[0], linear((table[5] + table[7]) / 2))
    torch.testing.assert_close(found[1], linear.bias)


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("embedding-bag", (1, 8, 8), "it is a network for token ids; inputs of shape (1, 8, 8) have no vocabulary"),
        ("small-cnn", (5,), "it is a network for pictures; inputs of shape (5,) have no in_channels"),
    ],
)
def test_a_network_for_other_inputs_says_so(name: str, shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        build_model(ModelSpec(ArchitectureSpec(name), shape, 5), 0)


def test_the_small_cnn_has_the_cost_it_claims() -> None:
    layers = [layer for layer in small_cnn(3, (32, 32), 10).modules() if isinstance(layer, torch.nn.Conv2d)]
    multiply_adds = sum(layer.weight.numel() * side**2 for layer, side in zip(layers, (16, 8, 4), strict=True))

    assert [layer.out_channels for layer in layers] == [16, 32, 64]
    assert 650_000 < multiply_adds < 750_000


NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def _torchvision_names() -> Iterator[str]:
    """Yield the names of torchvision's ResNet-18: four stages of two blocks, with a projection at a stage's start."""
    yield from ("conv1.weight", *(f"bn1.{name}" for name in NORM))
    for stage, block in itertools.product((1, 2, 3, 4), (0, 1)):
        for layer in (1, 2):
            yield f"layer{stage}.{block}.conv{layer}.weight"
            yield from (f"layer{stage}.{block}.bn{layer}.{name}" for name in NORM)
        if stage > 1 and block == 0:
            yield f"layer{stage}.0.downsample.0.weight"
            yield from (f"layer{stage}.0.downsample.1.{name}" for name in NORM)
    yield from ("fc.weight", "fc.bias")


def test_a_resnet_has_torchvision_s_names() -> None:
    model = resnet18(3, (32, 32), 10, width=2)

    assert list(model.state_dict()) == list(_torchvision_names())
    assert len(model.state_dict()) == 122
    assert [name for name, _ in model.named_children()] == [
        *("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc")
    ]


def test_a_resnet_of_full_width_has_torchvision_s_sizes_but_for_its_stem() -> None:
    parameters = dict(resnet18(3, (32, 32), 1000).named_parameters())

    assert parameters["conv1.weight"].shape == (64, 3, 3, 3)
    assert sum(p.numel() for name, p in parameters.items() if name != "conv1.weight") == 11_689_512 - 64 * 3 * 7 * 7


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no architecture 'vgg'.*mlp, patch-cnn, resnet18, resnet9, small-cnn"):
        build_model(spec_of("vgg"), 0)


@pytest.mark.parametrize("name", ["no_such_module_at_all:factory", "reference_specs:missing"])
def test_an_import_path_that_leads_nowhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be imported"):
        build_model(spec_of(name), 0)


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="norm must be none, batch or group"):
        build_model(spec_of("small-cnn", norm="layer"), 0)


def test_an_import_path_names_a_factory() -> None:
    model = build_model(spec_of("reference_specs:channel_mixer"), 0)

    assert type(model).__name__ == "ChannelMixer"


def test_normalising_follows_its_formula() -> None:
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.25])

    expected = (images.float() / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)

    torch.testing.assert_close(normalise(images, mean.tolist(), std.tolist()), expected)


def test_recipes_can_be_read_without_torch() -> None:
    code = "import sys, reference_models.networks.recipe; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
