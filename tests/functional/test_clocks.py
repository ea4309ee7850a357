"""Limits of CPU seconds and of examples on the process runner, failed models as originals, and what resuming adds up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.report.writing import load_report
from harness.runs import remeasuring
from tests.program import Ended, Program, numbers_of, report_of

RUN = ("run", "--runner", "process", "--cpus", "1")
ONE = ("--models", "1", "--evaluator", "accuracy")
MADE = ("--evaluator", "accuracy", "--evaluator", "efficiency")
HOOK = 'import pluggy, time, os, pathlib\n@pluggy.HookimplMarker("harness")\n'
SLEEPS = f"{HOOK}def unlearn(context):\n    time.sleep(0.6)\n"
SPINS = f"{HOOK}def unlearn(context):\n    while True:\n        pass\n"
CHILD_SPINS = (
    f"{HOOK}def unlearn(context):\n    pid = os.fork()\n    while not pid:\n        pass\n    os.waitpid(pid, 0)\n"
)
DRAWS = f"{HOOK}def unlearn(retain, context):\n    for _ in range(3):\n        list(retain.loader(batch_size=36))\n"
IMPORTS = "import time\ntime.sleep(1.5)\n" + SLEEPS
# Fails for every second model: a file counts them.
FAILS = (
    "import pathlib\nCOUNT = pathlib.Path({count!r})\n"
    + HOOK
    + "def unlearn(model):\n    with COUNT.open('a') as file:\n        file.write('x')\n"
    "    assert COUNT.stat().st_size % 2 == 1\n    for parameter in model.parameters():\n        parameter.data.add_(0.1)\n"
)

Run = Callable[..., Ended]


@pytest.fixture
def run(program: Program, task: Path, wheel: Callable[[str], Path], tmp_path: Path) -> Run:
    """Return a function that runs a plugin's source, with the run folder ``r``."""

    def one(source: str, *arguments: str) -> Ended:
        return program(*RUN, "--plugin", wheel(source), "--task", task, "--output", tmp_path / "r", *arguments)

    return one


def _model(folder: Path) -> dict[str, Any]:
    (model,) = report_of(folder)["models"]
    assert isinstance(model, dict)
    return model


def test_sleeping_costs_no_processor_time(run: Run, tmp_path: Path) -> None:
    run(SLEEPS, *ONE, "--clock", "cpu", "--time-limit", "0.5")

    model = _model(tmp_path / "r")
    assert (model["status"], model["clock"]) == ("ok", "cpu")
    assert model["charged_s"] == model["cpu_s"] < 0.5
    assert model["evidence"]["elapsed_s"] >= 0.6


@pytest.mark.parametrize("source", [SPINS, CHILD_SPINS], ids=["itself", "its child"])
def test_a_process_that_used_up_its_processor_seconds_is_killed(run: Run, tmp_path: Path, source: str) -> None:
    ended = run(source, *ONE, "--clock", "cpu", "--time-limit", "0.5")

    model = _model(tmp_path / "r")
    assert (ended.code, model["status"]) == (3, "timeout")
    assert 0.5 <= model["charged_s"] < 5.0  # long before the deadline of a minute
    assert "CPU seconds" in model["advice"]


def test_examples_are_counted_by_the_loader_and_the_count_is_reproducible(run: Run, tmp_path: Path) -> None:
    ended = run(DRAWS, *ONE, "--clock", "steps", "--time-limit", "432")

    model = _model(tmp_path / "r")
    assert (ended.code, model["status"], model["examples"]) == (0, "ok", 3 * 144)
    assert report_of(tmp_path / "r")["budget"]["clock"] == "steps"
    assert "432 to 432 examples a model; the limit was 432 examples" in " ".join(ended.out.split())


def test_no_more_examples_can_be_drawn_than_the_limit_allows(run: Run, tmp_path: Path) -> None:
    run(DRAWS, *ONE, "--clock", "steps", "--time-limit", "431")

    model = _model(tmp_path / "r")
    assert (model["status"], model["examples"]) == ("timeout", 432 - 36)
    assert "limit on examples" in model["advice"]


def test_a_limit_in_examples_is_a_share_of_what_retraining_draws(program: Program, task: Path, tmp_path: Path) -> None:
    ended = program(
        *RUN, "--plugin", "finetune", "--task", task, "--output", tmp_path / "r", "--clock", "steps",
        "--budget-fraction", "0.5", "--set", "epochs=50", "--set", "batch_size=36", *MADE,
    )  # fmt: skip
    assert ended.code == 0, ended.err

    report = load_report(tmp_path / "r")
    assert report.budget.retrain_s == (4 * 144.0,)  # four epochs, drawn in batches of 40 with the rest
    assert report.budget.limit_s == 288.0
    used = {model.examples for model in report.models}
    assert len(used) == 1
    assert 216 <= used.pop() <= 288
    ratio, share = report.metric("efficiency", "ratio"), report.metric("efficiency", "limit_share")
    assert ratio is not None
    assert share is not None
    assert ratio.value == pytest.approx((report.models[0].examples or 0) / 576)
    assert share.value == pytest.approx((report.models[0].examples or 0) / 288)


def test_an_import_longer_than_the_limit_is_not_charged(run: Run, tmp_path: Path) -> None:
    ended = run(IMPORTS, *ONE, "--time-limit", "1")

    model = _model(tmp_path / "r")
    assert (ended.code, model["status"]) == (0, "ok"), model
    assert model["import_s"] > 1.5 > model["charged_s"]


def test_failed_models_count_as_their_originals_where_that_is_asked_for(
    run: Run, program: Program, tmp_path: Path
) -> None:
    (tmp_path / "count").touch()
    ended = run(FAILS.format(count=str(tmp_path / "count")), *MADE, "--time-limit", "60", "--failed-as", "noop")
    assert ended.code == 0, ended.err

    noop = load_report(tmp_path / "r")
    made = noop.populations
    assert (noop.finished_models, made.failed_models, made.substituted, made.unlearned.size) == (2, 2, 2, 4)
    assert "The others count as their originals" in ended.out
    accuracy = noop.metric("accuracy", "forget")
    assert accuracy is not None
    assert accuracy.value is not None

    partly = program("evaluate", tmp_path / "r", "--failed-as", "missing", "--evaluator", "accuracy")
    assert (partly.code, "cannot be combined with --evaluator" in partly.err) == (2, True)
    assert program("evaluate", tmp_path / "r", "--failed-as", "missing").code == 0
    missing = load_report(tmp_path / "r")
    assert (missing.populations.unlearned.size, missing.populations.failed_as) == (2, "missing")
    alone = missing.metric("accuracy", "forget")
    assert alone is not None
    assert alone.value is not None
    assert accuracy.noop is not None
    originals = _accuracy_of_originals(tmp_path / "r", noop)
    assert accuracy.value == pytest.approx((alone.value + originals) / 2)

    assert program("resume", tmp_path / "r", "--failed-as", "noop").code == 0
    again = load_report(tmp_path / "r")
    assert again.populations == noop.populations
    assert numbers_of(tmp_path / "r")["accuracy.forget"] == pytest.approx(accuracy.value)


def _accuracy_of_originals(run: Path, report: Any) -> float:
    """On the forget set, of the originals whose models failed, from the reference models in the cache."""
    import numpy as np

    from harness.core.progress import SilentProgress
    from harness.plugins.discovery import find_task
    from harness.references.populations import References

    task = find_task(json.loads((run / "run.json").read_text())["config"]["task"])
    data = task.load()
    logits = References(task, data, device="cpu").populations(4, SilentProgress())["original"].logits["forget"]
    failed = [model.original for model in report.models if not model.status.finished]
    return float(np.mean(logits[failed].argmax(axis=-1) == data.split("forget").labels))


@pytest.fixture(autouse=True)
def _same_cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(shared_cache))


def test_a_resumed_run_adds_up_the_phases_of_all_its_commands(program: Program, finished: Path) -> None:
    before = report_of(finished)["phases"]
    begun = json.loads((finished / "run.json").read_text())
    assert begun["phases"] == pytest.approx(before, abs=0.01)
    begun["phases"]["unlearn"] = 1000.0
    (finished / "run.json").write_text(json.dumps(begun))

    assert program("resume", finished).code == 0

    after = report_of(finished)["phases"]
    assert 1000.0 <= after["unlearn"] < 1100.0
    assert after["evaluate"] > before["evaluate"]


def test_retraining_is_measured_again_between_models_and_the_limit_stays(
    task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remeasuring, "SHARE", 1e6)
    monkeypatch.setattr(remeasuring, "START_S", 0.0)
    options: dict[str, Any] = {"runner": "process", "cpus": 1, "memory_mib": 3002, "evaluators": ["efficiency"]}
    options |= {"budget_fraction": 300.0, "no_wait": True}

    report = harness.run("noop", str(task), output=tmp_path / "a", **options)

    budget = report.budget
    assert len(budget.remeasured_s) == 3  # after each model but the last
    assert budget.limit_s == pytest.approx(300 * (budget.retrain_min_s or 0))
    assert budget.retrain_min_s == min(budget.retrain_s)
    later = harness.run("noop", str(task), output=tmp_path / "b", **options).budget
    assert later.cached
    assert later.retrain_s == budget.retrain_s
    assert later.retrain_min_s == min(*budget.retrain_s, *budget.remeasured_s)

    kept = shutil.copytree(tmp_path / "a", tmp_path / "c")
    assert harness.resume(kept).budget.remeasured_s == budget.remeasured_s


def test_a_measurement_without_waiting_on_a_busy_machine_is_told_everywhere(
    program: Program, task: Path, tmp_path: Path, finished: Path
) -> None:
    run = shutil.copytree(finished, tmp_path / "busy")
    begun = json.loads((run / "run.json").read_text())
    begun["run_id"] = "0123456789ab"  # a leaderboard shows one report of each run, of equals whichever
    begun["limit"] |= {
        "how": "fraction",
        "fraction": 0.2,
        "retrain_min_s": 300.0,
        "retrain_s": [300.0],
        "at_rest": False,
    }
    (run / "run.json").write_text(json.dumps(begun))

    ended = program("resume", run)

    assert "Times are not dependable: retraining was measured on a busy machine" in " ".join(ended.out.split())
    assert "Times are not dependable" in (run / "report.html").read_text()
    compared = program("compare", run, finished)
    assert "times are not dependable" in " ".join(compared.out.split())
    ranked = program("leaderboard", run, finished, "--output", tmp_path / "site")
    assert ranked.code == 0, ranked.err
    page = (tmp_path / "site" / "index.html").read_text()
    assert "times not dependable" in page
    assert "‡: the run's times are not dependable" in page or "‡: the run&#39;s times are not dependable" in page
