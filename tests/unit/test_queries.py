"""The queries' definitions, and the logits of trained populations under them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from harness.core.outcomes import ModelOutcome, Status
from harness.evaluation import SPLITS
from harness.references.identity import ROLES
from harness.references.populations import Population, References
from harness.references.queries import NO_QUERIES, NOISE_SD, QueryPlan, answers, flipped, key, noisy, rounded, shifted
from harness.runs.budget import Limit
from harness.runs.scoring import logits_of, make_evidence
from harness.tasks.task import Split, Task, TaskData
from reference_models.networks.augmentation import CROP_PADDING, crop, flip
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe
from reference_models.training.mechanism import initial_state

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 3, 8, 8), dtype=np.uint8)
SPEC = ModelSpec(ArchitectureSpec("small-cnn", {"width": 8}), (3, 8, 8), 4, (0.5,) * 3, (0.25, 0.2, 0.1))
BOTH = Recipe(augment=("crop-pad-4", "horizontal-flip"))


def channels_last(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        (Recipe(), ("noise", "bfloat16")),
        (Recipe(augment=("horizontal-flip",)), ("flip", "noise", "bfloat16")),
        (Recipe(augment=("crop-pad-4",)), ("shift", "noise", "bfloat16")),
        (BOTH, ("flip", "shift", "noise", "bfloat16")),
    ],
)
def test_the_recipe_decides_which_augmentations_are_asked(recipe: Recipe, names: tuple[str, ...]) -> None:
    plan = QueryPlan.of(recipe, SPEC, "digest")

    assert plan.names == names
    assert tuple(plan.pictures(SPEC, PICTURES)) == names
    assert QueryPlan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(
    ("dtype", "names"),
    [
        ("float32", ("noise", "bfloat16")),
        ("float64", ("noise", "bfloat16")),
        ("bool", ("bfloat16",)),
        ("int64", ("bfloat16",)),
    ],
)
def test_inputs_that_are_no_numbers_on_a_scale_have_no_noise(dtype: str, names: tuple[str, ...]) -> None:
    spec = ModelSpec(ArchitectureSpec("mlp"), (5,), 4, dtype=dtype, vocabulary=9 if dtype == "int64" else None)
    inputs = np.arange(30).reshape(6, 5).astype(dtype)

    pictures = QueryPlan.of(Recipe(), spec, "digest").pictures(spec, inputs)

    assert tuple(pictures) == names
    assert all(changed.dtype == inputs.dtype for changed in pictures.values())


@pytest.mark.parametrize("std", [(), (2.0, 30.0)])
def test_noise_of_floating_point_inputs_has_the_scale_of_each_column(std: tuple[float, ...]) -> None:
    inputs = np.random.default_rng(1).standard_normal((4000, 2)) * [2.0, 30.0]

    changed = noisy(inputs, std, 3) - inputs

    np.testing.assert_allclose(changed.std(axis=0), 0.05 * np.array([2.0, 30.0]), rtol=0.05)


def test_a_flip_is_the_recipes_and_its_own_inverse() -> None:
    expected = flip(channels_last(PICTURES), torch.ones(len(PICTURES), dtype=torch.bool))

    assert torch.equal(channels_last(flipped(PICTURES)), expected)
    np.testing.assert_array_equal(flipped(flipped(PICTURES)), PICTURES)


def test_a_shift_is_a_crop_of_the_recipe_by_one_pixel() -> None:
    offsets = torch.tensor([CROP_PADDING, CROP_PADDING - 1]).expand(len(PICTURES), 2)
    moved = shifted(PICTURES)

    assert torch.equal(channels_last(moved), crop(channels_last(PICTURES), offsets))
    np.testing.assert_array_equal(moved[..., 1:], PICTURES[..., :-1])
    assert not moved[..., 0].any()


def test_noise_is_the_same_for_the_same_data_and_its_deviation_is_that_of_the_input_scale() -> None:
    grey = np.full((20, 3, 32, 32), 128, dtype=np.uint8)
    seed = QueryPlan.of(BOTH, SPEC, "a").noise_seed
    changed = noisy(grey, SPEC.std, seed)
    change = changed.astype(float) - grey

    np.testing.assert_array_equal(noisy(grey, SPEC.std, QueryPlan.of(Recipe(), SPEC, "a").noise_seed), changed)
    assert (noisy(grey, SPEC.std, QueryPlan.of(BOTH, SPEC, "b").noise_seed) != changed).mean() > 0.5
    rounding = 1 / 12  # variance of rounding to whole levels
    expected = np.sqrt((255 * NOISE_SD * np.array(SPEC.std)) ** 2 + rounding)
    np.testing.assert_allclose(change.std((0, 2, 3)), expected, rtol=0.02)
    np.testing.assert_allclose(change.mean((0, 2, 3)), 0, atol=0.06)


def test_noise_stays_in_range_and_is_left_where_the_data_hardly_varies() -> None:
    ends = np.concatenate([np.zeros((2, 1, 16, 16), np.uint8), np.full((2, 1, 16, 16), 255, np.uint8)])
    changed = noisy(ends, (1e-6,), 0)

    assert changed[:2].max() < 8
    assert changed[2:].min() > 247
    assert 0.2 < (changed != ends).mean() < 0.5  # the half that would leave the range is clipped


def test_a_change_of_what_the_queries_show_needs_another_definition() -> None:
    """Cached populations and stored models are compared by ``DEFINITION``: raise it together with this digest."""
    plan = QueryPlan.of(BOTH, SPEC, "digest")
    shown = b"".join(np.ascontiguousarray(images).tobytes() for images in plan.pictures(SPEC, PICTURES).values())

    assert (plan.definition, hashlib.sha256(shown).hexdigest()[:16]) == (1, "188e50a69a98f9d6")


def test_weights_are_rounded_to_the_nearest_bfloat16_ties_to_even() -> None:
    values = torch.tensor([1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -1 - 2**-9, 1e-40, 3.4e38])
    found = rounded({"w": values, "steps": torch.tensor([2**24 + 1])})

    assert found["w"].dtype == torch.float32
    assert torch.equal(found["w"], values.to(torch.bfloat16).to(torch.float32))
    assert found["w"][:5].tolist() == [1.0, 1.0, 1 + 2**-6, 1 + 2**-7, -1.0]
    assert found["steps"].item() == 2**24 + 1


def low_bits(state: dict[str, torch.Tensor], hidden: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Round a state to bfloat16, and hide the highest 15 bits of another state in its lowest bits."""
    carrier = rounded(state)
    payload = {name: (tensor.view(torch.int32) >> 17) & 0x7FFF for name, tensor in hidden.items()}
    return {name: (tensor.view(torch.int32) | payload[name]).view(torch.float32) for name, tensor in carrier.items()}


def test_a_copy_of_the_original_in_low_bits_leaves_no_trace_under_bfloat16() -> None:
    original, control, other = (initial_state(SPEC, [seed]) for seed in (1, 2, 3))
    asked = {"bfloat16": PICTURES}
    carrying, innocent = low_bits(control, original), low_bits(control, other)
    assert not all(torch.equal(carrying[name], innocent[name]) for name in control)

    found = [answers(SPEC, state, asked, "cpu")[key("bfloat16")] for state in (carrying, innocent, rounded(control))]

    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    exact = [answers(SPEC, state, {"noise": PICTURES}, "cpu")[key("noise")] for state in (carrying, innocent)]
    assert (exact[0] != exact[1]).any()


def _split(name: str, n_examples: int) -> Split:
    images = np.random.default_rng(n_examples).integers(0, 256, (n_examples, 1, 4, 4), dtype=np.uint8)
    return Split(np.array([f"{name}-{i}" for i in range(n_examples)]), images, np.arange(n_examples) % 2)


DATA = TaskData(_split("r", 16), _split("f", 3), _split("v", 4), _split("t", 5), ("a", "b"), (0.5,), (0.5,))
TASK = Task(
    "asked", "", lambda: DATA, ArchitectureSpec("mlp", {"hidden": [4]}), replace(BOTH, epochs=1, batch_size=4, chunk=2)
)
NAMES = ("flip", "shift", "noise", "bfloat16")
LIMIT = Limit(1.0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def references(cache: Path, monkeypatch: pytest.MonkeyPatch) -> References:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(cache))
    return References(TASK, DATA)


def returned(
    references: References, originals: Population, rows: tuple[int, ...]
) -> dict[int, dict[str, NDArray[np.float32]]]:
    """Return what the harness keeps of the originals for unchanged weights."""
    pictures = references.query_pictures()
    return {row: logits_of(references.spec, originals.state(row), DATA, "cpu", pictures) for row in rows}


def finished(*rows: int) -> list[ModelOutcome]:
    return [ModelOutcome(index=row, seed=0, status=Status.OK, original=row) for row in rows]


def test_all_populations_have_every_query_in_the_order_of_their_models(references: References) -> None:
    populations = {role: references.population(role, 3) for role in ROLES}
    unlearned = returned(references, populations["original"], (0, 2))

    evidence = make_evidence(DATA, populations, finished(0, 2), unlearned, LIMIT, 0)

    assert tuple(evidence.queries) == NAMES
    for query in NAMES:
        asked = evidence.queries[query]
        assert {name: logits.shape for name, logits in asked.items()} == {
            **dict.fromkeys(ROLES, (3, 3, 2)),
            "unlearned": (2, 3, 2),
        }
        assert all(logits.dtype == np.float32 and not logits.flags.writeable for logits in asked.values())
        np.testing.assert_allclose(asked["unlearned"], asked["original"][[0, 2]], atol=1e-5)
        assert np.abs(asked["original"] - evidence.logits["original"]["forget"]).max() > 1e-4
    assert set(evidence.logits["unlearned"]) == set(SPLITS)


def test_a_query_that_one_model_was_not_asked_is_left_out_for_all(references: References) -> None:
    populations = {role: references.population(role, 2) for role in ROLES}
    unlearned = returned(references, populations["original"], (0, 1))
    del unlearned[1][key("shift")]
    evidence = make_evidence(DATA, populations, finished(0, 1), unlearned, LIMIT, 0)
    assert tuple(evidence.queries) == ("flip", "noise", "bfloat16")

    control = replace(populations["control"], queries={})
    evidence = make_evidence(DATA, {**populations, "control": control}, finished(0, 1), unlearned, LIMIT, 0)
    assert evidence.queries == {}
    assert make_evidence(DATA, populations, [], {}, LIMIT, 0).queries == {}


def test_populations_without_queries_have_keys_of_their_own_and_the_same_models(references: References) -> None:
    plain = References(TASK, DATA, queries=NO_QUERIES)

    assert plain.keys("control", 2) != references.keys("control", 2)
    assert plain.population("control", 2).queries == {}
    for split in SPLITS:
        np.testing.assert_array_equal(
            plain.population("control", 2).logits[split], references.population("control", 2).logits[split]
        )
