"""What evaluators get under the queries beyond the exact picture: in a run, resumed, judged again, and of an older run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from harness.cli.runs import NO_MODEL_FINISHED
from harness.errors import ResumeMismatchError
from harness.plugins.discovery import find_task
from harness.references.identity import ROLES
from harness.references.populations import References
from harness.references.queries import NO_QUERIES, key
from harness.report.writing import load_report
from tests.program import NO_DOCKER, TASK, Program, report_of

AUGMENTED = TASK.replace("chunk: 8", "chunk: 8, augment: [crop-pad-4, horizontal-flip]")
QUERIES = ("flip", "shift", "noise", "bfloat16")
POPULATIONS = (*ROLES, "unlearned")
ASKER = """
from harness.evaluation import EvaluatorInfo, Metric, Result, hookimpl

@hookimpl
def harness_evaluator():
    return EvaluatorInfo(name="asker", version="1", summary="", evaluate=evaluate)

def evaluate(evidence):
    def metric(query, population, logits):
        assert not logits.flags.writeable
        shape = "x".join(map(str, logits.shape))
        return Metric(f"{query}_{population}", float(abs(logits).mean()), "none", "mean", note=f"{shape} {logits.dtype}")

    exact = {population: by["forget"] for population, by in evidence.logits.items()}
    asked = {"exact": exact, **evidence.queries}
    return Result(tuple(metric(query, name, a) for query, by in asked.items() for name, a in by.items()))
"""
OVERFLOWING = """
import pluggy, torch
@pluggy.HookimplMarker("harness")
def unlearn(model):
    with torch.no_grad():
        list(model.parameters())[-1].fill_(3.4e38)  # finite in float32; the nearest bfloat16 is infinity
"""
RUN = ("run", "--runner", "process", "--cpus", "1", "--time-limit", "60", "--evaluator", "asker")


@pytest.fixture(scope="module")
def evaluators(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a folder for PYTHONPATH with the evaluator ``asker``, which returns mean and shape of its evidence."""
    site = tmp_path_factory.mktemp("site")
    info = site / "asker_dist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: asker-dist\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.evaluators]\nasker = asker_evaluator\n")
    (site / "asker_evaluator.py").write_text(ASKER)
    return str(site)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the task ``augmented.yaml``, which flips and crops."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "augmented.yaml").write_text(AUGMENTED)
    return folder


@pytest.fixture(scope="module")
def _noop_run(folder: Path, evaluators: str, shared_cache: Path) -> Path:
    """Run noop on that task, once."""
    program = Program({**os.environ, "HARNESS_CACHE_DIR": str(shared_cache), "DOCKER_HOST": NO_DOCKER}, folder)
    given = ("--plugin", "noop", "--task", folder / "augmented.yaml", "--output", folder / "r")
    ended = program(*RUN, *given, PYTHONPATH=evaluators)
    assert ended.code == 0, ended.err
    return folder / "r"


@pytest.fixture
def run(_noop_run: Path, tmp_path: Path) -> Path:
    """Copy that run."""
    return shutil.copytree(_noop_run, tmp_path / "r")


def answers(run: Path) -> dict[str, dict[str, Any]]:
    """Return the results of ``asker``, by query and population."""
    return {metric["name"]: metric for metric in report_of(run)["evaluators"][0]["metrics"]}


def test_every_query_reaches_evaluators_for_all_populations_and_survives_resuming(
    program: Program, run: Path, evaluators: str
) -> None:
    found = answers(run)

    assert found.keys() == {f"{query}_{name}" for query in ("exact", *QUERIES) for name in POPULATIONS}
    assert len({metric["note"] for metric in found.values()}) == 1  # the shape of the exact pictures' logits
    for query in QUERIES:
        assert found[f"{query}_unlearned"]["value"] == pytest.approx(found[f"{query}_original"]["value"], rel=1e-5)
        assert found[f"{query}_control"]["value"] != found["exact_control"]["value"]

    for lost in ("report.json", "models/0003/outcome.json"):  # as if it had been killed in its last model
        (run / lost).unlink()
    resumed = program("resume", run, PYTHONPATH=evaluators)
    assert resumed.code == 0, resumed.err
    assert answers(run) == found


def test_judging_again_takes_the_answers_that_were_kept(program: Program, run: Path, evaluators: str) -> None:
    before = answers(run)
    file = run / "models" / "0000" / "logits.safetensors"
    save_file({**load_file(file), key("flip"): load_file(file)[key("flip")] + np.float32(100)}, file)

    ended = program("evaluate", run, "--evaluator", "asker", PYTHONPATH=evaluators)

    assert ended.code == 0, ended.err
    after = answers(run)
    assert {name for name in before if before[name] != after[name]} == {"flip_unlearned"}


def _older(run: Path, cache: Path, patch: pytest.MonkeyPatch) -> None:
    """Make of a run what a version without queries would have left."""
    patch.setenv("HARNESS_CACHE_DIR", str(cache))
    for file in run.glob("models/*/logits.safetensors"):
        save_file({name: logits for name, logits in load_file(file).items() if not name.startswith("query.")}, file)
    begun = json.loads((run / "run.json").read_text())
    del begun["identity"]["queries"]
    (run / "run.json").write_text(json.dumps(begun))
    task = find_task(begun["config"]["task"])
    references = References(task, task.load(), queries=NO_QUERIES)
    report = report_of(run)
    for role in ROLES:
        report["cache_keys"] |= {f"{role}.{n}": key for n, key in enumerate(references.keys(role, 4))}
    (run / "report.json").write_text(json.dumps(report))


def test_an_older_run_is_judged_without_queries_and_not_resumed(
    program: Program,
    run: Path,
    evaluators: str,
    shared_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = answers(run)
    _older(run, shared_cache, monkeypatch)
    begun = shutil.copytree(run, tmp_path / "begun")

    ended = program("evaluate", run, "--evaluator", "asker", PYTHONPATH=evaluators)

    assert ended.code == 0, ended.err
    assert answers(run) == {name: metric for name, metric in before.items() if name.startswith("exact")}

    (begun / "models" / "0003" / "outcome.json").unlink()
    resumed = program("resume", begun, PYTHONPATH=evaluators)
    assert resumed.code == ResumeMismatchError.exit_code
    assert "these inputs changed: queries." in resumed.err


def test_a_model_whose_answers_overflow_under_a_query_alone_is_invalid(
    program: Program, folder: Path, wheel: Callable[[str], Path], evaluators: str, tmp_path: Path
) -> None:
    given = ("--plugin", wheel(OVERFLOWING), "--task", folder / "augmented.yaml", "--output", tmp_path / "r")
    ended = program(*RUN, *given, PYTHONPATH=evaluators)

    assert ended.code == NO_MODEL_FINISHED, ended.err
    report = load_report(tmp_path / "r")
    assert {model.status.value for model in report.models} == {"output_invalid"}
    assert "bfloat16" in report.models[0].advice
