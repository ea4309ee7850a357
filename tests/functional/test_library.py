"""The harness as a library, run in Python processes as its users start them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli.runs import NO_MODEL_FINISHED
from harness.errors import ExportError, PluginNotFoundError
from harness.report.writing import load_report
from tests.program import Ended, Program, numbers_of

DOCS = Path(__file__).parents[2] / "docs"
QUICK = {"task": "tiny.yaml", "runner": "process", "time_limit_s": 60, "cpus": 1, "evaluators": ["accuracy", "lira"]}
GIVEN = ("--task", "tiny.yaml", "--runner", "process", "--time-limit", "60", "--cpus", "1")
SCORED = ("--evaluator", "accuracy", "--evaluator", "lira")
EXPORTER = """
import os
import pluggy

@pluggy.HookimplMarker("harness")
def harness_run_finished(report, run_dir):
    if os.environ.get("TRACKER") == "away":
        raise ConnectionError("the server is away")
    return f"{report.plugin.name} is in {run_dir.name}."
"""
EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=240).execute()
nbformat.write(notebook, sys.argv[2])
"""


def python(program: Program, code: str, *arguments: str | Path) -> Ended:
    """Run code as the main program in the test's folder, with its cache, without Docker."""
    (program.folder / "main_program.py").write_text(code)
    return replace(program, module="main_program")(*arguments)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def exporters(tmp_path: Path) -> str:
    """Return a folder for PYTHONPATH with the exporter ``tracker``, which fails if TRACKER is set to fail."""
    info = tmp_path / "site" / "tracker_dist-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tracker-dist\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.exporters]\ntracker = tracker_exporter\n")
    (tmp_path / "site" / "tracker_exporter.py").write_text(EXPORTER)
    return str(tmp_path / "site")


def test_a_run_from_python_is_the_run_of_the_command_line_and_prints_nothing(program: Program, task: Path) -> None:
    code = f"""
import harness
report = harness.run("noise", **{ {**QUICK, "runner": "auto"}!r}, seed=3, output="a")
assert report.status == "complete", report
assert harness.load_report(report.folder) == report
"""
    ended = python(program, code)
    assert (ended.code, ended.out) == (0, ""), ended.err
    assert "without isolation" in ended.err

    assert program("run", "--plugin", "noise", *GIVEN, *SCORED, "--seed", "3", "--output", "b").code == 0
    assert numbers_of(program.folder / "a") == numbers_of(program.folder / "b")


def test_an_interrupted_run_raises_and_can_be_resumed(program: Program, task: Path) -> None:
    code = f"""
import os, signal
from contextlib import contextmanager
import harness
from harness.core.progress import SilentProgress

class StopAfterOne(SilentProgress):
    @contextmanager
    def step(self, description, total):
        yield self
    def tell(self, text): ...
    def advance(self, amount=1):
        if list(__import__("pathlib").Path("r").glob("models/*/outcome.json")):
            os.kill(os.getpid(), signal.SIGINT)

try:
    harness.run("noise", **{QUICK!r}, output="r", progress=StopAfterOne())
except harness.errors.InterruptedRunError as error:
    print(error)
else:
    raise AssertionError("was not stopped")
report = harness.resume("r")
assert [model.attempts for model in report.models][0] == 1
print(report.status)
"""
    ended = python(program, code)

    assert ended.code == 0, ended.err
    assert "harness resume r" in ended.out
    assert ended.out.endswith("complete\n")


def test_the_command_exports_a_run_and_says_where_it_is(program: Program, task: Path, exporters: str) -> None:
    given = (*GIVEN, *SCORED, "--output", "r")
    ended = program("run", "--plugin", "noop", *given, "--export", "tracker", PYTHONPATH=exporters)

    assert ended.code == 0, ended.err
    assert "noop is in r." in ended.out


def test_an_exporter_that_fails_loses_no_report_and_has_an_exit_code_of_its_own(
    program: Program, finished: Path, exporters: str
) -> None:
    away = {"PYTHONPATH": exporters, "TRACKER": "away"}
    ended = program("evaluate", finished, "--evaluator", "accuracy", "--export", "tracker", **away)

    assert ended.code == ExportError.exit_code
    assert "ConnectionError: the server is away" in ended.err
    assert "Report: " in ended.out
    assert load_report(finished).rejudged is not None
    assert "ConnectionError" in (finished / "export-tracker.log").read_text()
    assert program("export", finished, "--to", "tracker", **away).code == ExportError.exit_code

    again = program("export", finished, "--to", "tracker", PYTHONPATH=exporters)
    assert (again.code, again.out) == (0, f"noop is in {finished.name}.\n")


def test_a_misspelled_exporter_is_told_before_the_run(program: Program, task: Path, exporters: str) -> None:
    ended = program("run", "--plugin", "noise", "--task", task, "--export", "traker", PYTHONPATH=exporters)

    assert ended.code == PluginNotFoundError.exit_code
    assert "Did you mean 'tracker'" in ended.err
    assert not (program.folder / "runs").exists()


def test_a_run_without_a_model_is_exported_and_keeps_its_exit_code(
    program: Program, task: Path, wheel: Any, exporters: str
) -> None:
    source = 'import pluggy\n@pluggy.HookimplMarker("harness")\ndef unlearn(model):\n    raise RuntimeError("no")\n'
    ended = program(
        "run", "--plugin", wheel(source), *GIVEN, "--output", "r", "--export", "tracker", PYTHONPATH=exporters
    )

    assert ended.code == NO_MODEL_FINISHED, ended.err
    assert "stranger is in r." in ended.out


def test_exporters_are_listed_with_those_that_cannot_be_used(program: Program, exporters: str) -> None:
    (Path(exporters) / "tracker_exporter.py").write_text("import does_not_exist")
    ended = program("exporters", PYTHONPATH=exporters)

    assert ended.code == 0
    assert "tracker-dist" in ended.out
    assert "does_not_exist" in ended.err


def test_the_page_on_python_runs_as_it_stands(program: Program) -> None:
    pytest.importorskip("pandas")
    page = DOCS / "how-to" / "use-from-python.md"
    (program.folder / "tiny.yaml").write_text(blocks(page, "yaml")[0])
    ended = python(program, "\n".join(blocks(page, "python")))

    assert ended.code == 0, ended.err
    assert "finetune (unlearning-harness" in ended.out
    assert "Did you mean 'finetune'" in ended.out


def test_the_exporter_on_the_page_works_as_it_stands(program: Program, finished: Path, exporters: str) -> None:
    page = DOCS / "how-to" / "export-to-mlflow.md"
    module = next(block for block in blocks(page, "python") if "my_package/exporter.py" in block)
    points = next(block for block in blocks(page, "toml") if "harness.exporters" in block)
    assert 'mine = "my_package.exporter"' in points
    info = Path(exporters) / "tracker_dist-1.0.dist-info" / "entry_points.txt"
    info.write_text("[harness.exporters]\nmine = my_package.exporter\n")
    (Path(exporters) / "my_package").mkdir()
    (Path(exporters) / "my_package" / "__init__.py").touch()
    (Path(exporters) / "my_package" / "exporter.py").write_text(module)

    ended = program("export", finished, "--to", "mine", PYTHONPATH=exporters)
    assert ended.out == f"The numbers are in {finished.parent}/numbers.txt.\n", ended.err
    accuracy = load_report(finished).metric("accuracy", "forget")
    assert accuracy is not None
    assert f"accuracy.forget {accuracy.value}\n" in (finished.parent / "numbers.txt").read_text()


@pytest.mark.slow
def test_the_notebook_runs_in_a_real_kernel_and_shows_its_report_as_a_table(program: Program) -> None:
    for name in ("nbclient", "ipykernel", "pandas"):
        pytest.importorskip(name)
    done = program.folder / "done.ipynb"
    ended = python(program, EXECUTE, DOCS / "tutorials" / "notebook.ipynb", done)
    assert ended.code == 0, ended.err

    shown = [
        output.get("data", {}) for cell in json.loads(done.read_text())["cells"] for output in cell.get("outputs", [])
    ]
    pages = ["".join(data.get("text/html", "")) for data in shown]
    assert any("<strong>finetune</strong>" in page and "Nothing done (no-op)" in page for page in pages)
    assert sum("<table" in page and "dataframe" in page for page in pages) == 3
    assert any('<progress aria-label="unlearning with finetune"' in page for page in pages), pages


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = json.loads((DOCS / "tutorials" / "notebook.ipynb").read_text())["cells"]

    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []
