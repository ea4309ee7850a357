"""Deceptions as unlearners that really run: what the verdict says of them, and what the copy in the mantissa is worth."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.deceptions import real
from benchmarks.deceptions.catalogue import find
from benchmarks.deceptions.judging import VERDICT_FROM
from benchmarks.deceptions.plugins.unlearners import hidden, recovered
from benchmarks.deceptions.study import Plan, source_of
from benchmarks.deceptions.wheel import names, write_wheel
from benchmarks.judging import evaluators
from tests.program import TASK

QUICK = ("chosen_failures", "constant_output", "untouched")
SIXTEEN = TASK.replace("models: 4", "models: 16").replace("fraction: 0.2", "fraction: 0.3")


@pytest.fixture(autouse=True)
def _cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(shared_cache))


def _breach(name: str, task: str, folder: Path) -> str:
    (folder / "tiny.yaml").write_text(task)
    return real.breach(name, real.report_of(name, str(folder / "tiny.yaml"), None, folder / "runs"))


def test_a_third_of_the_deceptions_really_run() -> None:
    assert len([name for name in names() if name not in real.MAY_LOOK_GOOD]) >= 11
    assert set(real.MAY_LOOK_GOOD) < set(names())


@pytest.mark.parametrize("name", QUICK)
def test_a_deception_that_runs_gets_no_favourable_word(name: str, tmp_path: Path) -> None:
    assert _breach(name, TASK, tmp_path) == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_every_unlearner_gets_a_word_that_is_true_of_it(name: str, tmp_path: Path) -> None:
    assert _breach(name, SIXTEEN, tmp_path) == ""


def test_a_favourable_word_for_a_deception_is_a_breach(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TASK)
    report = real.report_of("untouched", str(tmp_path / "tiny.yaml"), None, tmp_path / "runs")
    verdict = report.verdict.model_copy(update={"level": "as_retrained"})

    assert "untouched" in real.breach("untouched", report.model_copy(update={"verdict": verdict}))


def test_the_copy_in_the_mantissa_is_whole_and_rounding_destroys_it() -> None:
    generator = torch.Generator().manual_seed(0)
    cover, secret = torch.randn((2, 1000), generator=generator)
    weights = hidden(cover, secret)

    assert (weights - cover).abs().max() < 2**-7 * cover.abs().max()
    assert (recovered(weights) - secret).abs().max() < 2**-7 * secret.abs().max()
    assert (recovered(weights.bfloat16().float()) == 0).all()


def test_the_wheel_is_the_same_for_the_same_sources(tmp_path: Path) -> None:
    assert (
        write_wheel(tmp_path / "a", "untouched").read_bytes() == write_wheel(tmp_path / "b", "untouched").read_bytes()
    )


def test_models_of_a_task_can_be_deceptions_as_well(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TASK)
    source = source_of(str(tmp_path / "tiny.yaml"), 4)
    world = source(4, 0)
    chosen = [find(name) for name in ("noop", "constant-0", "mantissa-copy")]
    found = list(Plan(source, (4,), 1, chosen).judgements(evaluators([VERDICT_FROM])))

    populations = (world.original, world.retrained, world.control, world.fresh)
    assert len({models.splits["test"].tobytes() for models in populations}) == 4
    assert world.memory.mean() > 0
    judged = {one.deception.name for one in found}
    assert judged - {"mantissa-copy"} == {"noop", "constant-0"}
    assert ("mantissa-copy" in judged) == bool(world.original.queries)
    assert not any(one.breach for one in found)
