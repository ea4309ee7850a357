"""Streams before and after they run: refused options, folders that are told apart, what other commands say of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.choices import FailedAs
from harness.cli.root import cli
from harness.comparing.loading import load_reports
from harness.core.outcomes import ModelOutcome
from harness.core.progress import SilentProgress
from harness.errors import DatasetInvalidError, ReportInvalidError, RunNotFoundError, UsageError
from harness.references.populations import Population
from harness.report.stream_page import read_summary
from harness.runs.config import RunConfig
from harness.runs.listing import list_runs
from harness.runs.pipeline import RunResult, _how_to_go_on, run
from harness.runs.store import RunStore
from harness.runs.stream_summary import _warnings
from harness.runs.streams import is_stream, resume_stream, run_stream, whole
from harness.tasks.task import Request
from tests.unit.report.examples import build_report, outcome, timeout

SMALL = "extends: faces\nname: small\ndataset: {persons: 30, pictures: 4}\ndeletions: "


@pytest.fixture
def task(tmp_path: Path) -> str:
    file = tmp_path / "stream.yaml"
    file.write_text(f"{SMALL}[{{by: random, count: 3}}, {{by: random, count: 3}}]\n")
    return str(file)


@pytest.mark.parametrize(("options", "flag"), [({"repeats": 2}, "--repeats"), ({"design": "one-original"}, "--design")])
def test_options_without_a_meaning_for_streams_are_refused(
    task: str, tmp_path: Path, options: dict[str, object], flag: str
) -> None:
    config = RunConfig("noop", task=task, runner="process", output=str(tmp_path / "r"), **options)  # type: ignore[arg-type]

    with pytest.raises(UsageError, match=flag):
        run_stream(config, SilentProgress())
    assert not (tmp_path / "r").exists()


def test_an_ordinary_task_is_no_stream_and_a_stream_no_single_run(task: str) -> None:
    with pytest.raises(UsageError, match="faces has no deletions"):
        run_stream(RunConfig("noop", runner="process"), SilentProgress())
    with pytest.raises(UsageError, match="small is a stream of 2 requests"):
        run(RunConfig("noop", task=task, runner="process"), SilentProgress())


def test_a_fault_of_a_later_request_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "stream.yaml"
    file.write_text(f"{SMALL}[{{by: random, count: 3}}, {{by: random, count: 5000}}]\n")

    with pytest.raises(DatasetInvalidError, match="request 2"):
        run_stream(RunConfig("noop", task=str(file), runner="process", output=str(tmp_path / "r")), SilentProgress())
    assert not (tmp_path / "r").exists()


def test_a_plugin_that_does_not_exist_leaves_nothing_behind(task: str, tmp_path: Path) -> None:
    config = RunConfig("nothing-of-this-name", task=task, runner="process", output=str(tmp_path / "r"))

    with pytest.raises(Exception, match="nothing-of-this-name"):
        run_stream(config, SilentProgress())
    assert not (tmp_path / "r").exists()


@pytest.fixture
def begun(tmp_path: Path, task: str) -> Path:
    """Return the folder of a stream that was stopped before its first request."""
    folder = tmp_path / "runs" / "r"
    folder.mkdir(parents=True)
    config = RunConfig("noop", task=task, output=str(folder)).to_json()
    kept = {"definition": {"name": "small"}}
    content = {"format": 1, "requests": 2, "config": config, "created": "2026-01-01T00:00:00Z", "task": kept}
    (folder / "stream.json").write_text(json.dumps(content))
    return folder


def test_a_stream_is_listed(begun: Path) -> None:
    entry = list_runs(begun.parent)[0]

    assert (entry.state, entry.task, entry.request) == ("interrupted", "small", "stream, 0 of 2 requests")
    (begun / "summary.json").write_text('{"status": "failed"}')
    assert list_runs(begun.parent)[0].state == "failed"
    (begun / "stream.json").write_text("{")
    assert list_runs(begun.parent)[0].state == "damaged"


def test_commands_on_a_run_say_where_those_of_a_stream_are(begun: Path) -> None:
    assert is_stream(begun)
    with pytest.raises(RunNotFoundError, match="request-1"):
        RunStore.open(begun)
    with pytest.raises(UsageError, match="stream of requests"):
        load_reports([begun])


def test_the_page_of_a_task_has_its_requests(task: str) -> None:
    printed = CliRunner().invoke(cli, ["tasks", task]).output

    assert "requests: 2, of 3, 3 examples to forget" in printed
    assert json.loads(CliRunner().invoke(cli, ["tasks", task, "--json"]).output)["requests"] == [3, 3]


@pytest.mark.parametrize("command", [["export", "--output", "x"], ["import", "--originals", "x", "--retrained", "x"]])
def test_reference_models_of_a_stream_are_neither_imported_nor_exported(task: str, command: list[str]) -> None:
    ended = CliRunner().invoke(cli, ["references", command[0], task, *command[1:]])

    assert "small is a stream of 2 requests" in f"{ended.output}{ended.exception}"


def test_reference_models_are_built_for_every_request(task: str) -> None:
    text = (
        Path(task).read_text() + "architecture: {name: mlp, options: {hidden: [4]}}\nrecipe: {epochs: 1, augment: []}\n"
    )
    Path(task).write_text(text)
    printed = CliRunner().invoke(cli, ["references", "build", task, "--models", "2"]).output

    assert "request 1, original: 2 models" in printed
    assert "request 2, control: 2 models" in printed
    assert "request 2, original" not in printed


def test_a_stream_in_use_is_neither_continued_nor_replaced_by_another_process(begun: Path, task: str) -> None:
    config = RunConfig("noop", task=task, runner="process", output=str(begun), force=True)
    content = json.loads((begun / "stream.json").read_text())
    del content["task"]  # that of the options is read
    (begun / "stream.json").write_text(json.dumps(content))
    with RunStore(begun).held():
        for other in (lambda: resume_stream(begun, SilentProgress()), lambda: run_stream(config, SilentProgress())):
            with pytest.raises(UsageError, match=f"Another process is using {begun}"):
                other()
    assert is_stream(begun)


@pytest.mark.parametrize(
    ("request_", "new", "told"),
    [
        (None, True, "Run the command again"),
        (None, False, "harness resume {folder}/request-2"),
        (Request(1, 3), True, "Run the command again"),
        (Request(1, 3), False, "harness resume {folder}"),
        (Request(2, 3), True, "harness resume {folder}"),
    ],
)
def test_a_stream_that_cannot_go_on_is_continued_as_a_whole(
    tmp_path: Path, request_: Request | None, new: bool, told: str
) -> None:
    found = _how_to_go_on(RunStore(tmp_path / "request-2"), request_, new=new)

    assert found.rstrip(".").endswith(told.format(folder=tmp_path))


def test_a_damaged_stream_is_told(begun: Path) -> None:
    (begun / "stream.json").write_text('{"requests": 2}')

    with pytest.raises(RunNotFoundError, match="cannot be read"):
        resume_stream(begun, SilentProgress())


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}'])
def test_a_damaged_summary_is_refused_with_advice(tmp_path: Path, content: str) -> None:
    (tmp_path / "summary.json").write_text(content)

    with pytest.raises(ReportInvalidError, match="harness resume"):
        read_summary(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}'])
def test_a_damaged_report_of_a_request_is_refused_with_advice(tmp_path: Path, content: str) -> None:
    (tmp_path / "request-1").mkdir()
    (tmp_path / "request-1" / "report.json").write_text(content)

    with pytest.raises(
        ReportInvalidError, match=f"Remove {tmp_path}/request-1/report.json; `harness resume {tmp_path}`"
    ):
        whole(tmp_path / "request-1")


@pytest.mark.parametrize(
    ("ended", "failed_as", "told"),
    [
        (
            [timeout(0), *(outcome(i) for i in (1, 2, 3))],
            "missing",
            "1 of 4 models failed at request 1 and are left out from then on.",
        ),
        (
            [timeout(0), *(outcome(i) for i in (1, 2, 3))],
            "noop",
            "1 of 4 models failed at request 1 and count as the models that it began with.",
        ),
        (
            [timeout(i) for i in range(3)],
            "noop",
            "3 of 4 models failed at request 1, 1 more was not started, and the stream ended.",
        ),
        ([timeout(i) for i in range(4)], "missing", "4 of 4 models failed at request 1, and the stream ended."),
    ],
)
def test_failed_models_are_counted_of_those_that_were_planned(
    tmp_path: Path, ended: list[ModelOutcome], failed_as: FailedAs, told: str
) -> None:
    report = build_report(outcomes=ended)
    report = report.model_copy(update={"populations": report.populations.model_copy(update={"failed_as": failed_as})})

    assert list(_warnings([RunResult(report, tmp_path)]))[-1] == told


def test_weights_that_are_gone_are_no_bug_of_the_harness() -> None:
    gone = Population("original", (1,), {}, None, ("key",), from_cache=False)

    with pytest.raises(RunNotFoundError, match="Run the command again"):
        gone.state(0)
