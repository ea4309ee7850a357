"""Models on posts that die, hang or answer late: every case ends in the numbers of an undisturbed run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from harness.core.outcomes import ModelOutcome, Status
from harness.core.progress import SilentProgress
from harness.errors import SandboxError
from harness.posts.dispatch import Crew
from harness.posts.remote import RemotePost
from harness.runs.budget import Limit
from harness.runs.config import RunConfig
from harness.runs.run_models import unlearn_all
from harness.runs.store import RunStore
from harness.runs.unlearning_setup import UnlearningSetup
from tests.unit.posts.fakes import DIE, HANG, fake_post, line_of, node_of, runs_of

MODELS = 8


def setup_of(models: int = MODELS) -> UnlearningSetup:
    originals = SimpleNamespace(seeds=range(models), journal=lambda _index: None)
    stands_for = SimpleNamespace(
        config=RunConfig(plugin="x", time_limit_s=1.0),
        originals=originals,
        facts=SimpleNamespace(name="x"),
        task=SimpleNamespace(request=None),
        handed_over=lambda original: {"w": np.full(3, original, np.float32)},
        probes=False,
    )
    return cast("UnlearningSetup", stands_for)


class Ground:
    """A run folder, and what is in it."""

    def __init__(self, folder: Path) -> None:
        self.store = RunStore.create(folder)
        self.progress = SilentProgress()

    def run(self, posts: Sequence[RemotePost], models: int = MODELS, **crew: Any) -> dict[int, ModelOutcome]:
        found = unlearn_all(
            setup_of(models), Limit(1.0), self.store, self.progress, Crew(cast("list[Any]", list(posts)), **crew)
        )
        return {one.index: one for one in found}

    def digest(self, models: int = MODELS) -> str:
        sha = hashlib.sha256()
        for index in range(models):
            sha.update(self.store.logits(index)["forget"].tobytes())
        return sha.hexdigest()


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path / "run")


@pytest.fixture
def undisturbed(tmp_path: Path) -> str:
    alone = Ground(tmp_path / "undisturbed")
    alone.run([fake_post("alone")])
    return alone.digest()


@pytest.mark.parametrize("how", [DIE, HANG])
def test_a_model_whose_node_was_lost_is_done_on_another_and_told(ground: Ground, undisturbed: str, how: str) -> None:
    first = fake_post("a", script=dict.fromkeys(range(MODELS), how), patience=lambda _task: 0.3)
    posts = [first, fake_post("b", seats=2, after=first)]
    found = ground.run(posts)

    (lost,) = node_of(first).runs
    assert ground.digest() == undisturbed
    assert [one.index for one in found.values() if one.attempts == 2] == [lost]
    assert found[lost].earlier_attempts[0].startswith("lost: node a ")
    assert line_of(first).cuts == 1
    assert all(one.status is Status.OK for one in found.values())
    assert runs_of(posts) == sorted([*range(MODELS), lost])


def test_a_model_that_kills_its_nodes_is_an_infrastructure_error_after_two(ground: Ground) -> None:
    posts = [fake_post(name, script={3: DIE}) for name in "abcd"]
    found = ground.run(posts)

    assert found[3].status is Status.INFRA_ERROR
    assert found[3].attempts == 2
    assert len([post for post in posts if post.lost]) == 2
    assert all(one.status is Status.OK for index, one in found.items() if index != 3)
    assert runs_of(posts).count(3) == 2


def test_what_a_post_that_was_given_up_still_returns_is_not_read(ground: Ground, undisturbed: str) -> None:
    first = fake_post("a", script=dict.fromkeys(range(MODELS), HANG), patience=lambda _task: 0.2)
    ground.run([first, fake_post("b", after=first)])
    before = {path: path.read_bytes() for path in ground.store.folder.rglob("*.json")}
    line_of(first).wait()  # now it has answered

    assert {path: path.read_bytes() for path in ground.store.folder.rglob("*.json")} == before
    assert ground.digest() == undisturbed


def test_a_run_that_lost_all_nodes_stops_and_is_resumed_with_the_same_numbers(ground: Ground, undisturbed: str) -> None:
    with pytest.raises(SandboxError, match="All nodes were lost, and 6 models are left"):
        ground.run([fake_post("a", script={2: DIE})])
    kept = set(ground.store.finished())

    again = fake_post("c")
    found = ground.run([again])

    assert ground.digest() == undisturbed
    assert kept.isdisjoint(runs_of([again]))
    assert [one.earlier_attempts for one in found.values() if one.attempts > 1] == [("lost: node a died",)]


def test_a_late_node_takes_over_from_one_that_was_lost(ground: Ground, undisturbed: str) -> None:
    late = [fake_post("late")]

    def arrivals(_seconds: float) -> list[RemotePost]:
        return [late.pop()] if late and first.lost else []

    first = fake_post("a", script={4: DIE})
    ground.run([first], arrivals=arrivals, poll_s=0.05, patience_s=5.0)

    assert ground.digest() == undisturbed


def test_a_single_node_that_came_back_does_the_model_again(ground: Ground, undisturbed: str) -> None:
    first, again = fake_post("a", script={5: DIE}), [fake_post("a")]
    ground.run([first], arrivals=lambda _seconds: [again.pop()] if first.lost and again else [], poll_s=0.05)

    assert ground.digest() == undisturbed
