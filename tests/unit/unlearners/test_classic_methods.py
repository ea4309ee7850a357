"""Known answers of the methods of the literature."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import nn

from harness_guest.context import Context
from harness_guest.data import SplitData
from harness_unlearners import l1_sparse, neggrad_plus, salun, scrub, ssd
from harness_unlearners._clock import Clock
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import Recipe
from tests.unit.unlearners.bench import (
    ARCHITECTURES,
    MLP,
    N_CLASSES,
    as_images,
    context,
    data,
    distance,
    gradient_of,
    logits_model,
    loss_of,
    run,
    spec,
    stepped,
)

PLAIN = Recipe(epochs=2, batch_size=100, momentum=0.0, weight_decay=0.0)
MEMORY = spec(hidden=[32])


@cache
def memorised() -> nn.Module:
    """Return a network that has memorised retain and forget."""
    model = build_model(MEMORY, 0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    for _ in range(20):
        optimizer.zero_grad()
        (0.77 * loss_of(model, data()) + 0.23 * loss_of(model, data(9, seed=1))).backward()
        optimizer.step()
    return model.eval()


FORGETS = {
    "gradient_ascent": {"lr": 0.05, "epochs": 12},
    "neggrad_plus": {"lr": 0.1, "epochs": 10, "alpha": 0.5},
    "random_labels": {"lr": 0.1, "epochs": 10},
    "salun": {"lr": 0.1, "epochs": 10},
    "scrub": {"lr": 0.05, "epochs": 10},
    "bad_teacher": {"lr": 0.01, "epochs": 20, "share": 1.0},
    "fanchuan": {"lr": 0.1, "uniform_lr": 0.5, "contrast_lr": 0.01, "epochs": 2},
    "ssd": {"alpha": 2.0, "batch_size": 1},
}


@pytest.mark.parametrize("name", FORGETS)
def test_the_loss_rises_on_the_forget_set_and_far_less_on_the_retain_set(name: str) -> None:
    before, recipe = memorised(), Recipe(epochs=2, batch_size=8)
    after = run(name, before, context({"batch_size": 8, **FORGETS[name]}, MEMORY, recipe=recipe))
    rise = [float((loss_of(after, split) - loss_of(before, split)).detach()) for split in (data(9, seed=1), data())]

    assert rise[0] > 0.1
    assert rise[0] > 2 * rise[1]


def test_gradient_ascent_climbs_by_the_gradient() -> None:
    model = build_model(MLP, 0).eval()
    got = run("gradient_ascent", model, context({"lr": 0.3, "epochs": 1}, recipe=PLAIN))

    assert distance(got, stepped(model, data(9, seed=1), -0.3)) < 1e-6


def test_gradient_ascent_ends_at_its_cap() -> None:
    model = build_model(MLP, 0)

    assert distance(run("gradient_ascent", model, context({"max_loss": 0.0})), model) == 0


def test_neggrad_plus_weighs_descent_against_ascent() -> None:
    kept = as_images([[0.0, 0.0, 0.0]]), torch.tensor([1])
    gone = as_images([[math.log(2), 0.0, 0.0]]), torch.tensor([0])
    loss = neggrad_plus.neggrad_loss(logits_model(), kept, gone, alpha=0.8, max_loss=10.0)

    assert float(loss) == pytest.approx(0.8 * math.log(3) - 0.2 * math.log(2))


def test_neggrad_plus_with_alpha_one_is_fine_tuning() -> None:
    model = build_model(MLP, 0).eval()
    got = run("neggrad_plus", model, context({"alpha": 1, "lr": 0.3}, recipe=PLAIN))

    assert distance(got, stepped(model, data(), 0.3)) < 1e-6


def test_salun_s_mask_holds_the_weights_with_the_largest_gradients_of_the_forget_set() -> None:
    model, forget = build_model(MLP, 0).eval(), data(9, seed=1)
    masks = salun.salient(model, list(model.parameters()), forget, Clock(context()), 100, share=0.25)

    scores = torch.cat([gradient.abs().flatten() for gradient in gradient_of(model, forget)])
    mask = torch.cat([part.flatten() for part in masks])
    assert int(mask.sum()) == round(0.25 * len(scores))
    assert scores[mask].min() >= scores[~mask].max()


def test_salun_moves_no_other_weight_despite_momentum_and_weight_decay() -> None:
    recipe = Recipe(epochs=2, batch_size=8, momentum=0.9, weight_decay=0.1)
    model = build_model(MLP, 0).eval()
    got = run("salun", model, context({"share": 0.25, "epochs": 3, "batch_size": 100}, recipe=recipe))

    masks = salun.salient(model, list(model.parameters()), data(9, seed=1), Clock(context()), 100, share=0.25)
    for mask, before, after in zip(masks, model.parameters(), got.parameters(), strict=True):
        assert torch.equal(before[~mask], after[~mask])
        assert not mask.any() or (before[mask] != after[mask]).any()


def test_scrub_s_student_takes_the_step_not_its_teacher() -> None:
    """Without ascent, and before the student differs, distillation has no gradient: one step is a step of fine-tuning."""
    model = build_model(MLP, 0).eval()
    got = run("scrub", model, context({"max_share": 0, "lr": 0.3, "epochs": 1}, recipe=PLAIN))

    assert distance(got, stepped(model, data(), 0.3)) < 1e-6


def test_scrub_s_distance_is_scaled_by_the_squared_temperature() -> None:
    target = torch.tensor([[2 * math.log(2), 0.0, 0.0]])

    expected = 4 * (0.5 * math.log(3 / 2) + 0.5 * math.log(3 / 4))
    assert scrub.distillation(target, torch.zeros(1, 3), 2.0).tolist() == pytest.approx([expected])


def test_ssd_dampens_what_passes_the_threshold_by_the_formula() -> None:
    weight = torch.full((5,), 2.0)
    of_all, of_forget = torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0]), torch.tensor([1.0, 3.0, 10.0, 0.0, 2.0])
    ssd.dampen(weight, of_all, of_forget, alpha=2.0, strength=1.0)

    assert weight.tolist() == pytest.approx([2, 2 / 3, 0.2, 2, 2])


def test_ssd_never_enlarges_a_weight() -> None:
    weight = torch.full((2,), 2.0)
    ssd.dampen(weight, torch.ones(2), torch.tensor([3.0, 10.0]), alpha=2.0, strength=5.0)

    assert weight.tolist() == pytest.approx([2, 1])


def cut_short(monkeypatch: pytest.MonkeyPatch, steps: int) -> Context:
    """Return a context for ssd with a time limit that expires after ``steps`` batches."""
    about = context({"alpha": 1.2, "batch_size": 10}, time_limit_s=10.0)
    left = iter([10.0] * steps + [0.5])
    monkeypatch.setattr(Context, "remaining_s", property(lambda _: next(left)))
    return about


def test_ssd_cut_short_takes_the_mean_over_the_batches_that_it_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    """All examples are the same but for the forget set's labels, so that one batch of 10 tells what forget weighs in it."""
    one = data(1)
    retain = SplitData(one.images.repeat(30, 1, 1, 1), one.labels.repeat(30), N_CLASSES, one.normalisation)
    model, forget = build_model(MLP, 0).eval(), data(9, seed=1)
    got = run("ssd", model, cut_short(monkeypatch, 2), retain)

    torch.manual_seed(0)
    gone = torch.randperm(9)
    torch.randperm(30)
    images = torch.cat([retain.images, forget.images[gone]])
    labels = torch.cat([retain.labels, forget.labels[gone]])
    first = torch.randperm(39)[:10]
    seen = SplitData(images[first], labels[first], N_CLASSES, one.normalisation)
    for before, after, others, own in zip(
        model.parameters(), got.parameters(), gradient_of(model, seen), gradient_of(model, forget), strict=True
    ):
        factor = torch.where(own**2 > 1.2 * others**2, others**2 / own**2, torch.ones(()))
        assert torch.allclose(after, before * factor.clamp(max=1), atol=1e-6)


def test_ssd_without_time_for_all_data_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model(MLP, 0).eval()

    assert distance(run("ssd", model, cut_short(monkeypatch, 1)), model) == 0


def test_bad_teacher_draws_the_forget_set_towards_a_fresh_network() -> None:
    after = run("bad_teacher", memorised(), context({"lr": 0.01, "epochs": 20, "share": 1.0}, MEMORY))
    images, _ = next(iter(data(9, seed=1).loader(9)))

    confidence = [float(model(images).softmax(1).max(1).values.mean().detach()) for model in (memorised(), after)]
    assert confidence[1] < confidence[0] - 0.1


def test_the_l1_penalty_is_the_sum_of_magnitudes_and_fades() -> None:
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, -2.0]]))
        model.bias.fill_(0.5)

    assert float(l1_sparse.penalty(model, 0.1, 0.0).detach()) == pytest.approx(0.35)
    assert float(l1_sparse.penalty(model, 0.1, 0.5).detach()) == pytest.approx(0.175)


def test_l1_sparse_leaves_smaller_weights_than_fine_tuning_alone() -> None:
    def size(gamma: float) -> float:
        model = run("l1_sparse", memorised(), context({"gamma": gamma, "epochs": 5}, MEMORY))
        return sum(float(parameter.detach().abs().sum()) for parameter in model.parameters())

    assert size(0.05) < 0.95 * size(0.0)


LAST_TWO = {
    "patch-cnn": ("7.", "9."),
    "small-cnn-batch": ("6.", "7.", "10."),
    "resnet18": ("layer4.1.conv2.", "layer4.1.bn2.", "fc."),
}
"""The last two layers with weights, by architecture."""


@pytest.mark.parametrize("name", ["cf_k", "eu_k"])
@pytest.mark.parametrize("architecture", LAST_TWO)
def test_the_first_layers_keep_weights_and_statistics_and_the_last_are_trained(name: str, architecture: str) -> None:
    network = ARCHITECTURES[architecture]
    model = build_model(network, 0)
    before, after = model.state_dict(), run(name, model, context({"k": 2}, network)).state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}

    last = LAST_TWO[architecture]
    assert changed
    assert changed <= {key for key in before if key.startswith(last)}
    assert {key for key in changed if key.endswith("weight")} == {
        key for key in before if key.startswith(last) and key.endswith("weight")
    }


def test_eu_k_begins_with_the_layers_of_a_fresh_network() -> None:
    network = ARCHITECTURES["small-cnn"]
    got = run("eu_k", build_model(network, 0), context({"k": 1, "epochs": 0}, network))
    torch.manual_seed(0)
    fresh = context(spec=network).new_model()

    assert torch.equal(list(got.parameters())[-2], list(fresh.parameters())[-2])
