"""A run's options: what is refused, and that they can be kept and read back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from harness.errors import UsageError
from harness.runs.config import RunConfig, parse_options


def test_options_survive_being_kept_as_json() -> None:
    config = RunConfig(plugin="x", evaluators=("lira",), options={"lr": 0.1}, models=4, keep_weights=True)

    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_options_of_a_newer_version_are_refused() -> None:
    with pytest.raises(UsageError, match="another version"):
        RunConfig.from_json({**RunConfig(plugin="x").to_json(), "novelty": 1})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"models": 0}, "--models"),
        ({"time_limit_s": 0.0}, "--time-limit"),
        ({"time_limit_s": float("nan")}, "--time-limit"),
        ({"time_limit_s": float("inf")}, "--time-limit"),
        ({"budget_fraction": -1.0}, "--budget-fraction"),
        ({"budget_fraction": float("nan")}, "--budget-fraction"),
        ({"time_limit_s": 1.0, "budget_fraction": 0.1}, "exclude"),
        ({"cpus": 0}, "--cpus"),
        ({"adapter": "kit"}, "--adapter is for a single file"),
        ({"plugin": "method.py", "adapter": "kiln"}, "--adapter must be one of auto, hook, kit, challenge"),
        ({"memory_mib": 10}, "--memory"),
        ({"models": True}, "--models must be a whole number from 1 to 10000, not True"),
        ({"models": 4.0}, "--models"),
        ({"models": "4"}, "--models"),
        ({"models": 10**9}, "--models"),
        ({"models": 200, "repeats": 200}, "--models times --repeats must be at most 10000, not 40000"),
        ({"repeats": 0}, "--repeats"),
        ({"repeats": 10**5000}, "--repeats"),
        ({"seed": -1}, "--seed"),
        ({"seed": 2**63}, "--seed"),
        ({"seed": None}, "--seed"),
        ({"time_limit_s": 1e308}, "--time-limit must be a number above 0 to 604800, not 1e.308"),
        ({"time_limit_s": 1e13, "clock": "steps"}, "--time-limit"),
        ({"time_limit_s": True}, "--time-limit"),
        ({"budget_fraction": 1e308}, "--budget-fraction"),
        ({"workers": 10**6}, "--workers"),
        ({"workers": True}, "--workers"),
        ({"cpus": 1.5}, "--cpus"),
        ({"memory_mib": 10**12}, "--memory"),
        ({"options": {"lr": float("nan")}}, "An option of the plugin must be finite"),
        ({"options": {"f": print}}, "An option of the plugin must be a JSON value"),
    ],
)
def test_an_impossible_option_is_refused_by_its_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        RunConfig(**{"plugin": "x", **options})


def test_numbers_of_numpy_become_plain_ones() -> None:
    config = RunConfig(plugin="x", models=np.int64(4), time_limit_s=np.float32(2), clock="wall")  # type: ignore[arg-type]

    assert (type(config.models), type(config.time_limit_s)) == (int, float)
    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_limit_in_examples_may_be_larger_than_one_in_seconds() -> None:
    assert RunConfig(plugin="x", clock="steps", time_limit_s=1e9).time_limit_s == 1e9


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", "[1, [2, NaN]]", "[" * 20_000, "9" * 5000])
def test_a_plugin_option_that_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--set lr ") as caught:
        parse_options([f"lr={text}"])

    assert len(str(caught.value)) < 300


def test_plugin_options_are_read_as_json_where_they_are_json() -> None:
    parsed = parse_options(["lr=0.01", "layers=[1, 2]", "name=abc", "flag=true", "text=a=b"])

    assert parsed == {"lr": 0.01, "layers": [1, 2], "name": "abc", "flag": True, "text": "a=b"}


@pytest.mark.parametrize("pairs", [["lr"], ["=1"], ["a b=1"], ["lr=1", "lr=2"]])
def test_a_malformed_plugin_option_is_refused(pairs: list[str]) -> None:
    with pytest.raises(UsageError, match="--set"):
        parse_options(pairs)


def test_a_guest_gets_no_more_cores_than_the_host_has() -> None:
    assert RunConfig(plugin="x", cpus=64).limits(cores=2).cpus == 2.0


@pytest.mark.parametrize(("option", "named"), [("clock", "--clock"), ("failed_as", "--failed-as")])
def test_a_word_that_is_no_choice_is_refused_with_the_choices(option: str, named: str) -> None:
    with pytest.raises(UsageError, match=f"{named} must be one of"):
        RunConfig(plugin="x", **{option: "sometimes"})  # type: ignore[arg-type]


def test_a_run_begun_before_there_were_clocks_can_be_read() -> None:
    kept = RunConfig(plugin="x").to_json()
    for name in ("clock", "no_wait", "failed_as"):
        del kept[name]

    assert RunConfig.from_json(kept) == RunConfig(plugin="x")
