"""The probe ``recovery``: what it does to weights, what it costs, and that each model is changed by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.plugins.discovery import find_task
from harness.probes import recovery
from harness.probes.probe import ProbeInputs
from harness.probes.recovery import RECOVERY
from harness.tasks.task import SisaRequest
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe
from reference_models.training.prediction import stacked_logits
from reference_models.training.states import StackedState, member_state, stack_states

SPEC = ModelSpec(ArchitectureSpec("small-cnn", {"width": 4, "norm": "batch"}), (1, 8, 8), 3)
RECIPE = Recipe(epochs=40, batch_size=8, lr=0.5)
SIZES = {"retain": 43, "forget": 12, "validation": 2, "test": 9}
FACES = {"retain": 1360, "forget": 200, "validation": 208, "test": 312}


def given(seeds: tuple[int, ...] = (1, 2)) -> ProbeInputs:
    rng = np.random.default_rng(0)
    labels = {name: rng.integers(0, 3, size) for name, size in SIZES.items()}
    inputs = {
        name: (80 * of[:, None, None, None] + rng.integers(0, 40, (len(of), 1, 8, 8))).astype(np.uint8)
        for name, of in labels.items()
    }
    return ProbeInputs(spec=SPEC, recipe=RECIPE, inputs=inputs, labels=labels, seeds=seeds)


@pytest.fixture(scope="module")
def state() -> StackedState:
    return stack_states([build_model(SPEC, seed).state_dict() for seed in (1, 2)])


def test_rounding_has_the_levels_of_its_bits_around_0() -> None:
    weights = torch.randn((2, 5, 400), generator=torch.Generator().manual_seed(0))
    for bits, levels in ((8, 127), (4, 7)):
        found = recovery.rounded(weights, bits)
        for before, after in zip(weights, found, strict=True):
            step = before.abs().max() / levels
            assert after.abs().max() == pytest.approx(before.abs().max())
            torch.testing.assert_close(after / step, (after / step).round(), atol=1e-4, rtol=0)
            assert (after - before).abs().max() <= step / 2 * 1.001


def test_rounding_keeps_what_it_can_represent() -> None:
    torch.testing.assert_close(
        recovery.rounded(torch.tensor([[-7.0, 0.0, 3.0, 7.0]]), 4), torch.tensor([[-7.0, 0, 3, 7]])
    )
    assert not recovery.rounded(torch.zeros((2, 3)), 4).any()
    torch.testing.assert_close(recovery.rounded(torch.tensor([2.0, -3.0]), 4), torch.tensor([2.0, -3.0]))


def test_noise_has_the_strength_asked_for_and_leaves_running_means_alone(state: StackedState) -> None:
    names = recovery.weight_names(SPEC)
    found = recovery.with_noise(state, names, (1, 2), 0.2)
    kept = {name for name in state if name not in names}
    assert any("running" in name for name in kept)
    assert all(torch.equal(found[name], state[name]) for name in kept)
    name = max(names, key=lambda one: state[one].numel())
    ratio = (found[name] - state[name]).std() / state[name][0].std()
    assert ratio == pytest.approx(0.2, rel=0.1)
    alone = recovery.with_noise({one: tensor[1:] for one, tensor in state.items()}, names, (2,), 0.2)
    torch.testing.assert_close(alone[name][0], found[name][1])


def test_all_conditions_are_computed_for_each_model_by_itself(state: StackedState) -> None:
    found = RECOVERY.compute(given(), state)
    names = {name.partition("/")[0] for name in found} - {"given"}
    assert names == {
        "retain",
        "retain_1",
        "retain_5",
        "bits_8",
        "bits_6",
        "bits_4",
        "noise_10",
        "noise_20",
        "noise_40",
    } | {"retain_10"}
    assert len(names) == recovery.CONDITIONS
    assert found["given"].sum(axis=1).tolist() == [6, 6]  # at most half of the forget set
    assert found["retain/forget"].shape == found["retain/hits"].shape == (2, 12)
    assert found["bits_4/test"].shape == (2, 9)
    alone = RECOVERY.compute(given((2,)), {name: tensor[1:] for name, tensor in state.items()})
    for name, array in alone.items():
        np.testing.assert_allclose(array[0], found[name][1], atol=1e-4, err_msg=name)


def test_answers_are_phi_and_hits_and_those_of_a_model_of_nan_are_of_equal_logits() -> None:
    labels = np.array([0, 2])
    logits = np.array([[[3.0, 1.0, 0.0], [2.0, 0.0, 1.0]], [[np.nan] * 3, [np.inf, 0.0, 0.0]]], dtype=np.float32)

    phi, hits = recovery.answered(logits, labels)

    np.testing.assert_allclose(phi[0], [3 - np.log(np.e + 1), 1 - np.log(np.e**2 + 1)], rtol=1e-5)
    assert hits.tolist() == [[1, 0], [1, 0]]
    assert phi[1, 0] == pytest.approx(-np.log(2))
    assert np.isfinite(phi).all()


def test_training_on_brings_models_towards_their_retain_set_and_uses_no_forgotten_example(state: StackedState) -> None:
    inputs = given()
    before = _loss(state, inputs)
    trained = recovery.trained_on(inputs, state, 0, 0)
    assert _loss(trained, inputs) < before
    others = replace(inputs, inputs={**inputs.inputs, "forget": 255 - inputs.inputs["forget"]})
    assert _same(trained, recovery.trained_on(others, state, 0, 0))
    assert not _same(trained, recovery.trained_on(inputs, state, 5, 0))


def _loss(state: StackedState, inputs: ProbeInputs) -> float:
    logits = torch.from_numpy(stacked_logits(SPEC, state, inputs.inputs["retain"]))
    labels = torch.from_numpy(inputs.labels["retain"])
    return float(torch.stack([torch.nn.functional.cross_entropy(one, labels) for one in logits]).mean())


def _same(one: StackedState, other: StackedState) -> bool:
    return all(torch.equal(member_state(one, 0)[name], member_state(other, 0)[name]) for name in one)


@pytest.mark.parametrize(
    ("epochs", "sizes", "passes", "cost"),
    [
        (9, FACES, 0.271, 1.8),
        (5, {"retain": 1800, "forget": 200, "validation": 500, "test": 500}, recovery.LEAST_PASSES, 1.03),
        (100, {"retain": 45_000, "forget": 5_000, "validation": 5_000, "test": 5_000}, 1.0, 3.97),
    ],
)
def test_the_cost_is_a_fifth_of_training_and_no_more_than_is_said(
    epochs: int, sizes: dict[str, int], passes: float, cost: float
) -> None:
    recipe = Recipe(epochs=epochs)
    found = recovery.passes(recipe, sizes)
    assert found == pytest.approx(passes, abs=1e-3)
    training = len(recovery.SHOTS) * found * sizes["retain"]
    forward = recovery.CONDITIONS * (sizes["forget"] + recovery.tested(sizes)) / 3
    real = (training + forward) / (sizes["retain"] + sizes["forget"])
    assert real == pytest.approx(cost, abs=0.01)
    assert real <= RECOVERY.epochs(recipe) * 1.05
    assert recovery.lr_share(found) == pytest.approx(min(0.3, 0.1 / found))


def test_networks_of_shards_are_refused() -> None:
    task = find_task("faces")
    assert RECOVERY.refuses(task) == ""
    assert "shards" in RECOVERY.refuses(replace(task, sisa=SisaRequest(2, 1)))
