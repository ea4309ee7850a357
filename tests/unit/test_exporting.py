"""Exporters are called by name alone, and none of their failures harms a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import harness
from harness.errors import DuplicatePluginError, ExportError, PluginLoadError, PluginNotFoundError, UsageError
from harness.plugins.discovery import EXPORTERS
from harness.report.writing import write_report
from tests.unit.report.examples import build_report

from .conftest import Install

HEAD = 'import pluggy\nhookimpl = pluggy.HookimplMarker("harness")\n\n@hookimpl\n'
WRITES = HEAD + (
    "def harness_run_finished(report, run_dir):\n"
    '    (run_dir.parent / "exported").write_text(f"{report.run_id} {report.folder == run_dir}")\n'
    '    return "It is next door."\n'
)
FAILS = HEAD + 'def harness_run_finished(report):\n    raise ConnectionError("the server is away")\n'
EXITS = HEAD + "def harness_run_finished(report):\n    raise SystemExit(3)\n"
MISNAMED = HEAD + "def harness_run_finnished(report):\n    return None\n"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    write_report(build_report(run_id="mine"), folder)
    return folder


def exporter(install: Install, name: str, source: str) -> None:
    install(f"{name}-dist", "2.5", {EXPORTERS: {name: f"{name}_exporter"}}, {f"{name}_exporter.py": source})


def test_an_exporter_gets_report_and_folder_and_says_where_the_run_is(install: Install, run_dir: Path) -> None:
    exporter(install, "tracker", WRITES)

    assert harness.export(run_dir, "tracker") == ["It is next door."]
    assert (run_dir.parent / "exported").read_text() == "mine True"


def test_an_exporter_that_is_not_named_is_not_even_imported(install: Install, run_dir: Path) -> None:
    exporter(install, "tracker", WRITES)
    exporter(install, "other", "raise RuntimeError('imported')")

    harness.export(run_dir, "tracker")
    assert "other_exporter" not in sys.modules


@pytest.mark.parametrize(("source", "words"), [(FAILS, "the server is away"), (EXITS, "SystemExit: 3")])
def test_a_failure_keeps_run_and_traceback_and_names_the_exporter(
    install: Install, run_dir: Path, source: str, words: str
) -> None:
    exporter(install, "tracker", source)
    before = (run_dir / "report.json").read_bytes()

    with pytest.raises(ExportError, match=f"tracker-dist 2.5 failed: .*{words}"):
        harness.export(run_dir, "tracker")
    assert (run_dir / "report.json").read_bytes() == before
    assert "Traceback (most recent call last)" in (run_dir / "export-tracker.log").read_text()


def test_the_others_are_called_after_a_failure(install: Install, run_dir: Path) -> None:
    exporter(install, "broken", FAILS)
    exporter(install, "tracker", WRITES)

    with pytest.raises(ExportError, match="next door"):
        harness.export(run_dir, "broken", "tracker")
    assert (run_dir.parent / "exported").exists()


def test_a_later_success_removes_the_log_of_the_failure(install: Install, run_dir: Path) -> None:
    (run_dir / "export-tracker.log").write_text("Traceback")
    exporter(install, "tracker", WRITES)

    harness.export(run_dir, "tracker")
    assert not (run_dir / "export-tracker.log").exists()


def test_an_unknown_name_gets_a_near_match_and_nothing_is_called(install: Install, run_dir: Path) -> None:
    exporter(install, "tracker", WRITES)

    with pytest.raises(PluginNotFoundError, match="Did you mean 'tracker'"):
        harness.export(run_dir, "tracker", "traker")
    assert not (run_dir.parent / "exported").exists()


def test_an_exporter_with_a_misspelled_hook_is_refused(install: Install, run_dir: Path) -> None:
    exporter(install, "tracker", MISNAMED)

    with pytest.raises(PluginLoadError, match="harness_run_finnished"):
        harness.export(run_dir, "tracker")


def test_two_exporters_of_one_name_are_refused(install: Install, run_dir: Path) -> None:
    exporter(install, "tracker", WRITES)
    install("second-dist", "1.0", {EXPORTERS: {"tracker": "second"}})

    with pytest.raises(DuplicatePluginError, match=r"second-dist 1\.0"):
        harness.export(run_dir, "tracker")


def test_no_name_at_all_is_a_mistake(run_dir: Path) -> None:
    with pytest.raises(UsageError, match="at least one"):
        harness.export(run_dir)


def test_a_report_without_its_folder_is_a_mistake(install: Install) -> None:
    exporter(install, "tracker", WRITES)

    with pytest.raises(UsageError, match="run folder is unknown"):
        harness.export(harness.RunReport.of(build_report(), None), "tracker")
