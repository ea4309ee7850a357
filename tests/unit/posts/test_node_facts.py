"""Nodes that cannot work for a run, and nodes of several kinds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.posts.facts import chosen_kind, describe, differences

HERE = describe()


def test_a_node_like_this_machine_can_work_for_it() -> None:
    assert differences(describe(), HERE) == []


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("torch", "torch 0.1, here "),
        ("python", "Python 0.1, here "),
        ("harness", "harness 0.1"),
        ("code", "other code"),
    ],
)
def test_what_differs_in_a_node_is_named(field: str, told: str) -> None:
    (found,) = differences(replace(HERE, **{field: "0.1"}), HERE)  # type: ignore[arg-type]

    assert found.startswith(told)


@pytest.mark.parametrize(
    "other", [{"cpu_model": "x"}, {"cores": 99}, {"niceness": 15}, {"gpus": ("x",)}, {"memory_mib": 1}]
)
def test_what_times_depend_on_makes_another_kind(other: dict[str, object]) -> None:
    assert replace(HERE, **other).kind != HERE.kind  # type: ignore[arg-type]


def test_the_kind_with_the_most_cores_is_chosen() -> None:
    small = replace(HERE, cpu_model="x", cores=2)

    assert chosen_kind([small, small, replace(HERE, cores=3)]) == small.kind
    assert chosen_kind([small, replace(HERE, cores=3)]) == replace(HERE, cores=3).kind
