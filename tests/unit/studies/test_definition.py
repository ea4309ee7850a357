"""Study files: which runs they stand for, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import StudyInvalidError, UsageError
from harness.studies.definition import load_study, parse_study
from harness.studies.given import study_of_options
from harness.studies.running import Part

STUDY = """\
schema: 1
name: small
methods:
  - noop
  - plugin: finetune
    options: {lr: [0.02, 0.05], epochs: 1}
  - plugin: ./mine.py
    tasks: [mine.yaml]
    budgets: [0.1, 0.2]
tasks: [faces, mine.yaml]
seeds: 2
run: {models: 4, runner: process}
"""


def test_every_combination_is_a_run(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(STUDY)
    study = load_study(tmp_path / "s.yaml")
    titles = [cell.title for cell in study.cells]

    assert titles[:3] == [
        "noop on faces, seed 0",
        "noop on faces, seed 1",
        "finetune lr=0.02 epochs=1 on faces, seed 0",
    ]
    assert len(titles) == 2 * (2 + 4) + 4
    assert titles[-1] == "mine on mine, seed 1, budget 0.2"
    assert [cell.number for cell in study.cells] == list(range(1, 17))
    assert len({cell.name for cell in study.cells}) == 16
    last = study.cells[-1].config
    assert (last.plugin, last.task) == (str(tmp_path / "mine.py"), str(tmp_path / "mine.yaml"))
    assert (last.models, last.runner) == (4, "process")


def test_runs_know_how_many_settings_of_their_method_are_tried(tmp_path: Path) -> None:
    study = parse_study(STUDY, "s.yaml", tmp_path)
    assert {cell.config.plugin: cell.config.settings_tried for cell in study.cells} == {
        "noop": 1,
        "finetune": 2,
        str(tmp_path / "mine.py"): 1,
    }


def test_a_study_is_read_back_from_any_folder(tmp_path: Path) -> None:
    study = parse_study(STUDY, "s.yaml", tmp_path)
    assert parse_study(study.text(), "study.yaml", Path("/elsewhere")) == study


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("tasks: [faces", "taks: [faces", "line 10: taks: unknown key; did you mean 'tasks'?"),
        ("options:", "optons:", "line 6: methods[1].optons: unknown key; did you mean 'options'?"),
        ("models: 4", "modles: 4", "line 12: run.modles: unknown key; did you mean 'models'?"),
        ("runner: process", "isolation: modle", "line 12: run.isolation: found 'modle'; did you mean 'model'?"),
        ("models: 4", "models: 0", "line 12: run"),
        ("models: 4", "seed: 4", "line 12: run.seed: the study sets this itself; see seeds"),
        ("seeds: 2", "seeds: []", "line 11: seeds"),
        ("seeds: 2", "seeds: [0, 0]", "this run occurs twice: noop on faces, seed 0"),
        ("seeds: 2", "seeds: 9999", "at most 10000 runs"),
        ("lr: [0.02, 0.05]", "lr: []", "the option 'lr' has an empty list of values"),
        ("[0.1, 0.2]", "[0.1, -1]", "line 9: methods[2].budgets[1]"),
        ("schema: 1", "schema: 2", "line 1: schema"),
        ("name: small", "name: a/b", "line 2: name"),
        (STUDY, "", "a study starts with 'schema: 1'"),
    ],
)
def test_a_fault_is_told_with_file_line_and_key(old: str, new: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(StudyInvalidError) as raised:
        parse_study(STUDY.replace(old, new, 1), "s.yaml", tmp_path)
    assert str(raised.value).startswith("The study s.yaml")
    assert told in str(raised.value)


def test_shards_divide_the_runs_among_them(tmp_path: Path) -> None:
    study = parse_study(STUDY, "s.yaml", tmp_path)
    shards = [Part(shard=one, shards=3).of(study) for one in (1, 2, 3)]
    assert sorted(cell.number for cells in shards for cell in cells) == list(range(1, 17))
    assert [cell.number for cell in Part(cell=5).of(study)] == [5]


@pytest.mark.parametrize("part", [Part(cell=0), Part(cell=17), Part(shard=0, shards=2), Part(shard=3, shards=2)])
def test_a_part_that_is_none_is_refused(part: Part, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must be from 1 to 16|takes I/N"):
        part.of(parse_study(STUDY, "s.yaml", tmp_path))


def test_a_small_study_needs_no_file() -> None:
    study = study_of_options(["finetune"], ["lr=0.02,0.05", "name=a"], ["faces", "digits"], 2, "0.1,0.2", {"models": 4})
    assert (study.name, len(study.cells)) == ("finetune-faces-digits", 16)
    assert study.cells[0].config.options == {"lr": 0.02, "name": "a"}
    assert {cell.config.budget_fraction for cell in study.cells} == {0.1, 0.2}


@pytest.mark.parametrize(
    ("plugins", "tasks", "seeds", "budgets"),
    [
        ((), ("faces",), 1, None),
        (("noop",), (), 1, None),
        (("noop",), ("faces",), 0, None),
        (("noop",), ("faces",), 1, "x"),
    ],
)
def test_a_study_without_file_that_lacks_something_is_refused(
    plugins: tuple[str, ...], tasks: tuple[str, ...], seeds: int, budgets: str | None
) -> None:
    with pytest.raises(UsageError):
        study_of_options(plugins, [], tasks, seeds, budgets, {})
