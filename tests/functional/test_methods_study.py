"""The study of the bundled methods on a task of a few seconds: its tables, its pages, and that nothing is made twice."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.methods import page
from benchmarks.methods.__main__ import TASKS, main
from benchmarks.methods.running import YARDSTICKS, bundled_methods
from harness.plugins.discovery import UNLEARNERS, find_plugins, find_task
from tests.program import TASK
from tests.unit.report.examples import accuracy_metric, auc_metric, build_report, evaluator

METHODS = ("noop", "finetune")


def _study(folder: Path, task: Path) -> None:
    named = [argument for method in METHODS for argument in ("--method", method)]
    main(
        [
            "--task",
            str(task),
            *named,
            "--runner",
            "process",
            "--runs",
            str(folder / "runs"),
            "--write",
            "--docs",
            str(folder),
        ]
    )


@pytest.fixture(autouse=True)
def _cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(shared_cache))


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    """Return a folder with a study and its task."""
    folder = tmp_path_factory.mktemp("studied")
    task = TASK.replace("measurements: 1", "measurements: 1, fraction: 100")  # enough for any machine
    (folder / "tiny.yaml").write_text(task)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE_DIR", str(shared_cache))
        _study(folder, folder / "tiny.yaml")
    return folder


def test_the_page_has_a_row_for_every_method_and_for_both_ends_of_the_scale(studied: Path) -> None:
    rows = [
        line.split("|")[1].strip()
        for line in (studied / "methods.md").read_text().partition("## How to read")[0].splitlines()
        if line.startswith("| ")
    ]
    assert sorted(rows[1:]) == sorted(["`noop`", "`finetune`", "*perfect (control)*", "*nothing done (no-op)*"])


def test_the_page_shows_a_picture_that_can_be_drawn(tmp_path: Path) -> None:
    scored = (evaluator("lira", auc_metric(position=0.6)), evaluator("accuracy", accuracy_metric()))
    page.write({"faces": {name: build_report(evaluators=scored) for name in METHODS}}, tmp_path, "the command")
    assert "](methods-faces.svg)" in (tmp_path / "methods.md").read_text()
    drawn = ElementTree.parse(tmp_path / "methods-faces.svg").getroot()  # noqa: S314  (written just now)
    assert "retrained (perfect)" in "".join(drawn.itertext())


def test_runs_that_are_there_are_read_and_not_made_again(studied: Path) -> None:
    reports = {method: studied / "runs" / "tiny" / method / "report.json" for method in METHODS}
    before = {method: file.stat().st_mtime_ns for method, file in reports.items()}
    _study(studied, studied / "tiny.yaml")
    assert {method: file.stat().st_mtime_ns for method, file in reports.items()} == before


@pytest.mark.slow
def test_methods_of_which_no_model_came_back_have_a_row_and_no_picture(tmp_path: Path, task: Path) -> None:
    task.write_text(TASK.replace("measurements: 1", "measurements: 1, fraction: 0.0001"))
    _study(tmp_path, task)
    text = (tmp_path / "methods.md").read_text()
    assert "`finetune`: 4 of 4 models did not come back (4 x timeout)." in text
    assert ".svg" not in text


def test_the_page_says_how_every_method_differs_from_its_authors_code() -> None:
    written, kept = page.PUBLISHED.read_text(), Path(page.__file__).parents[2] / "docs" / "methods.md"
    rows = [line.split("|")[1] for line in written.splitlines() if line.startswith("| `")]
    bundled = {one.name for one in find_plugins(UNLEARNERS) if one.bundled} - {"noop", "retrain", "finetune", "noise"}

    assert sorted("".join(rows).replace("`", " ").replace(",", " ").split()) == sorted(bundled)
    assert written in kept.read_text()


def test_every_bundled_method_is_in_the_study() -> None:
    bundled = {one.name for one in find_plugins(UNLEARNERS) if one.bundled}
    assert {name for task in TASKS for name in bundled_methods(find_task(task))} == bundled


@pytest.mark.parametrize(
    ("task", "names"),
    [("faces-journal", {"amnesiac", "replay", *YARDSTICKS}), ("faces-sisa", {"sisa", *YARDSTICKS})],
)
def test_methods_with_a_journal_stand_beside_yardsticks(task: str, names: set[str]) -> None:
    assert set(bundled_methods(find_task(task))) == names
