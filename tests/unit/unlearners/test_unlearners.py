"""The bundled methods, called as the guest calls them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from harness_guest.context import Context
from harness_guest.data import Normalisation, SplitData
from harness_unlearners import finetune, noise, noop, retrain
from harness_unlearners._options import read_options
from reference_models.architectures import build_model
from reference_models.recipe import ArchitectureSpec, ModelSpec, Recipe
from reference_models.schedules import learning_rate

SPEC = ModelSpec(ArchitectureSpec("mlp", {"hidden": [8]}), 1, (6, 6), 3, (0.5,), (0.25,))
METHODS = {"noop": noop, "finetune": finetune, "noise": noise, "retrain": retrain}


def data(n_examples: int = 30) -> SplitData:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n_examples, 1, 6, 6), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 3, (n_examples,), generator=generator)
    return SplitData(images, labels, 3, Normalisation(SPEC.mean, SPEC.std))


def context(options: Mapping[str, Any] | None = None, spec: ModelSpec = SPEC, **fields: Any) -> Context:
    defaults = {"recipe": Recipe(epochs=2, batch_size=8), "spec": spec, "options": options or {}}
    return Context(torch.device("cpu"), 0, 3, **{**defaults, **fields})


def run(name: str, model: nn.Module, about: Context, split: SplitData | None = None) -> nn.Module:
    """The unlearned model, from a copy of ``model``."""
    torch.manual_seed(0)
    model = copy.deepcopy(model).eval()
    given = {"model": model, "retain": data() if split is None else split, "context": about}
    hook = METHODS[name].unlearn
    names = hook.__code__.co_varnames[: hook.__code__.co_argcount]
    returned = hook(**{argument: given[argument] for argument in names})
    return model if returned is None else returned


def distance(first: nn.Module, second: nn.Module) -> float:
    """Largest difference of any weight."""
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def test_noop_changes_nothing() -> None:
    model = build_model(SPEC, 0)

    assert distance(run("noop", model, context()), model) == 0


@pytest.mark.parametrize("name", METHODS)
def test_an_unknown_option_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="unknown option 'learning_rate'; known options: "):
        run(name, build_model(SPEC, 0), context({"learning_rate": 1}))


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
        read_options({"epochs": value}, {"epochs": 1})


def test_options_may_be_texts_and_keep_their_type() -> None:
    assert read_options({"lr": "0.5", "epochs": "3"}, {"lr": 0.1, "epochs": 1, "size": 2}) == {
        "lr": 0.5,
        "epochs": 3,
        "size": 2,
    }


def test_finetune_takes_the_steps_of_plain_sgd() -> None:
    model = build_model(SPEC, 0)
    got = run("finetune", model, context({"lr": "0.1", "batch_size": 100}))

    expected = copy.deepcopy(model)
    images, labels = next(iter(data().loader(100)))
    nn.functional.cross_entropy(expected(images), labels).backward()
    with torch.no_grad():
        for parameter in expected.parameters():
            parameter -= 0.1 * parameter.grad
    assert distance(got, expected) < 1e-6


def test_finetune_stops_when_the_time_is_nearly_over(capsys: pytest.CaptureFixture[str]) -> None:
    model = build_model(SPEC, 0)
    late = context({"epochs": 10**9}, time_limit_s=0.0)

    assert distance(run("finetune", model, late), model) == 0
    assert "the time is nearly over" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["finetune", "noise", "retrain"])
def test_a_method_is_a_function_of_torch_s_seed(name: str) -> None:
    model = build_model(SPEC, 0)

    assert distance(run(name, model, context()), run(name, model, context())) == 0
    assert distance(run(name, model, context()), model) > 0


def test_noise_has_the_spread_asked_for_in_every_tensor() -> None:
    model = nn.Sequential(nn.Linear(300, 300), nn.BatchNorm1d(300))
    with torch.no_grad():
        model[0].weight.normal_(0, 2.0)
        model[0].bias.normal_(0, 0.1)
    before = copy.deepcopy(model)
    torch.manual_seed(0)
    noise.add_noise(model, 0.5)

    added = model[0].weight - before[0].weight
    assert float(added.std().detach()) == pytest.approx(1.0, rel=0.02)
    assert float((model[0].bias - before[0].bias).std().detach()) == pytest.approx(0.05, rel=0.2)
    assert torch.equal(model[1].weight, before[1].weight)
    assert torch.equal(model[1].running_var, before[1].running_var)


def test_noise_of_zero_and_no_repair_is_the_original() -> None:
    model = build_model(SPEC, 0)

    assert distance(run("noise", model, context({"sigma": 0, "epochs": 0})), model) == 0


def test_retrain_does_not_depend_on_the_original() -> None:
    first, second = (run("retrain", build_model(SPEC, seed), context()) for seed in (0, 1))

    assert distance(first, second) == 0


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_retrain_learns_the_retain_set(optimizer: str) -> None:
    recipe = Recipe(epochs=60, batch_size=8, optimizer=optimizer, lr=0.05 if optimizer == "sgd" else 0.01)  # type: ignore[arg-type]
    model = run("retrain", build_model(SPEC, 0), context(recipe=recipe)).eval()
    images, labels = next(iter(data().loader(100)))

    assert float((model(images).argmax(1) == labels).float().mean()) > 0.9


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_retrain_s_schedule_is_the_references(schedule: str) -> None:
    recipe = Recipe(schedule=schedule, lr=0.3, warmup=0.25)  # type: ignore[arg-type]

    for step in range(20):
        assert retrain.learning_rate(recipe, step, 20) == pytest.approx(learning_rate(recipe, step, 20), abs=1e-12)


def test_a_new_model_has_the_architecture_s_own_initialisation_and_fresh_buffers() -> None:
    """ResNet-18 initialises its convolutions itself; resetting layers one by one would give another distribution."""
    spec = ModelSpec(ArchitectureSpec("resnet18", {"width": 8}), 3, (8, 8), 10, (0.5,) * 3, (0.25,) * 3)
    about = context(spec=spec)
    torch.manual_seed(3)
    first, second = about.new_model(), about.new_model()

    assert distance(first, second) > 0
    assert first[0].weight.std().item() == pytest.approx(build_model(spec, 5)[0].weight.std().item(), rel=0.2)  # type: ignore[index, union-attr]
    assert int(first[1].num_batches_tracked) == 0  # type: ignore[index, arg-type]
