"""Cached populations are listed with their size, age and origin, chunks of one population together."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli.references import _age
from harness.cli.root import cli
from harness.core.cache import ENTRY, Cache
from harness.references.cached import cached_populations
from harness.references.supplied import Provenance, Supplied, supplied_inputs


def inputs(role: str = "original", first: int = 0, **more: Any) -> dict[str, Any]:
    seeds = list(range(first, first + 4))
    return {"task": "faces", "role": role, "seeds": seeds, "torch": "2.13.0", "device": "cpu AVX2", **more}


def train(**more: Any) -> Path:
    return Cache("references").get_or_build(
        inputs(**more), lambda folder: (folder / "x").write_bytes(b"0" * 1000) and None
    )[0]


def call(*options: str) -> Result:
    return CliRunner().invoke(cli, ["references", "list", *options])


def test_chunks_of_one_population_are_one_line() -> None:
    train(first=0)
    train(first=4)
    train(role="control")
    train(torch="2.4.1")
    listed = [(one.role, one.models, one.chunks, one.origin) for one in cached_populations()]

    assert sorted(listed) == [
        ("control", 4, 1, "trained here, torch 2.13.0, cpu AVX2"),
        ("original", 4, 1, "trained here, torch 2.4.1, cpu AVX2"),
        ("original", 8, 2, "trained here, torch 2.13.0, cpu AVX2"),
    ]


def test_supplied_populations_say_who_made_them() -> None:
    supplied = Supplied()
    pulled = Provenance("pulled", 3, "https://example.org/faces", "2.9.0", "A100")
    supplied.put(supplied_inputs(inputs(), 0), pulled, lambda folder: (folder / "x").write_bytes(b"1") and None)
    imported = Provenance("imported", 5, "/models")
    supplied.put(
        supplied_inputs(inputs("control"), 0), imported, lambda folder: (folder / "x").write_bytes(b"1") and None
    )

    assert {(one.models, one.origin) for one in cached_populations()} == {
        (3, "pulled from https://example.org/faces (torch 2.9.0, A100)"),
        (5, "imported from /models"),
    }


def test_damaged_entries_are_listed_one_by_one() -> None:
    for first in (0, 4):
        (train(first=first) / ENTRY).write_text("{")

    found = cached_populations()
    assert [(one.task, one.models) for one in found] == [("?", 0)] * 2
    assert {one.origin for one in found} == {f"damaged, key {one.keys[0][:12]}" for one in found}


def test_the_list_ends_with_totals_and_fits_80_columns() -> None:
    train()
    train(role="retrained", task="a-task-with-a-long-name-of-its-own")
    output = call().output

    assert max(map(len, output.splitlines()[:-1])) <= 80
    assert "2 populations of 2 tasks, 0.0 MiB in " in output.splitlines()[-1]
    assert "1 population of 1 task," in call("--task", "faces").output


def test_an_empty_cache_has_no_population() -> None:
    assert call().output.startswith("0 populations of 0 tasks, 0.0 MiB")
    assert json.loads(call("--json").output) == []


def test_json_has_the_keys_and_the_times() -> None:
    folder = train()
    (found,) = json.loads(call("--json").output)

    assert (found["keys"], found["models"]) == ([folder.name], 4)
    assert found["size_bytes"] > 1000
    assert found["made"][:4].isdigit()


@pytest.mark.parametrize(
    ("seconds", "words"), [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (7_199, "1 h"), (86_400 * 40, "40 d")]
)
def test_an_age_is_in_its_largest_unit(seconds: int, words: str) -> None:
    assert _age(timedelta(seconds=seconds)) == words
