"""The parts that methods are made of."""

from __future__ import annotations

import contextlib
import math

import pytest
import torch
from torch import nn

from harness_unlearners._relabelling import wrong_labels
from harness_unlearners._training import (
    capped_cross_entropy,
    constant,
    cosine,
    divergence,
    forward,
    frozen_copy,
    recipe_optimizer,
    restored,
    triangle,
)
from harness_unlearners._weights import kernels, last_layers, selected, train_only, weight_layers
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import Recipe
from tests.unit.unlearners.bench import ARCHITECTURES


def test_modes_and_trainability_are_restored_even_after_an_error() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    model[1].eval()
    model[0].bias.requires_grad_(False)
    with contextlib.suppress(KeyError), restored(model):
        model.eval().requires_grad_(True)
        raise KeyError

    assert [module.training for module in model.modules()] == [True, True, False]
    assert [parameter.requires_grad for parameter in model.parameters()] == [True, False, True, True]


def test_one_image_alone_uses_running_statistics_and_leaves_them_and_the_mode() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2)).train()
    image = torch.tensor([[3.0, 5.0]])

    assert torch.allclose(forward(model, image), image, atol=1e-4)
    assert model[0].training
    assert int(model[0].num_batches_tracked) == 0


def test_two_images_use_their_own_statistics() -> None:
    model = nn.Sequential(nn.BatchNorm1d(1)).train()

    assert forward(model, torch.tensor([[1.0], [3.0]])).flatten().tolist() == pytest.approx([-1, 1], abs=1e-4)


def test_a_frozen_copy_is_no_longer_tied_to_the_model() -> None:
    model = nn.Linear(2, 2)
    teacher = frozen_copy(model)
    with torch.no_grad():
        model.weight += 1

    assert torch.allclose(teacher.weight + 1, model.weight)
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_the_optimizer_is_the_recipe_s_with_another_rate_and_decay() -> None:
    weights = [torch.zeros(1, requires_grad=True)]
    sgd = recipe_optimizer(weights, Recipe(momentum=0.8, weight_decay=0.1), 0.5)
    adam = recipe_optimizer(weights, Recipe(optimizer="adam", weight_decay=0.1), 0.5, weight_decay=0.0)

    assert isinstance(sgd, torch.optim.SGD)
    assert [sgd.param_groups[0][key] for key in ("lr", "momentum", "weight_decay")] == [0.5, 0.8, 0.1]
    assert isinstance(adam, torch.optim.Adam)
    assert [adam.param_groups[0][key] for key in ("lr", "weight_decay")] == [0.5, 0.0]


def test_a_capped_loss_counts_an_example_at_most_the_cap_and_pulls_no_further() -> None:
    logits = torch.tensor([[0.0, 0.0], [0.0, 9.0]], requires_grad=True)
    loss = capped_cross_entropy(logits, torch.tensor([0, 0]), 2.0)
    (gradient,) = torch.autograd.grad(loss, logits)

    assert float(loss.detach()) == pytest.approx((math.log(2) + 2) / 2)
    assert gradient[0].abs().sum() > 0
    assert gradient[1].abs().sum() == 0


def test_divergence_is_the_sum_over_classes_of_each_example() -> None:
    """KL((1/2, 1/4, 1/4) || uniform); a mean over classes would give a third of it."""
    target = torch.tensor([[math.log(2), 0.0, 0.0]])

    expected = 0.5 * math.log(3 / 2) + 0.5 * math.log(3 / 4)
    assert divergence(target, torch.zeros(1, 3)).tolist() == pytest.approx([expected])
    assert divergence(2 * target, torch.zeros(1, 3), 2.0).tolist() == pytest.approx([expected])
    assert divergence(target, target + 7).tolist() == pytest.approx([0], abs=1e-6)


def test_learning_rate_curves() -> None:
    assert [constant(0.1), constant(0.9)] == [1, 1]
    assert [cosine(0.0), cosine(0.5), cosine(1.0)] == pytest.approx([1, 0.5, 0])
    assert [triangle(0.25), triangle(0.5), triangle(0.75)] == pytest.approx([0.5, 1, 0.5])


def test_wrong_labels_are_never_right_and_reach_every_other_class() -> None:
    labels = torch.arange(4).repeat(200)
    wrong = wrong_labels(labels, 4)

    assert not (wrong == labels).any()
    assert set(zip(labels.tolist(), wrong.tolist(), strict=True)) == {
        (a, b) for a in range(4) for b in range(4) if a != b
    }


def test_with_one_class_there_is_no_wrong_label() -> None:
    assert wrong_labels(torch.zeros(3, dtype=torch.int64), 1).tolist() == [0, 0, 0]


def test_selection_ranks_all_tensors_together() -> None:
    scores = [torch.tensor([[1.0, 5.0]]), torch.tensor([4.0, 2.0])]

    assert [mask.tolist() for mask in selected(scores, 0.5, largest=True)] == [[[False, True]], [True, False]]
    assert [mask.tolist() for mask in selected(scores, 0.25, largest=False)] == [[[True, False]], [False, False]]


def test_layers_are_found_in_every_network() -> None:
    counts = {name: len(weight_layers(build_model(spec, 0))) for name, spec in ARCHITECTURES.items()}

    assert counts == {"mlp": 2, "patch-cnn": 4, "small-cnn": 4, "small-cnn-batch": 4, "resnet18": 21}


def test_kernels_are_the_convolutions_or_else_the_linear_layers() -> None:
    counts = {name: len(kernels(build_model(spec, 0))) for name, spec in ARCHITECTURES.items()}

    assert counts == {"mlp": 2, "patch-cnn": 2, "small-cnn": 3, "small-cnn-batch": 3, "resnet18": 20}


def test_a_layer_brings_its_norm() -> None:
    model = build_model(ARCHITECTURES["small-cnn-batch"], 0)

    assert last_layers(model, 1) == ["10"]
    assert last_layers(model, 2) == ["6", "7", "10"]


@pytest.mark.parametrize("k", [0, 5])
def test_a_network_has_only_so_many_layers(k: int) -> None:
    with pytest.raises(ValueError, match=f"'k' must be from 1 to the network's 4 layers, not {k}"):
        last_layers(build_model(ARCHITECTURES["small-cnn"], 0), k)


def test_training_only_the_last_layers_freezes_the_statistics_before() -> None:
    model = build_model(ARCHITECTURES["small-cnn-batch"], 0)
    parameters = train_only(model, ["6", "7", "10"])

    assert len(parameters) == 5
    assert [name for name, parameter in model.named_parameters() if parameter.requires_grad] == [
        "6.weight",
        "7.weight",
        "7.bias",
        "10.weight",
        "10.bias",
    ]
    assert [model.get_submodule(name).training for name in ("1", "4", "7")] == [False, False, True]
