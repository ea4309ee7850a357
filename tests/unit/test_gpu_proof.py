"""The proof for a GPU: its parts share the time, are kept one by one, and stay independent."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import runs, speed
from benchmarks.gpu.proof import FILE, Given, Part, Proof
from benchmarks.gpu.sizes import DRY, FULL, Sizes
from harness.errors import UsageError

OPTIONS = argparse.Namespace(dry_run=True, data=None)
IDENTITY = {"device": "cpu"}


def _given(folder: Path, *, sizes: Sizes = FULL, seconds: float = 300, before: dict[str, Any] | None = None) -> Given:
    return Given(sizes, folder, None, time.monotonic() + seconds, before or {}, lambda _: None, {})


def _fails(given: Given) -> dict[str, Any]:
    given.keep({"half": 1})
    raise ValueError("broken")


def test_a_part_that_fails_is_told_and_the_next_goes_on_with_what_was_found(tmp_path: Path) -> None:
    proof = Proof(tmp_path, IDENTITY)
    parts = (
        Part("one", 1, lambda _: {"x": 1}),
        Part("two", 1, _fails),
        Part("three", 1, lambda given: dict(given.before)),
    )

    proof.go_on(parts, OPTIONS, 60)

    kept = json.loads((tmp_path / FILE).read_text())["parts"]
    assert {name: one["status"] for name, one in kept.items()} == {
        "one": "done",
        "two": "failed: ValueError: broken",
        "three": "done",
    }
    assert kept["three"]["found"] == {"one": {"x": 1}, "two": {"half": 1}}


def test_a_second_command_does_what_is_missing_from_where_it_was(tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = []

    def work(given: Given) -> dict[str, Any]:
        calls.append(given.begun)
        if not given.begun:
            given.keep({"half": 1})
            raise KeyboardInterrupt
        return {"whole": 1}

    parts = (Part("one", 1, lambda _: {"x": 1}), Part("two", 1, work))
    with pytest.raises(KeyboardInterrupt):
        Proof(tmp_path, IDENTITY).go_on(parts, OPTIONS, 60)
    proof = Proof(tmp_path, IDENTITY)
    proof.go_on(parts, OPTIONS, 60)

    assert calls == [{}, {"half": 1}]
    assert proof.found["parts"]["two"]["found"] == {"whole": 1}


def test_parts_share_what_is_left_and_none_begins_after_the_end(tmp_path: Path) -> None:
    seen: list[float] = []
    parts = [Part(name, share, lambda given: seen.append(given.left_s) or {}) for name, share in (("a", 1), ("b", 3))]

    proof = Proof(tmp_path / "a", IDENTITY)
    proof.go_on(parts, OPTIONS, 400)
    late = Proof(tmp_path / "b", IDENTITY)
    late.go_on(parts, OPTIONS, 0)

    assert seen[0] == pytest.approx(100, abs=5)
    assert seen[1] == pytest.approx(400, abs=5)
    assert {one["status"] for one in late.found["parts"].values()} == {"no time left"}


@pytest.mark.parametrize("text", ["{", '{"identity": {"device": "other"}, "parts": {}}'])
def test_a_file_that_is_damaged_or_of_another_proof_is_left_alone(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError, match="another --output"):
        Proof(tmp_path, IDENTITY)
    assert (tmp_path / FILE).read_text() == text


def _cell(network: str, models: int, how: str, step_s: float | None) -> dict[str, Any]:
    return {"network": network, "precision": "bfloat16", "models": models, "how": how, "step_s": step_s}


def test_the_ratio_is_that_of_the_fastest_chunk() -> None:
    cells = {
        "a": _cell("resnet9", 1, "alone", 0.010),
        "b": _cell("resnet9", 4, "grouped", 0.004),
        "c": _cell("resnet9", 16, "grouped", 0.001),
        "d": _cell("resnet9", 64, "grouped", None),
        "e": _cell("resnet18", 1, "alone", None),
        "f": _cell("resnet18", 4, "grouped", 0.004),
    }
    (name, one), *others = speed.ratios(cells).items()

    assert (name, one["models"], others) == ("resnet9 bfloat16", 16, [])
    assert one["ratio"] == pytest.approx(10)


def test_the_judged_run_is_the_largest_that_fits(tmp_path: Path) -> None:
    fast = {"speed": {"ratios": {"resnet18 bfloat16": {"alone_s": 1e-4, "together_s": 2e-5}}}}
    middling = {"speed": {"ratios": {"resnet18 bfloat16": {"alone_s": 4e-3, "together_s": 8e-4}}}}
    slow = {"speed": {"ratios": {"resnet18 bfloat16": {"alone_s": 1e4, "together_s": 1e4}}}}

    assert runs.chosen_scale(_given(tmp_path, before=fast)) == FULL.scales[0]
    assert runs.chosen_scale(_given(tmp_path, before=middling)) in FULL.scales[1:]
    with pytest.raises(UsageError, match="more --minutes"):
        runs.chosen_scale(_given(tmp_path, before=slow))
    assert runs.chosen_scale(_given(tmp_path, sizes=DRY)) == DRY.scales[-1]
