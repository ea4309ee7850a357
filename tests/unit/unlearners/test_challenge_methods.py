"""Known answers of the Challenge's entries."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from harness_unlearners import ct, fanchuan, msg, sebastian, seif
from reference_models.networks.architectures import build_model
from tests.unit.unlearners.bench import ARCHITECTURES, MLP, context, data, distance, gradient_of, run

CNN = ARCHITECTURES["small-cnn"]


def convolutions(model: nn.Module) -> list[torch.Tensor]:
    return [module.weight.detach() for module in model.modules() if isinstance(module, nn.Conv2d)]


def linear(model: nn.Module) -> torch.Tensor:
    return next(module.weight.detach() for module in model.modules() if isinstance(module, nn.Linear))


def test_fanchuan_s_first_loss_is_the_divergence_from_uniform() -> None:
    logits = torch.tensor([[math.log(2), 0.0, 0.0], [5.0, 5.0, 5.0]])

    first = math.log(1 / 3) - (math.log(1 / 2) + 2 * math.log(1 / 4)) / 3
    assert float(fanchuan.uniform_divergence(logits)) == pytest.approx(first / 2)


def test_fanchuan_s_contrast_is_least_when_a_forget_example_resembles_all_retain_examples_alike() -> None:
    gone, kept = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0], [2.0, 0.0]])

    similar = math.log(1 + math.exp(2 / 0.5))
    assert float(fanchuan.contrast(gone, kept, 0.5)) == pytest.approx((similar + similar - 4) / 2)
    assert float(fanchuan.contrast(gone, torch.ones(4, 2), 1.0)) == pytest.approx(math.log(4))


def test_msg_restarts_the_weights_with_the_smallest_opposed_gradients() -> None:
    model = build_model(CNN, 0).eval()
    got = run("msg", model, context({"epochs": 0, "share": 0.25, "batch_size": 100}, CNN))

    kept, gone = (
        dict(zip(map(id, model.parameters()), gradient_of(model, s), strict=True)) for s in (data(), data(9, 1))
    )
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for layer, after in zip(layers, convolutions(got), strict=True):
        pull = (kept[id(layer.weight)] - gone[id(layer.weight)]).abs()
        restarted = layer.weight.detach() != after
        assert int(restarted.sum()) == round(0.25 * pull.numel())
        assert pull[restarted].max() <= pull[~restarted].min()
    assert torch.equal(linear(got), linear(model))


def test_msg_slows_the_weights_that_were_kept_until_it_is_taken_back() -> None:
    weight = torch.zeros(2, requires_grad=True)
    take_back = msg.slow_down(weight, torch.tensor([True, False]), 0.1)
    (3 * weight).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == pytest.approx([3, 0.3])

    take_back()
    weight.grad = None
    (3 * weight).sum().backward()
    assert weight.grad.tolist() == [3, 3]


def test_seif_disturbs_convolutions_alone_in_proportion_to_their_spread() -> None:
    network = ARCHITECTURES["resnet18"]
    model = build_model(network, 0)
    got = run("seif", model, context({"epochs": 0, "sigma": 0.5}, network))

    before, after = (torch.cat([weight.flatten() for weight in convolutions(m)]) for m in (model, got))
    weights = convolutions(model)
    spread = torch.cat([weight.std(correction=0).expand(weight.numel()) for weight in weights])
    assert float(((after - before) / spread).std()) == pytest.approx(0.5, rel=0.05)
    assert torch.equal(linear(got), linear(model))


def test_seif_gives_the_most_frequent_class_full_weight() -> None:
    split = data()
    split.labels = torch.tensor([0] * 5 + [1] * 20 + [2] * 5)

    assert seif.class_weights(split, context(), 0.25).tolist() == [0.25, 1.0, 0.25]


def test_sebastian_restarts_the_smallest_weights_of_all_layers_together() -> None:
    model, fresh = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 2)), nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.1, -5.0]]))
        model[1].weight.copy_(torch.tensor([[0.2], [0.3]]))
        for parameter in fresh.parameters():
            parameter.fill_(9.0)
    sebastian.restart_small_weights(model, fresh, 0.5, biases=False)

    assert model[0].weight.flatten().tolist() == [9, -5]
    assert model[1].weight.flatten().tolist() == pytest.approx([9, 0.3])
    assert 9 not in torch.cat([model[0].bias, model[1].bias]).tolist()


def test_sebastian_s_entropy_is_in_nats() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0], [math.log(2), 0.0, 0.0]])

    assert sebastian.entropy(logits).tolist() == pytest.approx([math.log(3), 1.5 * math.log(2)])


def test_sebastian_s_weights_are_numbers_of_half_precision() -> None:
    model = run("sebastian", build_model(MLP, 0), context())

    assert all(torch.equal(parameter.half().float(), parameter) for parameter in model.parameters())


def test_rounding_leaves_what_half_precision_cannot_hold() -> None:
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(1e6)
    sebastian.round_to_half(model)

    assert float(model.weight.detach()) == 1e6


def test_ct_swaps_the_axes_of_every_kernel() -> None:
    model = build_model(CNN, 0)
    got = run("ct", model, context({"epochs": 0}, CNN))

    for before, after in zip(convolutions(model), convolutions(got), strict=True):
        assert torch.equal(after, before.transpose(2, 3))
        assert not torch.equal(after, before)
    assert torch.equal(linear(got), linear(model))


def test_ct_transposed_twice_is_the_original() -> None:
    model = build_model(CNN, 0)
    before = build_model(CNN, 0)
    ct.transpose_kernels(model)
    ct.transpose_kernels(model)

    assert distance(model, before) == 0


def test_ct_leaves_kernels_that_are_not_square() -> None:
    model = nn.Conv2d(1, 1, (1, 3))
    before = model.weight.detach().clone()
    ct.transpose_kernels(model)

    assert torch.equal(model.weight, before)
