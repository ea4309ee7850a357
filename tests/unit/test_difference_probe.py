"""The probe ``difference``: known distances, barriers, slopes and reconstructions, and the pairs that it is given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from harness.probes import difference
from harness.probes.probe import Arrays, ProbeInputs
from harness_evaluators.difference.evaluator import barriers
from reference_models.networks.architectures import build_model
from reference_models.networks.inputs import normalise
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe
from reference_models.training.loop import train_one
from reference_models.training.states import State, stack_states

SIZES = {"retain": 60, "forget": 12, "validation": 2, "test": 20}
CNN = ModelSpec(ArchitectureSpec("small-cnn", {"width": 4, "norm": "batch"}), (1, 8, 8), 3)
LINEAR = ModelSpec(ArchitectureSpec("mlp", {"hidden": []}), (6,), 3, dtype="float32")


def _given(spec: ModelSpec, originals: list[State], recipe: Recipe | None = None) -> ProbeInputs:
    rng = np.random.default_rng(0)
    labels = {name: rng.integers(0, 3, size) for name, size in SIZES.items()}
    inputs: dict[str, NDArray[Any]] = {}
    for name, of in labels.items():
        if spec.is_picture:
            inputs[name] = (80 * of[:, None, None, None] + rng.integers(0, 40, (len(of), 1, 8, 8))).astype(np.uint8)
        else:
            inputs[name] = (np.eye(3)[of] @ np.eye(3, 6) + rng.standard_normal((len(of), 6))).astype(np.float32)
    return ProbeInputs(
        spec=spec,
        recipe=recipe or Recipe(),
        inputs=inputs,
        labels=labels,
        seeds=range(len(originals)),
        original=originals.__getitem__,
    )


def _state(spec: ModelSpec, seed: int) -> State:
    return build_model(spec, seed).state_dict()


def _stepped(given: ProbeInputs, split: str, lr: float) -> State:
    """Return the first original after a step that raises the mean loss of a split."""
    model = build_model(given.spec, None)
    assert given.original is not None
    model.load_state_dict(given.original(0))
    model.eval()
    read = normalise(
        torch.from_numpy(given.inputs[split]), given.spec.mean, given.spec.std, len(given.spec.input_shape)
    )
    F.cross_entropy(model(read), torch.from_numpy(given.labels[split])).backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter += lr * parameter.grad
    return model.state_dict()


def _compute(given: ProbeInputs, *states: State) -> Arrays:
    return difference.compute(given, stack_states(list(states)))


def test_a_model_that_is_its_original_has_no_difference() -> None:
    found = _compute(_given(CNN, [_state(CNN, 1)]), _state(CNN, 1))

    assert found["distance"] == 0
    assert np.ptp(found["line_retain"]) == pytest.approx(0, abs=1e-6)
    assert not found["slope@forget"].any()


def test_the_distance_is_that_of_the_weights_alone() -> None:
    before = _state(CNN, 1)
    after = {
        name: tensor + 1 if name.endswith(("running_mean", "running_var")) else tensor
        for name, tensor in before.items()
    }
    after["0.weight"] = before["0.weight"] + 0.5

    found = _compute(_given(CNN, [before]), after)

    assert found["distance"][0] == pytest.approx(0.5 * before["0.weight"].numel() ** 0.5, rel=1e-6)
    children = [name for name in found if name.startswith("distance@")]
    assert children[0] == "distance@001@0"
    assert children == sorted(children)
    np.testing.assert_allclose(found["distance@001@0"], found["distance"], rtol=1e-6)
    assert not any(found[name].any() for name in children[1:])


def test_models_of_two_seeds_have_a_barrier_and_a_small_step_has_none() -> None:
    given = _given(CNN, [_state(CNN, 1)] * 2)
    data = (given.inputs["retain"], given.labels["retain"])
    one, other = (train_one(CNN, Recipe(epochs=20, batch_size=10, lr=0.05), *data, seed) for seed in (1, 2))
    given = replace(given, original=lambda _row: one)
    found = _compute(given, other, _stepped(given, "forget", 1e-3))

    for split in ("retain", "test"):
        far, near = barriers(found[f"line_{split}"])
        assert far > 0.02
        assert near == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("spec", [CNN, LINEAR], ids=["cnn", "linear"])
def test_the_slope_is_the_gradient_along_the_change(spec: ModelSpec) -> None:
    given = _given(spec, [_state(spec, 1)])
    after = _stepped(given, "forget", 0.1)
    found = _compute(given, after)["slope@forget"][0]

    model = build_model(spec, 1).eval()
    read = normalise(torch.from_numpy(given.inputs["forget"]), spec.mean, spec.std, len(spec.input_shape))
    change = [after[name] - one.detach() for name, one in model.named_parameters()]
    size = sum(float(one.square().sum()) for one in change) ** 0.5
    losses = F.cross_entropy(model(read), torch.from_numpy(given.labels["forget"]), reduction="none")
    for loss, slope in zip(losses, found, strict=True):
        gradients = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
        exact = sum(float((one * other).sum()) for one, other in zip(gradients, change, strict=True)) / size
        assert slope == pytest.approx(exact, rel=0.05, abs=0.02)
    assert found.mean() > _compute(given, after)["slope@test"][0].mean()


def _optimum(given: ProbeInputs, forget: int, decay: float) -> State:
    """Return a linear network at the least loss on retain and the first ``forget`` forgotten examples."""
    model = build_model(given.spec, 0).double()
    inputs = torch.from_numpy(np.concatenate([given.inputs["retain"], given.inputs["forget"][:forget]])).double()
    labels = torch.from_numpy(np.concatenate([given.labels["retain"], given.labels["forget"][:forget]]))
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=500, tolerance_grad=1e-10, tolerance_change=1e-14)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        weights = sum(one.square().sum() for one in model.parameters())
        loss = F.cross_entropy(model(inputs), labels) + decay / 2 * weights
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return {name: tensor.float() for name, tensor in model.state_dict().items()}


def test_the_only_forgotten_example_of_a_linear_network_is_reconstructed() -> None:
    """As arXiv 2405.20272 shows for exact unlearning of a convex model."""
    recipe = Recipe(weight_decay=1e-2)
    given = _given(LINEAR, [_state(LINEAR, 0)], recipe)
    before, after = (_optimum(given, forget, recipe.weight_decay) for forget in (1, 0))

    found = _compute(replace(given, original=lambda _row: before), after)

    assert found["cosine@forget"][0, 0] > 0.95
    assert found["cosine@test"][0].max() < found["cosine@forget"][0, 0]


def test_each_row_depends_on_its_own_model_and_original() -> None:
    originals = [_state(CNN, 1), _state(CNN, 2)]
    models = [_state(CNN, 3), _state(CNN, 4)]
    both = _compute(_given(CNN, originals), *models)
    second = _compute(_given(CNN, originals[1:]), models[1])

    for name, array in both.items():
        np.testing.assert_array_equal(array[1:], second[name], err_msg=name)


def test_a_network_without_a_linear_head_has_no_cosines() -> None:
    spec = ModelSpec(ArchitectureSpec("tests.unit.test_difference_probe:pooled", {}), (1, 8, 8), 3)
    found = _compute(_given(spec, [_state(spec, 1)]), _state(spec, 2))

    assert sorted(found) == ["distance", "line_retain", "line_test", "slope@forget", "slope@retain", "slope@test"]


def pooled(in_channels: int, image_size: tuple[int, int], n_classes: int) -> torch.nn.Module:
    """Return a network whose last layer is a convolution."""
    layers = (torch.nn.Conv2d(in_channels, n_classes, image_size), torch.nn.Flatten())
    return torch.nn.Sequential(*layers)
