"""Forget sets that models choose: scores with known answers, and choices by models trained for real on a few examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli.root import cli
from harness.core.progress import SilentProgress
from harness.errors import DatasetInvalidError, TaskInvalidError, UsageError
from harness.references import choosing
from harness.references.choosing import FirstPopulation
from harness.references.own_network import OwnNetwork
from harness.references.populations import train_chunks
from harness.runs.forget_choice import planned_forget_set, with_forget_set
from harness.tasks.loading import task_from_text
from harness.tasks.task import ForgetChoice, SisaRequest, Split, Task, Undivided
from reference_models.networks.recipe import ArchitectureSpec, Recipe

WRONG = (3, 14, 15, 30)
"""Positions of training examples with a wrong label: the only ones that must be memorised."""


def _split(name: str, count: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    inputs = rng.normal(0, 0.7, (count, 40)).astype(np.float32)
    inputs[:, 0] += np.where(labels == 0, -2, 2)
    return Split(np.array([f"{name}-{i:02}" for i in range(count)]), inputs, labels)


def _whole() -> Undivided:
    train = _split("train", 40, 0)
    labels = train.labels.copy()
    labels[list(WRONG)] = 1 - labels[list(WRONG)]
    return Undivided(replace_labels(train, labels), _split("v", 8, 1), _split("t", 8, 2), ("a", "b"))


def replace_labels(split: Split, labels: Any) -> Split:
    return Split(split.ids, split.inputs, labels)


def _task(by: str = "memorised", amount: float = 4, **changes: Any) -> Task:
    options = {"seed": 0, "models": 8, "example": None, "load": _whole, **changes}
    recipe = Recipe(epochs=120, batch_size=10, lr=0.1, weight_decay=0.0, chunk=2)
    network = ArchitectureSpec("mlp", {"hidden": [32]})
    choice = ForgetChoice(by, amount, **options)  # type: ignore[arg-type]
    return Task("hard", "", lambda: pytest.fail("the forget set is not known"), network, recipe, choice=choice)


def _chosen(task: Task) -> Task:
    return with_forget_set(OwnNetwork.of(task), "cpu", SilentProgress()).task


def test_memorisation_is_the_confidence_with_an_example_less_that_without() -> None:
    groups = [np.array([0, 2]), np.array([1])]
    without_first = np.array([[0.1, 0.9, 0.2], [0.3, 0.7, 0.4]])
    without_second = np.array([[0.8, 0.5, 1.0]])

    found = choosing.memorisation([without_first, without_second], groups)

    np.testing.assert_allclose(found, [0.8 - 0.2, 0.8 - 0.5, 1.0 - 0.3])


def test_log_probabilities_are_those_of_models_that_never_saw_the_example() -> None:
    seen = np.full((1, 2, 2), 1e3, dtype=np.float32)
    one, other = seen.copy(), seen.copy()
    one[:, 0], other[:, 1] = [0, np.log(3)], [np.log(4), 0]

    found = choosing.unseen_log_probabilities([one, other], [np.array([0]), np.array([1])])

    np.testing.assert_allclose(np.exp(found), [[0.25, 0.75], [0.8, 0.2]], rtol=1e-6)


def test_distances_are_euclidean() -> None:
    assert choosing.distances(np.array([[0.0, 0.0], [3.0, 4.0]]), 0).tolist() == [0.0, 5.0]


def test_el2n_is_the_mean_norm_of_the_error() -> None:
    logits = np.log(np.array([[[0.5, 0.5]], [[0.1, 0.9]]], dtype=np.float32))

    found = choosing.el2n(logits, np.array([0]))

    np.testing.assert_allclose(found, [(0.5 * 2**0.5 + 0.9 * 2**0.5) / 2], rtol=1e-6)


@pytest.mark.parametrize("by", ["memorised", "influential", "worst_case"])
def test_wrong_labels_are_what_models_memorise_and_what_has_the_largest_error(by: str) -> None:
    task = _chosen(_task(by))

    assert task.load().forget.ids.tolist() == [f"train-{i:02}" for i in WRONG]
    assert task.chosen is not None
    assert task.chosen.lowest > task.chosen.others_mean
    assert (task.chosen.by, task.chosen.models, task.chosen.among) == (by, 8, 40)


def test_the_worst_case_is_what_a_short_training_on_the_rest_leaves() -> None:
    task = _chosen(_task("worst_case", 8))
    first = FirstPopulation.of(OwnNetwork.of(_task("worst_case", 8)), "cpu")

    scores, _ = first._scores()
    forgotten = np.isin(first.whole.train.ids, task.load().forget.ids)
    assert scores[forgotten].min() >= scores[~forgotten].max()
    assert (first.roles, first.each, len(first.missing())) == (("retrained", "original"), 1, 0)
    # What is left is at most what was memorised, up to the noise of one model.
    assert -1 <= scores.min() <= scores.max() <= 1


def test_networks_in_shards_have_no_worst_case() -> None:
    with pytest.raises(DatasetInvalidError, match=r"worst_case: models of .* cannot be trained on: its networks"):
        FirstPopulation.of(OwnNetwork.of(replace(_task("worst_case"), sisa=SisaRequest(2, 1))), "cpu")


def test_wrong_labels_are_not_easy_and_a_choice_is_made_of_cached_models() -> None:
    memorised, easy = OwnNetwork.of(_task()), OwnNetwork.of(_task("easy", 36))
    with_forget_set(memorised, "cpu", SilentProgress())
    again, told = planned_forget_set(easy, "cpu", SilentProgress())

    assert told == "chosen by 8 models from the cache"
    assert not set(again.task.load().forget.ids) & {f"train-{i:02}" for i in WRONG}


def test_an_example_is_its_nearest_neighbour() -> None:
    task = _chosen(_task("similar", 10, example="train-04"))

    assert "train-04" in task.load().forget.ids
    assert task.chosen is not None
    assert (task.chosen.example, task.chosen.lowest) == ("train-04", 0.0)
    assert task.chosen.highest < task.chosen.others_mean


def test_a_plan_trains_nothing_and_says_what_the_choice_takes() -> None:
    own, told = planned_forget_set(OwnNetwork.of(replace(_task(), name="never-trained")), "cpu", SilentProgress())

    assert told.startswith("chosen by 8 models (by: memorised), 8 to train: about ")
    assert own.task.load().sizes() == {"retain": 36, "forget": 4, "validation": 8, "test": 8}
    assert len(FirstPopulation.of(OwnNetwork.of(replace(_task(), name="never-trained")), "cpu").missing()) == 4


def test_a_plan_of_the_worst_case_trains_on_no_models_that_are_cached() -> None:
    own = OwnNetwork.of(replace(_task("worst_case"), name="planned"))
    first = FirstPopulation.of(own, "cpu")
    train_chunks(first.missing(), SilentProgress(), "training")

    _, told = planned_forget_set(own, "cpu", SilentProgress())
    assert "(by: worst_case), 0 to train, 4 to train on without the examples: about " in told
    assert first.unprobed() == 4

    with_forget_set(own, "cpu", SilentProgress())
    assert planned_forget_set(own, "cpu", SilentProgress())[1] == "chosen by 8 models from the cache"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda: _task(amount=41), "41 were requested, but there are only 40"),
        (lambda: _task(amount=1.0), "the retain set is empty"),
        (lambda: _task("similar", example="train-4"), "no training example has the id 'train-4'; did you mean 'train-"),
        (
            lambda: _task(amount=2, load=lambda: replace(_whole(), train=_split("few", 7, 0))),
            "the training set has 7 examples, and 8 are needed",
        ),
    ],
    ids=["too many", "all", "no such example", "few examples"],
)
def test_a_choice_that_the_data_does_not_allow_is_refused_before_training(
    change: Callable[[], Task], told: str
) -> None:
    with pytest.raises(DatasetInvalidError) as caught:
        FirstPopulation.of(OwnNetwork.of(change()), "cpu")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{by: memorised, count: 4, models: 10}", "forget.models: found 10"),
        ("{by: easy, count: 4, models: 4}", "forget.models: found 4"),
        ("{by: influential}", "count or fraction is missing"),
        ("{by: memorised, count: 4, example: x}", "forget.example: unknown key"),
        ("{by: hardest, count: 4}", "forget.by: found 'hardest'"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_line(rule: str, told: str) -> None:
    with pytest.raises(TaskInvalidError) as caught:
        task_from_text(f"extends: faces\nname: hard\nforget: {rule}\n", "hard.yaml", Path())
    assert told in str(caught.value)


def test_data_is_not_handed_out_before_the_forget_set_is_chosen() -> None:
    task = task_from_text(
        "extends: faces\nname: hard\ndataset: {persons: 20}\nforget: {by: easy, count: 4}\n", "hard.yaml", Path()
    )
    with pytest.raises(DatasetInvalidError, match="not known before it is chosen"):
        task.load()


def test_chosen_ids_are_written_to_a_new_file_alone(tmp_path: Path) -> None:
    (tmp_path / "hard.yaml").write_text(
        "extends: faces\nname: hard\ndataset: {persons: 20}\nforget: {by: ids, ids: [p0000-00]}\n"
    )
    (tmp_path / "ids.txt").write_text("mine\n")
    command = ["references", "choose", str(tmp_path / "hard.yaml"), "--output", str(tmp_path / "ids.txt")]

    refused = CliRunner().invoke(cli, command)
    assert refused.exit_code == UsageError.exit_code
    assert (tmp_path / "ids.txt").read_text() == "mine\n"

    (tmp_path / "ids.txt").unlink()
    assert CliRunner().invoke(cli, command).exit_code == 0
    assert (tmp_path / "ids.txt").read_text() == "p0000-00\n"
