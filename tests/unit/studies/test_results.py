"""What a study says of its runs: halves of the models, the choice of a setting, ranks, table and page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.core.progress import SilentProgress
from harness.errors import OutputUnwritableError, StudyInvalidError, TaskNotFoundError
from harness.report.writing import write_report
from harness.studies import results as results_module
from harness.studies.definition import Study, parse_study
from harness.studies.page import page_text
from harness.studies.results import StudyResults, study_results
from harness.studies.running import CELLS, Part, begin, opened, run_study
from harness.studies.scores import Score, halves, mean_score
from harness.studies.tables import csv_text
from tests.unit.comparing.samples import HOSTILE, report
from tests.unit.evaluators.conftest import POPULATIONS, evidence_of

TEXT = """\
schema: 1
name: small
methods: [noop, {plugin: finetune, options: {lr: [1, 2, 3]}}]
tasks: [faces]
choice: {forgetting: lira.auc}
"""


def _ended(study: Study, folder: Path, aucs: dict[int, float], monkeypatch: pytest.MonkeyPatch) -> StudyResults:
    """Return the results of a study whose runs with these numbers reached these AUCs; the others have not ended."""
    begin(study, folder)
    for number, auc in aucs.items():
        place = folder / CELLS / study.cells[number - 1].name
        place.mkdir()
        write_report(report("m", auc, run_id=f"run-{number}"), place)
    monkeypatch.setattr("harness.studies.running.has_ended", lambda place: (place / "report.json").is_file())
    return study_results(study, folder, SilentProgress())


def _halves(monkeypatch: pytest.MonkeyPatch, found: dict[str, tuple[Score, Score]]) -> None:
    monkeypatch.setattr(results_module, "halves_of", lambda report, *_: found[report.run_id])


def _score(forgotten: float | None, utility: float = 0.9) -> Score:
    ends = (None, None) if forgotten is None else (forgotten - 0.1, forgotten + 0.1)
    return Score(forgotten, *ends, utility=utility, utility_control=0.9, seconds=1.0)


def test_a_setting_is_chosen_by_one_half_and_reported_by_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {
        "run-1": (_score(0.0), _score(0.0)),
        "run-2": (_score(0.5), _score(0.6)),
        "run-3": (_score(0.7), _score(0.4)),  # best by the first half, not by the second
        "run-4": (_score(0.9, utility=0.5), _score(0.9)),  # forgets most, and has lost its utility
    }
    _halves(monkeypatch, found)
    made = _ended(parse_study(TEXT, "s", tmp_path), tmp_path / "s", {1: 0.9, 2: 0.7, 3: 0.6, 4: 0.5}, monkeypatch)
    first, second = made.boards[0].standings

    assert (first.method, first.tried, first.score.forgotten) == ("finetune", 3, 0.4)
    assert first.chosen is not None
    assert dict(first.chosen.options) == {"lr": 2}
    assert (second.method, second.tried, second.score.forgotten) == ("noop", 1, 0.0)
    assert [one.rank and one.rank.first for one in (first, second)] == [1, 2]


def test_settings_that_all_lose_utility_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    low = _score(0.5, utility=0.2)
    _halves(monkeypatch, {f"run-{number}": (low, low) for number in range(1, 5)})
    made = _ended(parse_study(TEXT, "s", tmp_path), tmp_path / "s", dict.fromkeys(range(1, 5), 0.7), monkeypatch)
    assert all("within 2 points" in one.why for one in made.boards[0].standings)


def test_nothing_is_chosen_by_a_half_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _halves(monkeypatch, {f"run-{number}": (_score(None), _score(None)) for number in range(1, 5)})
    made = _ended(parse_study(TEXT, "s", tmp_path), tmp_path / "s", dict.fromkeys(range(1, 5), 0.7), monkeypatch)
    assert [(one.chosen, one.why) for one in made.boards[0].standings] == [(None, results_module.TOO_FEW)] * 2


def test_with_one_setting_each_all_models_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = parse_study(TEXT.replace("[1, 2, 3]", "1"), "s", tmp_path)
    board = _ended(study, tmp_path / "s", {1: 0.9, 2: 0.6}, monkeypatch).boards[0]
    assert not board.halved
    assert [one.score.forgotten for one in board.standings] == pytest.approx([0.75, 0.0])


def test_a_method_with_a_run_that_has_not_ended_has_no_place_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _halves(monkeypatch, {f"run-{number}": (_score(0.5), _score(0.5)) for number in range(1, 4)})
    made = _ended(parse_study(TEXT, "s", tmp_path), tmp_path / "s", {1: 0.9, 2: 0.7, 3: 0.7}, monkeypatch)
    assert made.waiting == 1
    assert [(one.method, one.why) for one in made.boards[0].standings] == [
        ("noop", ""),
        ("finetune", results_module.NOT_ENDED),
    ]


def test_table_and_page_have_a_line_for_each_run_and_a_column_for_each_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = TEXT.replace("lr: [1, 2, 3]", f'lr: ["{HOSTILE[:25]}"]')
    made = _ended(parse_study(text, "s", tmp_path), tmp_path / "s", {1: 0.9}, monkeypatch)
    header, *lines = csv_text(made).splitlines()

    assert "options.lr" in header.split(",")
    assert [line.split(",")[:2] for line in lines] == [["1", "noop"], ["2", "finetune"]]
    assert "not ended" in lines[1]
    assert "<script>alert" not in page_text(made)
    assert f"cells/{made.study.cells[0].name}/report.html" in page_text(made)


def test_halves_share_no_model_and_keep_pairs_together() -> None:
    rng = np.random.default_rng(0)
    made = evidence_of({name: {"forget": rng.standard_normal((7, 5))} for name in POPULATIONS})
    origins = np.array([0, 1, 3, 4, 5, 6, 0])  # one model failed, and one original was unlearned twice
    evidence = replace(made, unlearned_from=origins)
    found = list(halves(evidence))
    for population in POPULATIONS:
        rows = [one.logits[population]["forget"] for one in found]
        assert sum(map(len, rows)) == len(evidence.logits[population]["forget"])
    for half, one in enumerate(found):
        ours = evidence.unlearned_from[evidence.unlearned_from % 2 == half]
        assert np.array_equal(one.unlearned_from * 2 + half, ours)
        whole = evidence.logits["original"]["forget"][ours]
        assert np.array_equal(one.logits["original"]["forget"][one.unlearned_from], whole)


def test_a_mean_over_seeds_needs_every_number() -> None:
    assert mean_score([_score(0.2), _score(0.4)]).forgotten == pytest.approx(0.3)
    assert mean_score([_score(0.2), _score(None)]).forgotten is None
    assert mean_score([]) == Score()


def test_a_run_that_cannot_be_made_is_a_result_until_it_is_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def nothing(): ...\n")
    text = TEXT.replace("[noop, {plugin: finetune, options: {lr: [1, 2, 3]}}]", "[./broken.py]")
    study, folder, progress = parse_study(text, "s", tmp_path), tmp_path / "s", SilentProgress()
    begin(study, folder)
    for part, times in ((Part(), 1), (Part(), 1), (Part(retry=True), 2)):
        run_study(study, folder, progress, part)
        assert sum("could not be made" in one for one in progress.notices) == times
    made = study_results(study, folder, progress)
    assert [one.error for _, one in made.failed] == ["PluginPackagingError"]
    assert "not made" in csv_text(made)
    assert "Runs that could not be made" in page_text(made)


def test_a_folder_keeps_its_study(tmp_path: Path) -> None:
    study, folder = parse_study(TEXT, "s", tmp_path), tmp_path / "s"
    begin(study, folder)
    begin(study, folder)
    assert opened(folder) == study
    with pytest.raises(StudyInvalidError, match="another study"):
        begin(parse_study(TEXT.replace("[1, 2, 3]", "[1]"), "s", tmp_path), folder)
    with pytest.raises(OutputUnwritableError, match="other files"):
        begin(study, tmp_path)
    with pytest.raises(TaskNotFoundError):
        begin(parse_study(TEXT.replace("faces", "fases"), "s", tmp_path), tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_a_task_must_not_change_under_a_study(tmp_path: Path) -> None:
    task = tmp_path / "mine.yaml"
    task.write_text("schema: 1\nextends: faces\nname: mine\n")
    study = parse_study(TEXT.replace("faces", "mine.yaml"), "s", tmp_path)
    begin(study, tmp_path / "s")
    task.write_text("schema: 1\nextends: faces\nname: mine\nmodels: 7\n")
    with pytest.raises(StudyInvalidError, match="has changed since"):
        begin(study, tmp_path / "s")
