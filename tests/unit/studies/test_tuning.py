"""The search for options: a task that shares nothing with the final one, ranges, and a search that is interrupted."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.progress import SilentProgress
from harness.errors import InterruptedRunError, StudyInvalidError, UsageError
from harness.plugins.discovery import find_task
from harness.references.identity import ROLES, member_seeds
from harness.report.document import Report
from harness.runs.config import RunConfig
from harness.runs.pipeline import RunResult
from harness.studies import tuning
from harness.studies.tuning import parse_search, tune
from harness.studies.tuning_task import tuning_task
from harness.tasks.loading import task_from_text
from tests.unit.comparing.samples import report

TASK = """\
schema: 1
name: tiny
dataset: {kind: faces, persons: 40, pictures: 6}
forget: %s
splits: {validation: 0.1, test: 0.15, by: subject}
"""
pytest.importorskip("optuna")


@pytest.mark.parametrize(
    "rule",
    [
        "{by: subject, fraction: 0.2}",
        "{by: random, count: 20}",
        "{by: class, classes: [1]}",
        "{by: class, classes: [1], count: 5}",
    ],
)
def test_the_tuning_task_shares_no_forgotten_example_and_no_model_with_the_final_one(rule: str) -> None:
    task = task_from_text(TASK % rule, "tiny", Path())
    other = tuning_task(task)
    final, tuned = task.load(), other.load()

    forgotten = set(tuned.forget.ids.tolist())
    assert forgotten
    assert forgotten <= set(final.retain.ids.tolist())
    assert not forgotten & set(final.forget.ids.tolist())
    assert set(final.forget.ids.tolist()) <= set(tuned.retain.ids.tolist())
    if "class" not in rule:
        assert len(tuned.forget) == len(final.forget)
    for split in ("validation", "test"):
        assert tuned.split(split).ids.tolist() == final.split(split).ids.tolist()
    seeds = [set(member_seeds(one, role, 50)) for one in (task, other) for role in ROLES]
    assert len(set.union(*seeds)) == sum(map(len, seeds))


def test_a_task_without_an_equivalent_is_refused() -> None:
    for rule in ("{by: memorised, count: 9}", "{by: similar, count: 9}"):
        with pytest.raises(UsageError, match="tune on a task"):
            tuning_task(task_from_text(TASK % rule, "tiny", Path()))
    with pytest.raises(UsageError, match="no equivalent"):
        tuning_task(find_task("faces-stream"))
    with pytest.raises(UsageError, match="keeps too little"):
        tuning_task(task_from_text(TASK % "{by: random, fraction: 0.7}", "tiny", Path()))


@pytest.mark.parametrize("text", ["lr", "lr=", "lr=3..1", "lr=0..1:log", "lr=0.1..0.2:cube", "l r=1..2", "lr=a..b"])
def test_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--search"):
        parse_search((text,))


def test_ranges_are_whole_numbers_numbers_or_choices() -> None:
    found = parse_search(("epochs=1..5", "lr=0.001..0.1:log", "mode=a,2,true"))
    assert {name: type(one).__name__ for name, one in found.items()} == {
        "epochs": "IntDistribution",
        "lr": "FloatDistribution",
        "mode": "CategoricalDistribution",
    }
    assert getattr(found["mode"], "choices", None) == ("a", 2, True)
    for nothing in ((), ("lr=1..2", "lr=1..3")):
        with pytest.raises(UsageError):
            parse_search(nothing)


class Bench:
    """Runs that cost nothing: the value of a setting is known, and the process is killed at given runs."""

    def __init__(self, killed_at: tuple[int, ...] = ()) -> None:
        self.killed_at, self.made = killed_at, 0
        self.tried: list[float] = []
        self.final: dict[str, Any] = {}

    def ended_run(self, folder: Path, config: RunConfig, *_: Any, **__: Any) -> RunResult:
        self.made += 1
        if self.made in self.killed_at:
            raise KeyboardInterrupt
        lr = config.options["lr"]
        if folder.parent.name == tuning.TRIALS:
            self.tried.append(lr)
        else:
            self.final = {"lr": lr, "tried": config.settings_tried, "task": config.task}
        return RunResult(self.report(lr), folder)

    @staticmethod
    def report(lr: float) -> Report:
        return report("m", 0.9 - 0.4 * (1 - abs(lr - 0.3)))


def _tune(bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch, trials: int = 5) -> None:
    monkeypatch.setattr(tuning, "ended_run", bench.ended_run)
    config = RunConfig(plugin="finetune", task="faces", runner="process")
    for _ in range(len(bench.killed_at) + 1):
        with contextlib.suppress(InterruptedRunError):
            tune(config, ("lr=0.0..1.0",), trials, folder, SilentProgress())


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    text = TASK % "{by: subject, fraction: 0.2}"
    monkeypatch.setattr(tuning, "find_task", lambda _: task_from_text(text, "tiny", Path()))
    monkeypatch.setattr(tuning, "check_runner", lambda *_: "process")


def test_a_search_that_is_interrupted_ends_as_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = Bench(), Bench(killed_at=(2, 5))
    _tune(whole, tmp_path / "a", monkeypatch)
    _tune(killed, tmp_path / "b", monkeypatch)

    assert len(set(whole.tried)) == 5
    assert killed.tried == whole.tried
    assert (
        killed.final
        == whole.final
        == {"lr": min(whole.tried, key=lambda lr: abs(lr - 0.3)), "tried": 5, "task": "faces"}
    )


def test_a_search_may_be_given_more_trials_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, more = Bench(), Bench()
    _tune(first, tmp_path / "a", monkeypatch, trials=2)
    _tune(more, tmp_path / "a", monkeypatch, trials=3)
    assert (len(more.tried), more.final["tried"]) == (1, 3)
    with pytest.raises(StudyInvalidError, match="another search"):
        tune(RunConfig(plugin="noop"), ("lr=0.0..1.0",), 3, tmp_path / "a", SilentProgress())
    assert json.loads((tmp_path / "a" / tuning.BEGUN).read_bytes())["config"]["plugin"] == "finetune"


def test_a_search_without_any_value_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    monkeypatch.setattr(tuning, "ended_run", lambda folder, *_, **__: RunResult(report("m", None), folder))
    with pytest.raises(UsageError, match="No trial"):
        tune(RunConfig(plugin="finetune"), ("lr=0.0..1.0",), 2, tmp_path / "a", SilentProgress())
    assert not bench.made
