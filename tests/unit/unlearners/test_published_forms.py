"""Each method against a plain computation of its published or released formula, on the same tensors."""

from __future__ import annotations

import copy
import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness_guest.data import SplitData
from harness_unlearners import _relabelling, bad_teacher, fanchuan, msg, salun, scrub, sebastian, seif
from harness_unlearners._clock import Clock
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import Recipe
from tests.unit.unlearners.bench import (
    ARCHITECTURES,
    CHALLENGE,
    CLASSIC,
    MLP,
    N_CLASSES,
    context,
    data,
    distance,
    gradient_of,
    run,
    stepped,
)

CNN = ARCHITECTURES["small-cnn-batch"]
PUBLISHED = Path(__file__).parents[3] / "benchmarks" / "methods" / "published.md"
LOGITS = torch.randn(16, N_CLASSES, generator=torch.Generator().manual_seed(1)) * 2
TARGET = torch.randn(16, N_CLASSES, generator=torch.Generator().manual_seed(2)) * 2
LABELS = torch.arange(16) % N_CLASSES


def softmax(logits: Tensor) -> list[list[float]]:
    rows = [[math.exp(one) for one in row] for row in logits.tolist()]
    return [[one / sum(row) for one in row] for row in rows]


def cross_entropies(logits: Tensor, labels: Tensor) -> list[float]:
    return [-math.log(row[label]) for row, label in zip(softmax(logits), labels.tolist(), strict=True)]


def divergences(target: Tensor, logits: Tensor) -> list[float]:
    pairs = zip(softmax(target), softmax(logits), strict=True)
    return [sum(p * math.log(p / q) for p, q in zip(one, other, strict=True)) for one, other in pairs]


def part(split: SplitData, rows: list[int]) -> SplitData:
    return SplitData(split.images[rows], split.labels[rows], split.n_classes, split.normalisation)


def importances(model: nn.Module, batches: list[SplitData]) -> list[Tensor]:
    """Mean over batches of the squared gradient of the batch's mean cross-entropy."""
    squares = [[gradient**2 for gradient in gradient_of(model, batch)] for batch in batches]
    return [torch.stack(parts).mean(0) for parts in zip(*squares, strict=True)]


def cut(split: SplitData, size: int) -> list[SplitData]:
    return [part(split, list(range(len(split)))[start : start + size]) for start in range(0, len(split), size)]


@pytest.mark.parametrize("batches", ["mixed", "in_turn"])
def test_ssd_takes_importances_over_batches_of_all_training_data(batches: str) -> None:
    model, retain, forget = build_model(CNN, 0).eval(), data(30), data(9, seed=1)
    about = context({"alpha": 2.0, "lambda": 0.5, "batch_size": 4, "batches": batches}, CNN)
    got = run("ssd", model, about, retain, forget, seed=3)

    torch.manual_seed(3)
    gone = part(forget, torch.randperm(9).tolist())
    kept = part(retain, torch.randperm(30).tolist())
    whole = SplitData(
        torch.cat([kept.images, gone.images]), torch.cat([kept.labels, gone.labels]), N_CLASSES, kept.normalisation
    )
    if batches == "mixed":
        whole = part(whole, torch.randperm(39).tolist())
    of_forget, of_all = importances(model, cut(gone, 4)), importances(model, cut(whole, 4))
    expected = [
        torch.where(f > 2 * d, weight * torch.clamp(0.5 * d / f, max=1), weight)
        for weight, f, d in zip(model.parameters(), of_forget, of_all, strict=True)
    ]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(got.parameters(), expected, strict=True))
    assert distance(got, model) > 0.01


def test_ssd_with_an_alpha_above_the_ratio_of_the_sets_acts_on_mixed_batches_alone() -> None:
    """Unmixed, the importance of all data holds the forget set's own with its share, so that the ratio has a bound."""
    model, retain, forget = build_model(CNN, 0).eval(), data(96), data(32, seed=1)
    moved = {
        form: distance(
            run("ssd", model, context({"alpha": 4.5, "batch_size": 32, "batches": form}, CNN), retain, forget), model
        )
        for form in ("mixed", "in_turn")
    }

    assert moved["in_turn"] == 0
    assert moved["mixed"] > 0


def test_ssd_draws_its_batches_from_the_seed() -> None:
    model, about = build_model(CNN, 0), context({"alpha": 2.0, "batch_size": 4}, CNN)

    assert distance(run("ssd", model, about), run("ssd", model, about)) == 0
    assert distance(run("ssd", model, about), run("ssd", model, about, seed=1)) > 0


class Named(nn.Module):
    """Children as of torchvision's ResNet-18."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3)
        self.layer1 = nn.Sequential(nn.Conv2d(2, 2, 3))
        self.fc = nn.Linear(2, N_CLASSES)


def test_seif_s_released_noise_goes_to_children_called_conv_or_else_to_the_first_convolution() -> None:
    named, sequential = Named(), nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3))

    assert [id(weight) for weight in seif.named_kernels(named)] == [id(named.conv1.weight)]
    assert [id(weight) for weight in seif.named_kernels(sequential)] == [id(sequential[0].weight)]


def test_seif_s_absolute_noise_has_the_same_spread_in_every_layer() -> None:
    weights = [torch.zeros(20_000), torch.full((20_000,), 5.0)]
    torch.manual_seed(0)
    seif.add_noise(weights, 0.6)

    assert [float(weight.std()) for weight in weights] == pytest.approx([0.6, 0.6], rel=0.02)
    assert [float(weight.mean()) for weight in weights] == pytest.approx([0, 5], abs=0.02)


def test_seif_s_published_options_disturb_the_first_convolution_alone_in_the_weights_own_units() -> None:
    network = ARCHITECTURES["resnet18"]
    model = build_model(network, 0)
    about = context({"epochs": 0, "layers": "named", "scale": "absolute"}, network)
    got = dict(run("seif", model, about).named_parameters())
    changed = {
        name: got[name] - weight for name, weight in model.named_parameters() if not torch.equal(weight, got[name])
    }

    assert list(changed) == ["conv1.weight"]
    noise = changed["conv1.weight"].detach()
    assert float(noise.std()) == pytest.approx(0.6, abs=5 * 0.6 / math.sqrt(2 * noise.numel()))


def test_seif_s_two_weighted_losses_are_the_released_and_the_described_one() -> None:
    weights = torch.tensor([0.05, 1.0, 0.05])
    losses, factors = cross_entropies(LOGITS, LABELS), [weights[label].item() for label in LABELS]
    released = sum(losses) / 16 * sum(factors) / 16
    described = sum(loss * factor for loss, factor in zip(losses, factors, strict=True)) / 16

    assert float(seif.batch_weighted_loss(LOGITS, LABELS, weights)) == pytest.approx(released)
    assert float(seif.example_weighted_loss(LOGITS, LABELS, weights)) == pytest.approx(described)
    assert abs(released - described) > 0.01


@pytest.mark.parametrize("weighting", ["batch", "example"])
def test_seif_descends_the_loss_that_is_asked_for(weighting: str) -> None:
    model, split = build_model(MLP, 0).eval(), data()
    given = {"sigma": 0, "last_sigma": 0, "epochs": 1, "lr": 0.4, "batch_size": 100, "weighting": weighting}
    got = run("seif", model, context(given, recipe=Recipe(epochs=2, batch_size=100, momentum=0.0, weight_decay=0.0)))

    logits = model(next(iter(split.loader(100)))[0])
    weights = torch.full((N_CLASSES,), 0.5)
    weights[torch.bincount(split.labels).argmax()] = 1
    losses, factors = F.cross_entropy(logits, split.labels, reduction="none"), weights[split.labels]
    loss = losses.mean() * factors.mean() if weighting == "batch" else (losses * factors).mean()
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    for before, after, gradient in zip(model.parameters(), got.parameters(), gradients, strict=True):
        assert torch.allclose(after, before - 0.2 * gradient, atol=1e-6)  # half a cosine is at 0.5 in its middle


def test_sebastian_prunes_biases_among_all_weights_and_leaves_them_at_zero() -> None:
    model, fresh = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    with torch.no_grad():
        for parameter, values in zip(
            model.parameters(), ([[0.1, -5.0], [4.0, 3.0]], [0.2, -6.0], [[0.3, -0.4]], [0.05]), strict=True
        ):
            parameter.copy_(torch.tensor(values))
        for parameter in fresh.parameters():
            parameter.fill_(9.0)
    sebastian.restart_small_weights(model, fresh, 4 / 9, biases=True)

    values = torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).tolist()
    assert values == pytest.approx([9, -5, 4, 3, 0, -6, 9, -0.4, 0])


def test_sebastian_weighs_a_class_by_the_tenth_root_of_its_frequency() -> None:
    weights = sebastian.class_weights(torch.tensor([0] * 10 + [2] * 5), 4, 0.1).tolist()

    assert weights == pytest.approx([10**-0.1, 1, 5**-0.1, 1])


def test_sebastian_s_loss_is_weighted_cross_entropy_and_the_square_of_the_entropies_difference() -> None:
    weights = torch.tensor([0.9, 0.8, 0.7])
    factors = [weights[label].item() for label in LABELS]
    losses = cross_entropies(LOGITS, LABELS)
    weighted = sum(loss * factor for loss, factor in zip(losses, factors, strict=True)) / sum(factors)
    entropies = [[-sum(p * math.log(p) for p in row) for row in softmax(logits)] for logits in (LOGITS, TARGET)]
    squares = [(one - other) ** 2 for one, other in zip(*entropies, strict=True)]

    got = float(sebastian.recovery_loss(LOGITS, TARGET, LABELS, weights))
    assert got == pytest.approx(weighted + sum(squares) / 16)


def test_sebastian_s_statistics_are_numbers_of_half_precision() -> None:
    model = run("sebastian", build_model(CNN, 0), context(spec=CNN))
    statistics = [buffer for buffer in model.buffers() if buffer.is_floating_point()]

    assert statistics
    assert all(torch.equal(buffer.half().float(), buffer) for buffer in statistics)


@pytest.mark.parametrize(("reduction", "divisor"), [("examples", 16), ("entries", 16 * N_CLASSES)])
def test_bad_teacher_s_loss_is_the_divergence_over_examples_or_over_entries(reduction: str, divisor: int) -> None:
    warm = [logits / 2.0 for logits in (TARGET, LOGITS)]

    got = float(bad_teacher.teaching_loss(TARGET, LOGITS, 2.0, reduction))
    assert got == pytest.approx(sum(divergences(*warm)) / divisor)


def test_bad_teacher_s_adam_hardly_notices_the_divisor() -> None:
    model, given = build_model(MLP, 0), {"lr": 0.01, "epochs": 5}
    got = [run("bad_teacher", model, context({**given, "reduction": word})) for word in ("examples", "entries")]

    assert distance(got[0], model) > 0.02
    assert distance(*got) < 0.02 * distance(got[0], model)


def test_scrub_s_distillation_at_temperature_four() -> None:
    expected = [16 * one for one in divergences(TARGET / 4, LOGITS / 4)]

    assert scrub.distillation(TARGET, LOGITS, 4.0).tolist() == pytest.approx(expected, rel=1e-4)


def test_scrub_s_rate_falls_after_epochs_five_eight_and_nine_of_ten() -> None:
    assert [scrub.milestones_passed(epoch, 10) for epoch in range(10)] == [0, 0, 0, 0, 0, 1, 1, 1, 2, 3]


def test_scrub_s_published_optimizer_is_adam_with_decay_in_its_gradient() -> None:
    model = build_model(MLP, 0).eval()
    given = {"optimizer": "adam", "lr": 0.01, "weight_decay": 0.1, "max_share": 0, "epochs": 1, "batch_size": 100}
    got = run("scrub", model, context(given))

    for before, after, gradient in zip(model.parameters(), got.parameters(), gradient_of(model, data()), strict=True):
        slope = gradient + 0.1 * before
        assert torch.allclose(after, before - 0.01 * slope / (slope.abs() + 1e-8), atol=1e-6)


def test_scrub_s_last_steps_are_smaller_by_the_decay() -> None:
    recipe = Recipe(epochs=2, batch_size=100, momentum=0.0, weight_decay=0.0)
    model = build_model(MLP, 0).eval()
    given = {"max_share": 0, "alpha": 0, "lr": 0.3, "epochs": 2, "batch_size": 100, "decay": 0.1}
    got = run("scrub", model, context(given, recipe=recipe))

    assert distance(got, stepped(stepped(model, data(), 0.3), data(), 0.03)) < 1e-6


def test_fanchuan_s_losses_are_those_of_the_entry() -> None:
    uniform = torch.zeros(16, N_CLASSES)
    assert float(fanchuan.uniform_divergence(LOGITS)) == pytest.approx(sum(divergences(uniform, LOGITS)) / 16)

    similar = [
        [sum(a * b for a, b in zip(one, other, strict=True)) / 1.15 for other in TARGET.tolist()]
        for one in LOGITS.tolist()
    ]
    logs = [value - math.log(sum(map(math.exp, row))) for row in similar for value in row]
    assert float(fanchuan.contrast(LOGITS, TARGET, 1.15)) == pytest.approx(-sum(logs) / 256, rel=1e-5)


def test_msg_s_published_initialisation_has_variance_two_over_fan_out() -> None:
    torch.manual_seed(0)
    (got,) = msg.he_weights([torch.empty(64, 32, 3, 3)])

    assert float(got.std()) == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)


def test_salun_s_mask_is_of_the_summed_gradients_of_all_forget_batches() -> None:
    model, forget = build_model(MLP, 0).eval(), data(9, seed=1)
    torch.manual_seed(5)
    masks = salun.salient(model, list(model.parameters()), forget, Clock(context()), 4, share=0.5)

    torch.manual_seed(5)
    order = torch.randperm(9).tolist()
    parts = [gradient_of(model, part(forget, order[start : start + 4])) for start in (0, 4, 8)]
    scores = torch.cat([sum(parts[1:], parts[0]).abs().flatten() for parts in map(list, zip(*parts, strict=True))])
    ranked = scores.argsort(descending=True)[: round(0.5 * len(scores))]
    mask = torch.cat([one.flatten() for one in masks])
    assert set(mask.nonzero().flatten().tolist()) == set(ranked.tolist())


def test_salun_s_published_labels_are_the_true_ones_with_the_chance_of_any_class() -> None:
    torch.manual_seed(0)
    true = torch.arange(40_000) % 4
    drawn = _relabelling.any_labels(true, 4)

    assert float((drawn == true).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert torch.bincount(drawn).float().div(40_000).tolist() == pytest.approx([0.25] * 4, abs=0.01)
    assert not bool((_relabelling.wrong_labels(true, 4) == true).any())


def test_salun_s_published_order_is_a_pass_over_forget_then_one_over_retain() -> None:
    """With all weights in the mask and plain SGD: a step on relabelled forget examples, then one on retain, in each epoch."""
    recipe = Recipe(epochs=2, batch_size=100, momentum=0.0, weight_decay=0.0)
    model, forget = build_model(MLP, 0).eval(), data(9, seed=1)
    given = {"labels": "any", "order": "forget_first", "share": 1, "lr": 0.3, "epochs": 2, "batch_size": 100}
    got = run("salun", model, context(given, recipe=recipe), forget=forget, seed=7)

    torch.manual_seed(7)
    torch.randperm(9)  # the mask's pass
    expected = copy.deepcopy(model)
    for _ in range(2):
        order = torch.randperm(9)
        relabelled = SplitData(forget.images[order], torch.randint(0, N_CLASSES, (9,)), N_CLASSES, forget.normalisation)
        torch.randperm(30)
        expected = stepped(stepped(expected, relabelled, 0.3), data(), 0.3)
    assert distance(got, expected) < 1e-6


def published_options() -> list[tuple[str, str]]:
    """Return method and options of every entry in the table of published forms."""
    rows = [line.strip("| ").split(" | ") for line in PUBLISHED.read_text().splitlines() if line.startswith("| `")]
    return [
        (name, form)
        for row in rows
        for name in re.findall(r"`(\w+)`", row[0])
        for form in re.findall(r"`([^`]+=[^`]+)`", row[-1])
        if name in (*CLASSIC, *CHALLENGE)
    ]


@pytest.mark.parametrize(("name", "form"), published_options())
def test_the_options_of_the_published_form_are_accepted(name: str, form: str) -> None:
    given = dict(option.split("=") for option in form.split())
    model = run(name, build_model(CNN, 0), context(given, CNN))

    assert all(bool(tensor.isfinite().all()) for tensor in model.state_dict().values())


def test_a_word_that_an_option_does_not_know_is_refused_with_those_that_it_knows() -> None:
    with pytest.raises(ValueError, match="'batches' must be one of mixed, in_turn, not 'both'"):
        run("ssd", build_model(MLP, 0), context({"batches": "both"}))
