"""What every bundled method promises, whatever the network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from itertools import count

import pytest
import torch
from torch import nn

from harness_guest.context import Context
from reference_models.networks.architectures import build_model
from tests.unit.unlearners.bench import ARCHITECTURES, BUDGETED, CHALLENGE, MLP, context, data, distance, run

TRAINING = [name for name in BUDGETED if name != "ssd"]
SSD_THAT_ACTS = {"alpha": 0.5}


def options(name: str, **given: float) -> dict[str, float]:
    """``given``, with what makes SSD select anything on data this small."""
    return {**given, **(SSD_THAT_ACTS if name == "ssd" else {})}


def original(architecture: str) -> nn.Module:
    return build_model(ARCHITECTURES[architecture], 0)


def unlearned(name: str, architecture: str) -> nn.Module:
    """With 33 retain and 9 forget examples in batches of 8, so that one example is left over of each."""
    about = context(options(name, batch_size=8), ARCHITECTURES[architecture])
    return run(name, original(architecture), about, data(33), data(9, seed=1))


def form(model: nn.Module) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Return shapes and dtypes of a state."""
    return {key: (tensor.shape, tensor.dtype) for key, tensor in model.state_dict().items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", BUDGETED)
def test_a_method_changes_weights_alone_and_always_in_the_same_way(name: str, architecture: str) -> None:
    before, model, again = original(architecture), unlearned(name, architecture), unlearned(name, architecture)
    state, same = model.state_dict(), again.state_dict()

    assert all(bool(tensor.isfinite().all()) for tensor in state.values())
    # SCRUB has been published with its optimizer on the teacher, which moves nothing but BatchNorm's statistics.
    assert distance(model, before) > 1e-6
    assert all(torch.equal(tensor, same[key]) for key, tensor in state.items())
    assert form(model) == form(before)
    assert not any(module.training for module in model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert not any(parameter._backward_hooks for parameter in model.parameters())


@pytest.mark.parametrize("name", BUDGETED)
def test_a_forget_set_of_one_example_and_batches_of_one_work_with_batch_norm(name: str) -> None:
    about = context(options(name, batch_size=1), ARCHITECTURES["resnet18"])

    model = run(name, original("resnet18"), about, data(3), data(1, seed=1))
    assert all(bool(tensor.isfinite().all()) for tensor in model.state_dict().values())


class Ticking(Context):
    """A context whose clock goes on by one second whenever it is read."""

    @cached_property
    def _readings(self) -> Iterator[int]:
        return count(1)

    @property
    def remaining_s(self) -> float:
        return float(self.time_limit_s or math.inf) - next(self._readings)


@pytest.mark.parametrize("name", TRAINING)
def test_a_method_with_far_too_many_epochs_stops_within_its_limit(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = context({"epochs": 10**6, "batch_size": 8}, time_limit_s=20.0)
    about = Ticking(plain.device, plain.seed, plain.n_classes, plain.recipe, plain.spec, plain.options, 20.0)

    model = run(name, build_model(MLP, 0), about)
    assert about.remaining_s > 0
    assert "the time limit is almost reached" in capsys.readouterr().out
    assert all(bool(tensor.isfinite().all()) for tensor in model.state_dict().values())


@pytest.mark.parametrize("name", ["finetune", "ssd", "msg", "salun", "scrub", "neggrad_plus", "gradient_ascent"])
def test_without_any_time_nothing_is_done(name: str) -> None:
    model = build_model(MLP, 0)

    assert distance(run(name, model, context(time_limit_s=0.0)), model) == 0


@pytest.mark.parametrize("name", BUDGETED)
def test_no_option_is_needed_and_text_is_as_good_as_numbers(name: str) -> None:
    model = build_model(MLP, 0)
    plain, spelt = context(options(name)), context({key: str(value) for key, value in options(name).items()})

    assert distance(run(name, model, plain), run(name, model, spelt)) == 0


@pytest.mark.parametrize("name", [name for name in CHALLENGE if name not in ("ct", "fanchuan")])
def test_methods_that_inject_randomness_depend_on_the_seed_without_any_training(name: str) -> None:
    """One original is then enough for a distribution."""
    model = original("small-cnn")
    about = context({"epochs": 0}, ARCHITECTURES["small-cnn"])

    assert distance(run(name, model, about), run(name, model, about, seed=1)) > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", BUDGETED)
def test_a_method_works_on_a_gpu(name: str) -> None:
    architecture, cuda = "resnet18", torch.device("cuda")
    splits = [data(33), data(9, seed=1)]
    for split in splits:
        split.images, split.labels = split.images.to(cuda), split.labels.to(cuda)
    plain = context(options(name, batch_size=8), ARCHITECTURES[architecture])
    about = Context(cuda, 0, plain.n_classes, plain.recipe, plain.spec, plain.options, 60.0)

    state = run(name, original(architecture).to(cuda), about, *splits).state_dict()
    assert all(tensor.device.type == "cuda" and bool(tensor.isfinite().all()) for tensor in state.values())
