"""Stopping in good order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from harness_unlearners._clock import Clock, endless
from tests.unit.unlearners.bench import data


class Left:
    """A context that says how many seconds are left, one answer after the other."""

    device = torch.device("cpu")

    def __init__(self, time_limit_s: float | None, answers: Sequence[float] = ()) -> None:
        self.time_limit_s = time_limit_s
        self._answers = iter(answers)

    @property
    def remaining_s(self) -> float:
        return next(self._answers)


def test_a_step_as_long_as_the_longest_so_far_must_fit_before_the_last_tenth(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock(Left(10.0, [10, 9, 6, 5, 4]))

    assert [clock.allows_step() for _ in range(5)] == [True, True, True, True, False]
    assert capsys.readouterr().out == "stopped after 4 steps: the time limit is almost reached\n"


def test_a_clock_that_has_stopped_stays_so_and_says_it_once(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock(Left(10.0, [1, 10, 10]))

    assert [clock.allows_step() for _ in range(3)] == [False, False, False]
    assert capsys.readouterr().out.count("\n") == 1


def test_without_a_limit_every_step_is_allowed() -> None:
    clock = Clock(Left(None))

    assert all(clock.allows_step() for _ in range(100))
    assert list(clock.epochs(3)) == [0, 1, 2]


def test_no_epoch_is_begun_after_a_refusal() -> None:
    clock = Clock(Left(10.0, [5, 5, 0.5]))
    epochs = []
    for epoch in clock.epochs(10**9):
        epochs.append(epoch)
        clock.allows_step()

    assert epochs == [0, 1, 2]


def test_batches_pass_over_the_split_as_often_as_asked() -> None:
    batches = list(Clock(Left(None)).batches(data(9), 4, passes=2))

    assert [len(labels) for _, labels in batches] == [4, 4, 1, 4, 4, 1]


def test_pairs_use_up_both_splits_together() -> None:
    pairs = list(Clock(Left(None)).pairs(data(40), data(10, seed=1), 8))

    assert [len(kept[1]) for kept, _ in pairs] == [8] * 5
    assert [len(gone[1]) for _, gone in pairs] == [2] * 5
    shown = torch.cat([gone[0] for _, gone in pairs]).flatten(1)
    assert len(shown.unique(dim=0)) == 10


def test_pairs_take_only_the_share_of_retain_asked_for() -> None:
    pairs = list(Clock(Left(None)).pairs(data(40), data(10, seed=1), 8, passes=2, share=0.3))

    assert [len(gone[1]) for _, gone in pairs] == [5] * 4


def test_a_forget_batch_is_never_larger_than_a_retain_batch() -> None:
    pairs = list(Clock(Left(None)).pairs(data(8), data(30, seed=1), 4))

    assert [len(gone[1]) for _, gone in pairs] == [4, 4]


def test_endless_batches_end_for_an_empty_split() -> None:
    assert list(endless(data(0), 4)) == []


class Counted(Left):
    """A context whose limit counts examples."""

    clock = "steps"


def test_examples_that_were_drawn_may_be_used_and_no_more_are_drawn_than_fit() -> None:
    clock = Clock(Counted(100.0, [100, 75, 50, 25, 0]))

    assert [clock.allows_step() for _ in range(3)] == [True, True, False]  # after the third batch nothing could follow
