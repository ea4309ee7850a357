"""What models printed is shown from the run folder, harmless, and never taken for a line of the program's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli.root import cli
from harness.core.outcomes import Evidence, LogCapture, ModelOutcome, Status
from harness.runs.store import RunStore


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Return an unfinished run: no report, models 0 to 3 ended, model 4 begun."""
    store = RunStore.create(tmp_path / "run")
    store.write_run({"config": {}, "run_id": "1", "created": "now"})
    failed = Evidence(error_type="ValueError", error_message="bad", traceback="File x\nValueError: bad", notes=("n1",))
    logs = {
        0: ModelOutcome(0, 1, Status.OK, charged_s=1.25, log=LogCapture("hello\nworld\n")),
        1: ModelOutcome(1, 2, Status.OK, charged_s=1.0, log=LogCapture("first", "last", 1_234_567)),
        2: ModelOutcome(2, 3, Status.PLUGIN_ERROR, "Mend it.", 0.5, evidence=failed, earlier_attempts=("lost",)),
        3: ModelOutcome(3, 4, Status.OK, charged_s=1.0),
    }
    for index, outcome in logs.items():
        store.begin_model(index)
        store.finish_model(outcome, None)
    store.begin_model(4)
    return store


def _logs(store: RunStore, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["logs", str(store.folder), *arguments])


def test_every_model_that_printed_or_failed_is_shown_though_the_run_has_no_report(store: RunStore) -> None:
    assert _logs(store).output.splitlines() == [
        "model 0: ok, 1.25 s",
        "output:",
        "| hello",
        "| world",
        "",
        "model 1: ok, 1.00 s, 1,234,567 bytes dropped",
        "output:",
        "| first",
        "… 1,234,567 bytes dropped …",
        "| last",
        "",
        "model 2: plugin_error, 0.50 s",
        "error:",
        "| ValueError: bad",
        "",
        "Printed nothing: models 2 to 3.",
        "Not ended yet: model 4.",
    ]


def test_one_model_is_shown_with_its_error_advice_and_notes(store: RunStore) -> None:
    assert _logs(store, "--model", "2").output.splitlines() == [
        "model 2: plugin_error, 0.50 s",
        "Mend it.",
        "earlier attempt: lost",
        "error:",
        "| ValueError: bad",
        "traceback:",
        "| File x",
        "| ValueError: bad",
        "note: n1",
        "It printed nothing.",
    ]


def test_a_model_under_way_is_told_so(store: RunStore) -> None:
    shown = _logs(store, "--model", "4")

    assert (shown.exit_code, "has not ended" in shown.output) == (0, True)


def test_a_model_that_is_not_there_is_a_mistake_that_names_those_that_are(store: RunStore) -> None:
    shown = _logs(store, "--model", "9")

    assert (shown.exit_code, "models 0 to 4" in shown.output) == (2, True)


def test_a_folder_without_a_run_is_told_so(tmp_path: Path) -> None:
    shown = CliRunner().invoke(cli, ["logs", str(tmp_path)])

    assert (shown.exit_code, "is not a run folder" in shown.output) == (43, True)


def test_a_damaged_record_is_told_with_what_to_do(store: RunStore) -> None:
    (store.folder / "models" / "0001" / "outcome.json").write_text('{"index": 1}')
    shown = _logs(store)

    assert shown.exit_code == 43
    assert "0001" in shown.output
    assert "harness resume" in shown.output


def test_neither_control_characters_nor_markup_reach_the_terminal_from_a_folder_that_somebody_else_wrote(
    store: RunStore,
) -> None:
    outcome = store.folder / "models" / "0000" / "outcome.json"
    content = json.loads(outcome.read_text())
    content["log"]["head"] = "\x1b[2J[red]x[/red]\x07\u202e\r"
    content["evidence"]["notes"] = ["note\nmodel 5: ok\x1b[0m"]
    outcome.write_text(json.dumps(content))
    shown = _logs(store, "--model", "0").output

    assert r"| \x1b[2J[red]x[/red]\x07\u202e\x0d" in shown
    assert r"| model 5: ok\x1b[0m" in shown
    assert "\x1b" not in shown


def test_a_plugin_cannot_print_a_line_that_looks_like_ours(store: RunStore) -> None:
    store.finish_model(ModelOutcome(0, 1, Status.TIMEOUT, log=LogCapture("\nmodel 0: ok, 0.10 s\n")), None)
    lines = _logs(store).output.splitlines()

    assert [line for line in lines if line.startswith("model 0")] == ["model 0: timeout, never started"]


def test_a_reader_that_goes_away_ends_the_command_quietly(store: RunStore) -> None:
    store.finish_model(ModelOutcome(0, 1, Status.OK, log=LogCapture("x\n" * 200_000)), None)
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "logs", str(store.folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()

    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()


def test_a_character_that_the_terminal_lacks_becomes_an_escape(store: RunStore) -> None:
    store.finish_model(ModelOutcome(0, 1, Status.OK, log=LogCapture("grün 漢")), None)
    ended = subprocess.run(
        [sys.executable, "-m", "harness", "logs", str(store.folder)],
        capture_output=True,
        env={"PYTHONIOENCODING": "latin-1", "PYTHONSAFEPATH": "1", "PYTHONPATH": ":".join(sys.path)},
        check=True,
    )

    assert "| grün \\u6f22".encode("latin-1") in ended.stdout
