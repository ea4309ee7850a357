"""A stream of requests, killed between two of them and resumed, with a method that keeps a state and fails once."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

from harness.report.stream_page import read_summary
from harness.runs.store import PLUGIN_STATE, WEIGHTS, RunStore
from tests.program import TASK, Program, report_of, until

STREAM = TASK.replace("name: tiny", "name: tiny-stream").replace(
    "forget: {by: subject, fraction: 0.2}",
    "deletions: [{by: subject, count: 3}, {by: subject, count: 2}, {by: subject, count: 2}]",
)
# Keeps the number of the request; at the second one it waits for a gate, and fails on the first model that passes.
PLUGIN = """
import pathlib, time
import pluggy, torch
GATE, FAILED = pathlib.Path({gate!r}), pathlib.Path({failed!r})
@pluggy.HookimplMarker("harness")
def unlearn(model, forget, context):
    request = int(context.state or b"1")
    print(f"request {{request}}, {{len(forget)}} examples")
    while request == 2 and GATE.exists():
        time.sleep(0.01)
    if request == 2 and not FAILED.exists():
        FAILED.touch()
        raise ValueError("the first model of request 2")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)
    context.keep(str(request + 1).encode())
"""
ARGUMENTS = ("run", "--runner", "process", "--cpus", "1", "--time-limit", "250", "--evaluator", "accuracy")


def test_a_stream_that_was_killed_goes_on_where_it_was(
    program: Program, wheel: Callable[[str], Path], tmp_path: Path
) -> None:
    task, gate, run = tmp_path / "stream.yaml", tmp_path / "gate", tmp_path / "r"
    task.write_text(STREAM)
    gate.touch()
    plugin = wheel(PLUGIN.format(gate=str(gate), failed=str(tmp_path / "failed")))
    process = program.fork(*ARGUMENTS, "--plugin", plugin, "--task", task, "--output", run)
    until(process, lambda: (run / "request-2" / "models" / "0000" / "attempts.json").exists())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"harness resume {run}\n" in err
    first = (run / "request-1" / "report.json").read_bytes()
    assert "interrupted" in program("ls", run).out
    assert RunStore(run / "request-1").plugin_state(0) is not None
    gate.unlink()

    resumed = program("resume", run)
    assert resumed.code == 0, resumed.err
    assert (run / "request-1" / "report.json").read_bytes() == first
    summary = read_summary(run)
    assert (summary.status, [one.number for one in summary.requests]) == ("partial", [1, 2, 3])
    assert [(one.models, one.returned) for one in summary.requests] == [(4, 4), (4, 3), (3, 3)]
    assert [one.state_bytes for one in summary.requests] == [1, 1, 0]  # after the last request nothing is kept
    assert "1 of 4 models failed at request 2 and are left out from then on." in summary.warnings
    last = report_of(run / "request-3")
    sizes = last["task"]["split_sizes"]
    assert [model["log"]["head"] for model in last["models"]] == [f"request 3, {sizes['forget']} examples\n"] * 3
    assert last["populations"]["original"]["size"] == 3
    assert last["populations"]["retrained"]["size"] == 4
    assert not [*run.rglob(WEIGHTS), *run.rglob(PLUGIN_STATE)]
    assert (
        json.loads((run / "summary.json").read_bytes())["requests"][1]["verdict"]
        == report_of(run / "request-2")["verdict"]["level"]
    )
    _retrained_are_those_of_the_ordinary_task(program, tmp_path, run)
    _a_request_is_evaluated_again_without_weights(program, run)


def _retrained_are_those_of_the_ordinary_task(program: Program, tmp_path: Path, run: Path) -> None:
    """Check that the last prefix is the ordinary task of the union: its retrained models and controls are cached."""
    union = [example for number in (1, 2, 3) for example in _forgotten(program, run / f"request-{number}", tmp_path)]
    text = (
        STREAM.split("deletions:")[0] + f"forget: {{by: ids, ids: [{', '.join(union)}]}}\n" + STREAM.split("]\n", 1)[1]
    )
    (tmp_path / "ordinary.yaml").write_text(text)
    planned = program(
        "run", "--dry-run", "--plugin", "noop", "--runner", "process", "--task", tmp_path / "ordinary.yaml"
    )
    assert "8 cached, 4 to train" in planned.out, planned.err


def _forgotten(program: Program, run: Path, folder: Path) -> list[str]:
    import numpy as np

    place = folder / f"{run.name}.npz"
    assert program("outputs", run, "--output", place).code == 0
    return [str(name) for name in np.load(place)["forget.ids"]]


def _a_request_is_evaluated_again_without_weights(program: Program, run: Path) -> None:
    before = report_of(run / "request-3")["evaluators"]
    assert program("evaluate", run / "request-3", "--evaluator", "accuracy").code == 0
    after = report_of(run / "request-3")["evaluators"]
    assert [one["metrics"] for one in after] == [one["metrics"] for one in before]


def test_a_model_that_fails_may_go_on_as_it_was(program: Program, wheel: Callable[[str], Path], tmp_path: Path) -> None:
    task, run = tmp_path / "stream.yaml", tmp_path / "r"
    task.write_text(STREAM)
    plugin = wheel(PLUGIN.format(gate=str(tmp_path / "no gate"), failed=str(tmp_path / "failed")))

    ended = program(*ARGUMENTS, "--failed-as", "noop", "--plugin", plugin, "--task", task, "--output", run)
    assert ended.code == 0, ended.err
    summary = read_summary(run)
    assert [(one.models, one.returned) for one in summary.requests] == [(4, 4), (4, 3), (4, 4)]
    assert "1 of 4 models failed at request 2 and count as the models that it began with." in summary.warnings
    heads = [model["log"]["head"].split(",")[0] for model in report_of(run / "request-3")["models"]]
    assert heads == ["request 2", "request 3", "request 3", "request 3"]
