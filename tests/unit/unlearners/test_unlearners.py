"""Options, controls and baselines, called as the guest calls them."""

from __future__ import annotations

import copy
import importlib
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from harness_unlearners import retrain
from harness_unlearners._options import read_options
from harness_unlearners._weights import add_relative_noise
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe
from reference_models.training.schedules import learning_rate
from tests.unit.unlearners.bench import METHODS, MLP, context, data, distance, run, stepped


def test_noop_changes_nothing() -> None:
    model = build_model(MLP, 0)

    assert distance(run("noop", model, context()), model) == 0


@pytest.mark.parametrize("name", METHODS)
def test_an_unknown_option_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="unknown option 'learning_rate'; known options: "):
        run(name, build_model(MLP, 0), context({"learning_rate": 1}))


EPOCHS = {"epochs": {"type": "whole", "default": 1}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("fast", "must be a number"),
        (None, "must be a number"),
        (-1, "at least 0"),
        ("nan", "at least 0"),
        (1.5, "whole"),
    ],
)
def test_a_bad_value_is_refused_with_the_option_s_name(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"'epochs' must be .*{message.removeprefix('must be ')}"):
        read_options({"epochs": value}, EPOCHS)


def test_options_may_be_texts_and_keep_their_type() -> None:
    declared = {"lr": {"type": "number", "default": 0.1}, **EPOCHS, "size": {"type": "whole", "default": 2}}

    assert read_options({"lr": "0.5", "epochs": "3"}, declared) == {"lr": 0.5, "epochs": 3, "size": 2}


@pytest.mark.parametrize(
    ("bounds", "value", "message"),
    [({"most": 1}, 1.5, r"'alpha' must be at most 1, not 1\.5"), ({"above": 0}, 0, "'alpha' must be above 0, not 0")],
)
def test_a_value_out_of_bounds_is_refused(bounds: dict[str, float], value: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_options({"alpha": value}, {"alpha": {"type": "number", "default": 0.5, **bounds}})


def test_defaults_may_be_in_proportion_to_the_recipe() -> None:
    declared = {
        "lr": {"type": "number", "default": "0.5 x recipe.lr"},
        "epochs": {"type": "whole", "default": "3/30 x recipe.epochs"},
        "batch_size": {"type": "whole", "default": "recipe.batch_size, at least 64"},
        "order": {"choices": ["mixed", "in_turn"]},
    }
    large, small = Recipe(epochs=30, batch_size=128, lr=0.1), Recipe(epochs=4, batch_size=8, lr=0.1)

    assert read_options({}, declared, large) == {"lr": 0.05, "epochs": 3, "batch_size": 128, "order": "mixed"}
    assert read_options({}, declared, small) == {"lr": 0.05, "epochs": 1, "batch_size": 64, "order": "mixed"}


@pytest.mark.parametrize("name", METHODS)
def test_declared_options_are_those_of_the_docstring(name: str) -> None:
    module = importlib.import_module(f"harness_unlearners.{name}")
    _, _, told = (module.unlearn.__doc__ or "").partition("Options: ")
    named = {word for word in re.findall(r"``(\w+)``", told) if word != "recipe"}

    assert set(module.HARNESS_OPTIONS) == named


def test_finetune_takes_the_steps_of_plain_sgd() -> None:
    model = build_model(MLP, 0)
    got = run("finetune", model, context({"lr": "0.1", "batch_size": 100}))

    assert distance(got, stepped(model, data(), 0.1)) < 1e-6


def test_retraining_is_a_function_of_torch_s_seed() -> None:
    model = build_model(MLP, 0)

    assert distance(run("retrain", model, context()), run("retrain", model, context())) == 0
    assert distance(run("retrain", model, context()), model) > 0


def test_noise_has_the_spread_asked_for_in_every_tensor() -> None:
    model = nn.Sequential(nn.Linear(300, 300), nn.BatchNorm1d(300))
    with torch.no_grad():
        model[0].weight.normal_(0, 2.0)
        model[0].bias.normal_(0, 0.1)
    before = copy.deepcopy(model)
    torch.manual_seed(0)
    add_relative_noise(model.parameters(), 0.5)

    added = model[0].weight - before[0].weight
    assert float(added.std().detach()) == pytest.approx(1.0, rel=0.02)
    assert float((model[0].bias - before[0].bias).std().detach()) == pytest.approx(0.05, rel=0.2)
    assert torch.equal(model[1].weight, before[1].weight)
    assert torch.equal(model[1].running_var, before[1].running_var)


def test_noise_of_zero_and_no_repair_is_the_original() -> None:
    model = build_model(MLP, 0)

    assert distance(run("noise", model, context({"sigma": 0, "epochs": 0})), model) == 0


def test_retrain_does_not_depend_on_the_original() -> None:
    first, second = (run("retrain", build_model(MLP, seed), context()) for seed in (0, 1))

    assert distance(first, second) == 0


def test_retrain_refuses_an_optimizer_that_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="unknown optimizer 'lamb'"):
        run("retrain", build_model(MLP, 0), context(recipe=Recipe(optimizer="lamb")))  # type: ignore[arg-type]


def test_every_bundled_method_is_in_the_documentation_with_its_options() -> None:
    """Each method's own names of options, as its refusal lists them."""
    page = (Path(__file__).parents[3] / "docs" / "reference" / "unlearners.md").read_text()
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}

    for name in METHODS:
        with pytest.raises(ValueError, match="known options") as refusal:
            run(name, build_model(MLP, 0), context({"no such option": 1}))
        known = set(str(refusal.value).rpartition(": ")[2].split(", ")) - {"none", "batch_size"}
        assert all(option in rows[name] for option in known), (name, known)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_retrain_learns_the_retain_set(optimizer: str) -> None:
    recipe = Recipe(epochs=60, batch_size=8, optimizer=optimizer, lr=0.05 if optimizer == "sgd" else 0.01)  # type: ignore[arg-type]
    model = run("retrain", build_model(MLP, 0), context(recipe=recipe)).eval()
    images, labels = next(iter(data().loader(100)))

    assert float((model(images).argmax(1) == labels).float().mean()) > 0.9


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_retrain_s_schedule_is_the_references(schedule: str) -> None:
    recipe = Recipe(schedule=schedule, lr=0.3, warmup=0.25)  # type: ignore[arg-type]

    for step in range(20):
        assert retrain.learning_rate(recipe, step, 20) == pytest.approx(learning_rate(recipe, step, 20), abs=1e-12)


def test_a_new_model_has_the_architecture_s_own_initialisation_and_fresh_buffers() -> None:
    """ResNet-18 initialises its convolutions itself; resetting layers one by one would give another distribution."""
    spec = ModelSpec(ArchitectureSpec("resnet18", {"width": 8}), (3, 8, 8), 10, (0.5,) * 3, (0.25,) * 3)
    about = context(spec=spec)
    torch.manual_seed(3)
    first, second = about.new_model(), about.new_model()

    assert distance(first, second) > 0
    assert first.conv1.weight.std().item() == pytest.approx(build_model(spec, 5).conv1.weight.std().item(), rel=0.2)  # type: ignore[union-attr]
    assert int(first.bn1.num_batches_tracked) == 0  # type: ignore[union-attr, arg-type]
