"""What a plugin that does its work gets and gives."""

from __future__ import annotations

import numpy as np

from harness.core.outcomes import Status
from tests.unit.guest.lab import SIZES, Lab, original_state


def test_a_model_changed_in_place_comes_back(lab: Lab) -> None:
    outcome, state = lab.body("with torch.no_grad():\n    model[1].bias.fill_(7)")

    assert outcome.status is Status.OK
    assert state is not None
    assert state["1.bias"].tolist() == [7.0] * 8
    np.testing.assert_array_equal(state["1.weight"], original_state()["1.weight"])


def test_a_returned_model_comes_back(lab: Lab) -> None:
    outcome, state = lab.body(
        "import copy\nother = copy.deepcopy(model)\nother[1].bias.data.fill_(3)\nmodel[1].bias.data.fill_(9)\nreturn other"
    )

    assert outcome.status is Status.OK
    assert state is not None
    assert state["1.bias"].tolist() == [3.0] * 8


def test_a_hook_may_take_a_subset_of_the_arguments(lab: Lab) -> None:
    outcome, _ = lab.unlearn("@hookimpl\ndef unlearn(forget):\n    print(len(forget))\n")

    assert outcome.status is Status.OK
    assert outcome.log.head == f"{SIZES['forget']}\n"


def test_the_model_comes_in_eval_mode_with_the_weights_of_the_original(lab: Lab) -> None:
    outcome, _ = lab.body("print(model.training, float(model[1].bias[0].detach()))")

    assert outcome.log.head == f"False {float(original_state()['1.bias'][0])}\n"


def test_the_context_tells_seed_classes_recipe_and_remaining_time(lab: Lab) -> None:
    outcome, _ = lab.body(
        "c = context\nprint(c.seed, c.n_classes, c.recipe.batch_size, c.spec.image_size, c.time_limit_s)\n"
        "print(0 < c.remaining_s < c.time_limit_s, c.device.type, dict(c.options))",
        seed=5,
        limit_s=30.0,
    )

    assert outcome.log.head == "5 3 8 (6, 6) 30.0\nTrue cpu {}\n"


def test_without_a_limit_the_remaining_time_is_infinite(lab: Lab) -> None:
    outcome, _ = lab.body("print(context.remaining_s, context.time_limit_s)", limit_s=None)

    assert outcome.status is Status.OK
    assert outcome.log.head == "inf None\n"


def test_charged_time_preparation_and_memory_are_reported(lab: Lab) -> None:
    outcome, _ = lab.body("pass")

    assert outcome.charged_s is not None
    assert outcome.charged_s > 0
    assert outcome.prepare_s is not None
    assert outcome.prepare_s > 0
    assert outcome.peak_rss_mib is not None
    assert outcome.peak_rss_mib > 10


DRAWS = (
    "import random\nimport numpy as np\nwith torch.no_grad():\n    model[1].bias.copy_(torch.randn(8))\n"
    "    model[3].bias.copy_(torch.tensor([random.random(), np.random.rand(), 0.0]))\n"
)


def test_the_same_seed_gives_the_same_weights(lab: Lab) -> None:
    _, first = lab.body(DRAWS, seed=11)
    _, second = lab.body(DRAWS, seed=11)

    assert first is not None
    assert second is not None
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_models_of_one_run_differ_in_all_three_random_streams(lab: Lab) -> None:
    _, first = lab.body(DRAWS, seed=11)
    _, second = lab.body(DRAWS, seed=12)

    assert first is not None
    assert second is not None
    assert (first["1.bias"] != second["1.bias"]).all()
    assert (first["3.bias"][:2] != second["3.bias"][:2]).all()


def test_training_gives_the_same_weights_again(lab: Lab) -> None:
    train = (
        "opt = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "for x, y in retain.loader(8, shuffle=True, augment=('horizontal-flip', 'crop-pad-4')):\n"
        "    opt.zero_grad()\n    torch.nn.functional.cross_entropy(model(x), y).backward()\n    opt.step()\n"
    )
    _, first = lab.body(train, seed=3)
    _, second = lab.body(train, seed=3)

    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first["1.weight"], second["1.weight"])
    assert not np.array_equal(first["1.weight"], original_state()["1.weight"])


def test_nothing_of_one_model_reaches_the_next(lab: Lab) -> None:
    lab.body("import builtins\nbuiltins.LEFT = 1\ntorch.LEFT = 1")
    outcome, _ = lab.body("import builtins\nprint(hasattr(builtins, 'LEFT'), hasattr(torch, 'LEFT'))")

    assert outcome.log.head == "False False\n"


def test_tied_and_non_contiguous_weights_come_back(lab: Lab) -> None:
    outcome, state = lab.body(
        "w = torch.arange(8 * 36.0).reshape(36, 8).t()\nmodel[1].weight = torch.nn.Parameter(w)\n"
        "both = torch.ones(16)\nmodel[1].bias = torch.nn.Parameter(both[:8])\nmodel[3].bias = torch.nn.Parameter(both[:3])"
    )

    assert outcome.status is Status.OK
    assert state is not None
    assert state["1.weight"][0, 1] == 8.0
    assert state["3.bias"].tolist() == [1.0] * 3
