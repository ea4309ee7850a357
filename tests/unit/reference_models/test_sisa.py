"""Training in shards and slices: what a constituent sees, and that forgetting from a checkpoint is exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe, derive_seed, sharded
from reference_models.networks.sharded import Sharded, constituent_spec
from reference_models.records.journal import journal_name
from reference_models.records.sisa import Sharding, assign, stage_recipe, train_sharded
from reference_models.training.loop import train_chunk
from reference_models.training.mechanism import choose_mechanism
from reference_models.training.prediction import stacked_logits
from reference_models.training.states import StackedState

BASE = ArchitectureSpec("small-cnn", {"width": 2, "norm": "batch"})
SPEC = ModelSpec(sharded(BASE, 2), (1, 16, 16), 3, (0.5,), (0.25,))
RECIPE = Recipe(epochs=3, batch_size=8, lr=0.05)
SEEDS = [1, 2]
N_EXAMPLES = 48
KEYS = [f"example-{number}" for number in range(N_EXAMPLES)]
SHARDING = assign(KEYS, 0, 2, 2)


def examples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (N_EXAMPLES, 1, 16, 16), dtype=np.uint8), rng.integers(0, 3, N_EXAMPLES)


def trained(
    images: np.ndarray, labels: np.ndarray, sharding: Sharding = SHARDING, folder: Path | None = None
) -> StackedState:
    return train_sharded(SPEC, RECIPE, images, labels, sharding, SEEDS, journal_folder=folder)


def part(state: StackedState, shard: int) -> StackedState:
    prefix = f"constituents.{shard}."
    return {name[len(prefix) :]: tensor for name, tensor in state.items() if name.startswith(prefix)}


def equal(one: StackedState, other: StackedState) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_the_shard_and_slice_of_an_example_do_not_depend_on_the_others() -> None:
    without = assign(KEYS[5:], 0, 2, 2)

    assert np.array_equal(without.shards, SHARDING.shards[5:])
    assert np.array_equal(without.slices, SHARDING.slices[5:])


def test_examples_of_one_key_stay_together_and_keys_spread_over_all_shards_and_slices() -> None:
    twice = assign([*KEYS, *KEYS], 7, 4, 3)

    assert np.array_equal(twice.shards[:N_EXAMPLES], twice.shards[N_EXAMPLES:])
    assert set(zip(twice.shards.tolist(), twice.slices.tolist(), strict=True)) == {
        (s, r) for s in range(4) for r in range(3)
    }


def test_a_constituent_is_not_touched_by_the_examples_of_another_shard() -> None:
    images, labels = examples()
    other = images.copy()
    other[SHARDING.shards == 1] = 255 - other[SHARDING.shards == 1]
    before, after = trained(images, labels), trained(other, labels)

    assert equal(part(before, 0), part(after, 0))
    assert not equal(part(before, 1), part(after, 1))


def test_a_checkpoint_holds_nothing_of_the_slices_after_it(tmp_path: Path) -> None:
    images, labels = examples()
    late = (SHARDING.shards == 0) & (SHARDING.slices == 1)
    other = images.copy()
    other[late] = 255 - other[late]
    found = []
    for name, pictures in (("a", images), ("b", other)):
        (tmp_path / name).mkdir()
        trained(pictures, labels, folder=tmp_path / name)
        with safe_open(tmp_path / name / journal_name(0), framework="pt") as file:
            found.append({key: file.get_tensor(key) for key in file.keys() if key.startswith("checkpoints/")})  # noqa: SIM118

    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(tensor, found[1][key]) for key, tensor in found[0].items())


def test_training_on_from_a_checkpoint_without_an_example_gives_what_training_without_it_gives(tmp_path: Path) -> None:
    """With the seeds of that training: in distribution with any."""
    images, labels = examples()
    forgotten = int(np.flatnonzero((SHARDING.shards == 0) & (SHARDING.slices == 1))[0])
    trained(images, labels, folder=tmp_path)
    kept = np.delete(np.arange(N_EXAMPLES), forgotten)
    without = trained(images[kept], labels[kept], assign([KEYS[number] for number in kept], 0, 2, 2))

    with safe_open(tmp_path / journal_name(1), framework="pt") as file:
        names = [key for key in file.keys() if key.startswith("checkpoints/constituents.0.")]  # noqa: SIM118
        begun = {key.removeprefix("checkpoints/constituents.0."): file.get_tensor(key)[1][None] for key in names}
    rows = kept[SHARDING.shards[kept] == 0]
    seed = derive_seed("sisa", SEEDS[1], 0, 1)
    again = train_chunk(
        constituent_spec(SPEC), stage_recipe(RECIPE, 2), images[rows], labels[rows], [seed], initial=begun
    )
    for name, tensor in again.items():
        torch.testing.assert_close(tensor[0], part(without, 0)[name][1], atol=1e-5, rtol=1e-4)


def test_the_logits_are_the_logarithms_of_the_mean_probabilities() -> None:
    model = build_model(SPEC, 0).eval()
    assert isinstance(model, Sharded)
    images = torch.randn(5, 1, 16, 16)

    expected = torch.stack([one(images).softmax(1) for one in model.constituents]).mean(0)
    torch.testing.assert_close(model(images).exp(), expected)


def test_a_population_of_sharded_networks_is_computed_as_its_members_are() -> None:
    images, labels = examples()
    state = trained(images, labels)
    logits = stacked_logits(SPEC, state, images)
    model = build_model(SPEC, None).eval()
    model.load_state_dict({name: tensor[1] for name, tensor in state.items()})

    with torch.no_grad():
        expected = model((torch.from_numpy(images) / 255 - 0.5) / 0.25)
    assert choose_mechanism(SPEC) != "grouped"  # which would take the mean over members, too
    np.testing.assert_allclose(logits[1], expected.numpy(), atol=1e-4)


def test_all_stages_together_see_as_many_examples_as_the_recipe_has_in_its_epochs() -> None:
    assert [stage_recipe(Recipe(epochs=9), slices).epochs for slices in (1, 2, 5, 40)] == [9, 6, 3, 1]
