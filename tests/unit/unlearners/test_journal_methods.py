"""Methods on a record of training, on real records of tiny networks."""

from __future__ import annotations

import copy
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness_guest.context import Context
from harness_guest.data import SplitData
from harness_guest.journal import Journal
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe, sharded
from reference_models.records.journal import JournalPlan, Recorder, Updates, journal_name
from reference_models.records.sisa import assign, train_sharded
from reference_models.training.loop import train_chunk
from tests.unit.unlearners.bench import context, data, distance, run, spec

RETAIN, FORGET = data(40), data(4, seed=1)
RECIPE = Recipe(epochs=3, batch_size=8, lr=0.1, momentum=0.0, weight_decay=0.0)
METHODS = ("amnesiac", "replay", "sisa")
CNN = spec("small-cnn", side=12, width=2, norm="batch")
MLP = spec(hidden=[8])
SHARDED = ModelSpec(
    sharded(ArchitectureSpec("mlp", {"hidden": [8]}), 3),
    MLP.input_shape,
    MLP.n_classes,
    MLP.mean,
    MLP.std,
)


def opened(file: Path) -> Journal:
    with file.open("rb") as raw:
        memory = mmap.mmap(raw.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    return Journal(memory, torch.device("cpu"))


def arrays(*splits: SplitData) -> tuple[np.ndarray, np.ndarray]:
    return (
        torch.cat([split.images for split in splits]).numpy(),
        torch.cat([split.labels for split in splits]).numpy(),
    )


def loaded(of: ModelSpec, state: dict[str, torch.Tensor]) -> nn.Module:
    model = build_model(of, None).eval()
    model.load_state_dict({name: tensor[0] for name, tensor in state.items()})
    return model


def recorded(
    folder: Path, updates: Updates = "all", of: ModelSpec = MLP, forget: SplitData = FORGET
) -> tuple[nn.Module, Context]:
    """Return an original and its context."""
    retain = data(40, side=of.image_size[0])
    images, labels = arrays(retain, forget)
    recorder = Recorder.of(folder, JournalPlan(len(retain), updates), RECIPE, len(labels), [0])
    state = train_chunk(of, RECIPE, images, labels, [0], recorder=recorder)
    return loaded(of, state), about(of, opened(folder / journal_name(0)))


def sliced(folder: Path) -> tuple[nn.Module, Context]:
    """Return an original of three shards and two slices."""
    images, labels = arrays(RETAIN, FORGET)
    sharding = assign([str(number) for number in range(len(labels))], 3, 3, 2)
    state = train_sharded(SHARDED, RECIPE, images, labels, sharding, [0], journal_folder=folder)
    return loaded(SHARDED, state), about(SHARDED, opened(folder / journal_name(0)))


def about(of: ModelSpec, journal: Journal, **more: Any) -> Context:
    return context(spec=of, recipe=RECIPE, journal=journal, **more)


def with_options(told: Context, **options: float) -> Context:
    return about(told.spec, told.journal, options=options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", METHODS)
def test_a_task_without_a_journal_is_refused_with_what_is_needed(name: str) -> None:
    with pytest.raises(ValueError, match=r"needs a task with '(journal|sisa): "):
        run(name, build_model(MLP, 0), context())


@pytest.mark.parametrize("name", ["amnesiac", "replay"])
def test_a_task_with_checkpoints_alone_is_refused_where_updates_are_needed(name: str, tmp_path: Path) -> None:
    model, told = sliced(tmp_path)

    with pytest.raises(ValueError, match="journal: true"):
        run(name, model, told, RETAIN, FORGET)


def test_amnesiac_without_repair_is_the_original_less_the_touched_updates(tmp_path: Path) -> None:
    model, told = recorded(tmp_path, "touched")
    expected = copy.deepcopy(model)
    with torch.no_grad():
        for step in told.journal.touched.tolist():
            for name, change in told.journal.update(step).items():
                expected.get_parameter(name).sub_(change)

    unlearned = run("amnesiac", model, with_options(told, epochs=0), RETAIN, FORGET)
    assert distance(unlearned, expected) < 1e-6
    assert distance(unlearned, model) > 1e-3


def test_replay_of_a_training_without_forget_examples_gives_the_original(tmp_path: Path) -> None:
    model, told = recorded(tmp_path, forget=data(0))

    assert distance(run("replay", model, told, RETAIN, data(0)), model) < 1e-5


def test_replay_of_all_updates_trains_the_touched_batches_at_their_place_without_the_forget_examples(
    tmp_path: Path,
) -> None:
    model, told = recorded(tmp_path)
    expected = build_model(MLP, 0).train()
    journal = told.journal
    for step in range(len(journal.batches)):
        kept, forgotten = journal.batch(step)
        if len(forgotten) == 0:
            with torch.no_grad():
                for name, change in journal.update(step).items():
                    expected.get_parameter(name).add_(change)
        elif len(kept):
            lr = RECIPE.lr * 0.5 * (1 + np.cos(np.pi * step / len(journal.batches)))
            images, labels = RETAIN.normalised(RETAIN.images[kept]), RETAIN.labels[kept]
            loss = nn.functional.cross_entropy(expected(images), labels)
            gradients = torch.autograd.grad(loss, list(expected.parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(expected.parameters(), gradients, strict=True):
                    parameter -= lr * gradient

    unlearned = run("replay", model, told, RETAIN, FORGET)
    assert distance(unlearned, expected) < 1e-5
    assert distance(unlearned, model) > 1e-3


def test_replay_of_touched_updates_alone_begins_where_the_untouched_ones_lead(tmp_path: Path) -> None:
    """What all updates add up to is the original: what is left without the touched ones is the others' sum."""
    (tmp_path / "all").mkdir()
    (tmp_path / "touched").mkdir()
    _, full = recorded(tmp_path / "all")
    model, part = recorded(tmp_path / "touched", "touched")
    untouched = torch.tensor([step for step in range(len(full.journal.batches)) if step not in full.journal.touched])
    expected = build_model(MLP, 0)
    with torch.no_grad():
        for name, change in full.journal.total(untouched).items():
            expected.get_parameter(name).add_(change)

    assert distance(run("replay", model, with_options(part, strength=0), RETAIN, FORGET), expected) < 1e-5


@pytest.mark.parametrize("name", ["amnesiac", "replay"])
def test_batch_norms_statistics_are_finite_and_new(name: str, tmp_path: Path) -> None:
    model, told = recorded(tmp_path, of=CNN, forget=data(4, seed=1, side=12))

    state = run(name, model, told, data(40, side=12), data(4, seed=1, side=12)).state_dict()
    assert all(bool(tensor.isfinite().all()) for tensor in state.values())
    assert all(bool((tensor >= 0).all()) for key, tensor in state.items() if key.endswith("running_var"))
    assert not torch.equal(state["1.running_mean"], model.state_dict()["1.running_mean"])


def test_sisa_trains_the_affected_constituents_and_leaves_the_others(tmp_path: Path) -> None:
    model, told = sliced(tmp_path)
    sharding = told.journal.sharding
    affected = set(sharding.shards[len(RETAIN) :].tolist())
    assert 0 < len(affected) < 3

    unlearned = run("sisa", model, told, RETAIN, FORGET)
    moved = {
        shard
        for shard, name in enumerate(sharding.constituents)
        if distance(unlearned.get_submodule(name), model.get_submodule(name)) > 0
    }
    assert moved == affected


def test_sisa_without_time_leaves_the_affected_constituents_at_clean_checkpoints(tmp_path: Path) -> None:
    model, told = sliced(tmp_path)
    sharding, journal = told.journal.sharding, told.journal
    hurried = about(SHARDED, journal, time_limit_s=0.0)

    state = run("sisa", model, hurried, RETAIN, FORGET).state_dict()
    for shard in set(sharding.shards[len(RETAIN) :].tolist()):
        stage = int(sharding.slices[len(RETAIN) :][sharding.shards[len(RETAIN) :] == shard].min())
        checkpoint = journal.checkpoint(stage)
        names = [name for name in state if name.startswith(f"{sharding.constituents[shard]}.")]
        assert names
        assert all(torch.equal(state[name], checkpoint[name]) for name in names)


def test_retrain_trains_each_constituent_on_its_own_shard_alone(tmp_path: Path) -> None:
    model, told = sliced(tmp_path)
    shards = told.journal.sharding.shards[: len(RETAIN)]
    other = copy.copy(RETAIN)
    other.images = RETAIN.images.clone()
    other.images[shards == 1] = 255 - other.images[shards == 1]
    one, two = (run("retrain", model, told, retain, FORGET) for retain in (RETAIN, other))

    changed = [
        distance(one.get_submodule(f"constituents.{shard}"), two.get_submodule(f"constituents.{shard}"))
        for shard in range(3)
    ]
    assert changed[0] == changed[2] == 0
    assert changed[1] > 0


@pytest.mark.parametrize(("name", "make"), [("amnesiac", recorded), ("replay", recorded), ("sisa", sliced)])
def test_the_mode_and_trainability_stay(
    name: str, make: Callable[[Path], tuple[nn.Module, Context]], tmp_path: Path
) -> None:
    model, told = make(tmp_path)
    unlearned = run(name, model, told, RETAIN, FORGET)

    assert not any(module.training for module in unlearned.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in unlearned.parameters())
