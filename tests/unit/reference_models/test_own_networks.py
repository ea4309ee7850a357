"""Networks of an author's own in training: how their members are computed, and that each is what it would be alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from reference_models.networks.architectures import build_model, find_architecture
from reference_models.networks.recipe import INITIAL_WEIGHTS, ArchitectureSpec, ModelSpec, Recipe
from reference_models.training.loop import train_chunk, train_one
from reference_models.training.mechanism import choice
from reference_models.training.states import StackedState, member_state
from tests.unit.guest.networks import N_CLASSES, Layers

SEEDS = (11, 12, 13)
RECIPE = Recipe(epochs=2, batch_size=8, lr=0.05, schedule="constant")
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (16, 1, 6, 6), dtype=np.uint8)
LABELS = GENERATOR.integers(0, 3, 16, dtype=np.int64)


def spec_of(kind: str, **more: tuple[str, ...]) -> ModelSpec:
    architecture = ArchitectureSpec("tests.unit.guest.networks:network", {"kind": kind}, **more)  # type: ignore[arg-type]
    return ModelSpec(architecture, (1, 6, 6), 3, (0.5,), (0.25,))


def trained(spec: ModelSpec) -> StackedState:
    return train_chunk(spec, RECIPE, IMAGES, LABELS, SEEDS)


@pytest.mark.parametrize(
    ("kind", "mechanism", "reason"),
    [
        ("Layers", "vmap", ""),
        ("Constants", "vmap", ""),
        ("Attention", "vmap", ""),
        ("Frozen", "vmap", ""),
        ("Tied", "loop", "its weights 'second.weight' and 'third.weight' are one tensor"),
        ("Branching", "loop", "data-dependent control flow"),
        ("BranchingChain", "loop", "data-dependent control flow"),
        ("FunctionalDropout", "loop", "it draws random numbers"),
        ("AttentionDropout", "loop", "it draws random numbers"),
        ("Counting", "loop", "have another 'steps' after a step"),
    ],
)
@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
def test_members_are_computed_together_where_that_is_right_and_the_reason_is_told_where_it_is_not(
    kind: str, mechanism: str, reason: str
) -> None:
    found = choice(spec_of(kind))

    assert (found.mechanism, reason in found.reason) == (mechanism, True), found
    assert bool(found.reason) == bool(reason)


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
@pytest.mark.parametrize(
    "kind",
    [
        "Layers",
        "Constants",
        "Attention",
        "Frozen",
        "Tied",
        "Branching",
        "FunctionalDropout",
        "AttentionDropout",
        "Counting",
    ],
)
def test_every_member_is_what_it_is_when_it_is_trained_alone(kind: str) -> None:
    spec = spec_of(kind)
    together = trained(spec)

    for member, seed in enumerate(SEEDS):
        alone = train_one(spec, RECIPE, IMAGES, LABELS, seed)
        for name, tensor in member_state(together, member).items():
            torch.testing.assert_close(tensor, alone[name], rtol=1e-4, atol=1e-5)


def test_tied_weights_stay_one_tensor_through_training_writing_and_loading(tmp_path: Path) -> None:
    spec = spec_of("Tied")
    state = trained(spec)
    first = member_state(state, 0)

    assert torch.equal(state["second.weight"], state["third.weight"])
    assert not torch.equal(first["second.weight"], build_model(spec, SEEDS[0]).state_dict()["second.weight"])
    save_file(first, tmp_path / "one.safetensors")
    model = build_model(spec, None)
    model.load_state_dict(load_file(tmp_path / "one.safetensors"))
    assert model.second.weight is model.third.weight  # type: ignore[union-attr]


def test_frozen_parameters_stay_as_they_were() -> None:
    spec = spec_of("Frozen")
    state = trained(spec)

    for member, seed in enumerate(SEEDS):
        before = build_model(spec, seed).state_dict()
        assert torch.equal(state["first.weight"][member], before["first.weight"])
        assert not torch.equal(state["last.weight"][member], before["last.weight"])


@pytest.mark.parametrize("kind", ["FunctionalDropout", "AttentionDropout"])
def test_members_have_masks_of_their_own(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(kind)
    start = build_model(spec, 0).state_dict()
    same = {name: torch.stack([tensor] * 2) for name, tensor in start.items()}
    still = Recipe(
        epochs=1, batch_size=16, lr=0.05, schedule="constant"
    )  # one step, so that the order is no difference
    state = train_chunk(spec, still, IMAGES, LABELS, SEEDS[:2], initial=same)

    assert not torch.equal(state["last.weight"][0], state["last.weight"][1])


def test_a_counter_counts_every_step() -> None:
    assert trained(spec_of("Counting"))["steps"].tolist() == [4, 4, 4]


class Files:
    """Files of initial weights where networks are built."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / INITIAL_WEIGHTS
        self.folder.mkdir()

    def write(self, name: str, state: dict[str, torch.Tensor]) -> None:
        save_file({key: tensor.clone() for key, tensor in state.items()}, self.folder / name)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.syspath_prepend(str(tmp_path))
    return Files(tmp_path)


def test_networks_begin_with_the_files_in_turn_and_leave_out_what_is_said(files: Files) -> None:
    states = [build_model(spec_of("Layers"), 100 + number).state_dict() for number in range(2)]
    for number, state in enumerate(states):
        files.write(f"{number}", state)
    spec = spec_of("Layers", init=("0", "1"), init_except=("last.",))

    for seed in range(4):
        begun = build_model(spec, seed).state_dict()
        fresh = build_model(spec_of("Layers"), seed).state_dict()
        assert torch.equal(begun["first.weight"], states[seed % 2]["first.weight"])
        assert torch.equal(begun["last.weight"], fresh["last.weight"])


def test_tied_weights_may_be_in_a_file_once(files: Files) -> None:
    state = build_model(spec_of("Tied"), 100).state_dict()
    files.write("0", {name: tensor for name, tensor in state.items() if name != "third.weight"})

    begun = build_model(spec_of("Tied", init=("0",)), 1).state_dict()
    assert torch.equal(begun["third.weight"], state["second.weight"])


def test_every_tensor_of_a_file_that_does_not_fit_is_named(files: Files) -> None:
    state = build_model(spec_of("Layers"), 100).state_dict()
    state["frist.weight"] = state.pop("first.weight")
    state["first.bias"] = state["first.bias"].double()
    state["last.weight"] = torch.zeros(7, 8)
    files.write("0", state)

    with pytest.raises(ValueError) as refused:
        build_model(spec_of("Layers", init=("0",)), 1)
    said = str(refused.value)
    assert "'first.weight' of the network is not in the file; did you mean 'frist.weight'?" in said
    assert "'frist.weight' of the file is not in the network; did you mean 'first.weight'?" in said
    assert "'first.bias' is torch.float64 in the file and torch.float32 in the network" in said
    assert "'last.weight' has shape (7, 8) in the file and (3, 8) in the network" in said
    assert "init_except: [last.]" in said


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="no file of initial weights absent"):
        build_model(spec_of("Layers", init=("absent",)), 1)


def test_a_beginning_in_init_except_that_no_tensor_has_is_refused(files: Files) -> None:
    files.write("0", build_model(spec_of("Layers"), 100).state_dict())

    with pytest.raises(
        ValueError, match=r"init_except: no tensor of the network begins with 'lats\.'; did you mean 'last\.'"
    ):
        build_model(spec_of("Layers", init=("0",), init_except=("lats.",)), 1)


def test_a_factory_may_be_an_attribute_of_a_class_and_must_be_callable() -> None:
    factory = find_architecture("tests.unit.guest.networks:Made.network")

    assert isinstance(factory(N_CLASSES), Layers)
    with pytest.raises(ValueError, match="is a int; it must be a function"):
        find_architecture("tests.unit.guest.networks:N_CLASSES")
