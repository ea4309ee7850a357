"""Schedules, draws, augmentation and stacked states."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reference_models.networks.augmentation import crop, flip
from reference_models.networks.recipe import Recipe
from reference_models.training.sampling import member_batches, population_batches
from reference_models.training.schedules import learning_rate, steps_per_epoch
from reference_models.training.states import (
    concatenate_states,
    manifest,
    member_state,
    n_members,
    stack_states,
    take_members,
)

RECIPE = Recipe(epochs=2, batch_size=4, augment=("horizontal-flip", "crop-pad-4"))


def test_the_cosine_schedule_is_that_of_torch() -> None:
    recipe = Recipe(lr=0.3, schedule="cosine")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)

    for step in range(10):
        assert learning_rate(recipe, step, 10) == pytest.approx(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()


def test_the_one_cycle_schedule_rises_and_falls_linearly() -> None:
    recipe = Recipe(lr=1.0, schedule="one-cycle", warmup=0.4)

    rates = [learning_rate(recipe, step, 10) for step in range(10)]

    assert rates == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])


@pytest.mark.parametrize(("warmup", "expected"), [(0.0, [1, 0.75, 0.5, 0.25]), (1.0, [0.25, 0.5, 0.75, 1])])
def test_the_one_cycle_schedule_may_do_without_one_of_its_sides(warmup: float, expected: list[float]) -> None:
    recipe = Recipe(lr=1.0, schedule="one-cycle", warmup=warmup)

    assert [learning_rate(recipe, step, 4) for step in range(4)] == pytest.approx(expected)


def test_the_constant_schedule_is_constant() -> None:
    recipe = Recipe(lr=0.2, schedule="constant")

    assert {learning_rate(recipe, step, 5) for step in range(5)} == {0.2}


@pytest.mark.parametrize(("n", "drop_last", "steps"), [(8, False, 2), (9, False, 3), (9, True, 2), (3, False, 1)])
def test_the_last_smaller_batch_counts_unless_dropped(n: int, drop_last: bool, steps: int) -> None:
    recipe = replace(RECIPE, drop_last=drop_last)

    assert steps_per_epoch(recipe, n) == steps
    assert len(list(member_batches(recipe, n, 0))) == 2 * steps


def test_an_epoch_takes_every_example_once() -> None:
    batches = list(member_batches(RECIPE, 10, 7))

    for epoch in (batches[:3], batches[3:]):
        assert sorted(torch.cat([batch.index for batch in epoch]).tolist()) == list(range(10))
    assert [len(batch.index) for batch in batches] == [4, 4, 2, 4, 4, 2]


def test_a_members_draws_do_not_depend_on_its_neighbours() -> None:
    together = population_batches(RECIPE, 10, (5, 6, 7))

    for alone, batch in zip(member_batches(RECIPE, 10, 6), together, strict=True):
        assert torch.equal(alone.index, batch.index[1])
        assert all(torch.equal(own, draw[1]) for own, draw in zip(alone.draws, batch.draws, strict=True))


def test_offsets_reach_both_ends() -> None:
    offsets = torch.cat([batch.draws[1] for batch in member_batches(replace(RECIPE, epochs=20), 100, 0)])

    assert offsets.min() == 0
    assert offsets.max() == 8


def test_a_flip_mirrors_the_chosen_pictures() -> None:
    images = torch.arange(2 * 1 * 3 * 1, dtype=torch.uint8).reshape(2, 1, 3, 1)

    assert flip(images, torch.tensor([True, False])).flatten().tolist() == [2, 1, 0, 3, 4, 5]


def test_a_crop_moves_the_picture_and_fills_with_zero() -> None:
    images = torch.randint(1, 256, (2, 3, 6, 5, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    offsets = torch.full((2, 3, 2), 4)
    offsets[1, 2] = torch.tensor([6, 1])

    cropped = crop(images, offsets)

    assert torch.equal(cropped[0], images[0])
    assert torch.equal(cropped[1, 2, :4, 3:], images[1, 2, 2:, :2])
    assert cropped[1, 2, 4:].eq(0).all()
    assert cropped[1, 2, :, :3].eq(0).all()


def test_stacking_and_taking_out_are_inverse() -> None:
    states = [{"a": torch.full((2, 3), float(k)), "n": torch.tensor(k)} for k in range(3)]

    stacked = stack_states(states)

    assert n_members(stacked) == 3
    assert manifest(states[0]) == {"a": (torch.float32, (2, 3)), "n": (torch.int64, ())}
    assert all(torch.equal(member_state(stacked, 2)[name], states[2][name]) for name in states[2])


def test_parts_of_a_population_can_be_joined() -> None:
    stacked = stack_states([{"a": torch.full((2,), float(k))} for k in range(4)])

    joined = concatenate_states([take_members(stacked, slice(2, 4)), take_members(stacked, slice(0, 2))])

    assert joined["a"][:, 0].tolist() == [2, 3, 0, 1]


def test_states_of_different_architectures_are_not_stacked() -> None:
    with pytest.raises(ValueError, match="not of the same architecture"):
        stack_states([{"a": torch.zeros(2)}, {"a": torch.zeros(3)}])


@pytest.mark.parametrize("state", [{}, {"a": torch.zeros(2), "b": torch.zeros(3)}, {"a": torch.tensor(1)}])
def test_what_is_no_stacked_state_is_refused(state: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="not a stacked state"):
        n_members(state)


@pytest.mark.parametrize("join", [stack_states, concatenate_states])
def test_nothing_cannot_be_joined(join: object) -> None:
    with pytest.raises(ValueError, match="there are no states"):
        join([])  # type: ignore[operator]
