"""What functions of other interfaces get when they are called as the hook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from harness_guest.adapters import Examples, adapt
from harness_guest.data import Normalisation, SplitData
from harness_guest.meter import LimitReachedError, Meter

ROLES = {"net": "model", "retain": "retain", "forget": "forget", "validation": "validation"}
BATCH_SIZE = 4


def _split(n_examples: int = 10, meter: Meter | None = None) -> SplitData:
    images = torch.randint(0, 256, (n_examples, 3, 6, 6), dtype=torch.uint8, generator=torch.manual_seed(0))
    return SplitData(images, torch.arange(n_examples), 10, Normalisation((0.5,) * 3, (0.2,) * 3), meter)


def _called(function: Callable[..., Any], adapter: str, roles: Mapping[str, str] = ROLES, **options: Any) -> Any:
    context = SimpleNamespace(recipe=SimpleNamespace(batch_size=BATCH_SIZE), options=options)
    model, splits = torch.nn.Identity(), {"retain": _split(10), "forget": _split(6), "validation": _split(0)}
    return adapt(function, adapter, roles)(model=model, **splits, context=context)


def _arguments(net: Any, retain: Any, forget: Any, validation: Any) -> tuple[Any, ...]:
    return net, retain, forget, validation


def test_the_kit_s_function_gets_loaders_of_pairs() -> None:
    net, retain, forget, validation = _called(_arguments, "kit")

    assert isinstance(net, torch.nn.Identity)
    assert (len(retain), len(forget), len(validation)) == (3, 2, 0)
    assert (retain.batch_size, len(retain.dataset), list(validation)) == (BATCH_SIZE, 10, [])
    batches = list(retain)
    assert sorted(torch.cat([labels for _, labels in batches]).tolist()) == list(range(10))
    for images, labels in batches:
        expected = torch.stack([_split()[int(label)][0] for label in labels])
        assert torch.equal(images, expected)


def test_a_single_left_over_example_is_no_batch_of_its_own() -> None:
    context = SimpleNamespace(recipe=SimpleNamespace(batch_size=4), options={})
    splits = {"retain": _split(9), "forget": _split(1), "validation": _split(5)}
    loaders = adapt(lambda **given: given, "kit", {name: name for name in splits})(
        model=None, **splits, context=context
    )

    sizes = {name: [len(labels) for _, labels in loader] for name, loader in loaders.items()}
    assert sizes == {"retain": [4, 4], "forget": [1], "validation": [4, 1]}


def test_retain_and_forget_are_shuffled_anew_in_every_pass() -> None:
    _, retain, _, _ = _called(_arguments, "kit")
    orders = [torch.cat([labels for _, labels in retain]).tolist() for _ in range(3)]

    assert orders[0] != orders[1] or orders[1] != orders[2]


def test_the_challenge_s_function_gets_loaders_of_dicts_with_unique_ids() -> None:
    _, retain, forget, _ = _called(_arguments, "challenge")
    batches = [*retain, *forget]

    assert all(set(batch) == {"image", "age_group", "image_id"} for batch in batches)
    assert batches[0]["image"].shape == (BATCH_SIZE, 3, 6, 6)
    assert sorted(torch.cat([batch["image_id"] for batch in batches]).tolist()) == list(range(16))


def test_a_hook_s_function_gets_the_splits_and_reads_its_own_options() -> None:
    roles = {"retain": "retain", "context": "context"}
    retain, context = _called(lambda retain, context: (retain, context), "hook", roles, lr=0.1)

    assert isinstance(retain, SplitData)
    assert context.options == {"lr": 0.1}


def test_a_function_with_the_context_may_read_other_options_there() -> None:
    roles = {"net": "model", "context": "context"}

    assert _called(lambda net, context, lr=0.1: lr, "kit", roles, lr=1, other=2) == 1


def test_options_set_parameters_that_no_split_fills() -> None:
    def function(net: Any, lr: float = 0.1, *, epochs: int = 1) -> tuple[float, int]:
        return lr, epochs

    assert _called(function, "kit", {"net": "model"}, epochs=3) == (0.1, 3)
    with pytest.raises(ValueError, match="unknown option 'speed'; function has: lr, epochs"):
        _called(function, "kit", {"net": "model"}, speed=3)


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_loader_of_ones_own_reads_the_same_examples_with_worker_processes(n_workers: int) -> None:
    loader = DataLoader(Examples(_split(), range(10)), batch_size=4, num_workers=n_workers)
    batches = list(loader)

    assert torch.cat([batch["image_id"] for batch in batches]).tolist() == list(range(10))
    assert torch.equal(
        torch.cat([batch["image"] for batch in batches]), torch.stack([_split()[i][0] for i in range(10)])
    )


def test_drawn_examples_are_counted_and_workers_cannot_draw_past_a_limit() -> None:
    meter = Meter(limit=100)
    examples = Examples(_split(meter=meter))
    list(DataLoader(examples, batch_size=4))
    assert meter.examples == 10
    with pytest.raises(LimitReachedError, match="num_workers=0"):
        list(DataLoader(examples, batch_size=4, num_workers=1))
