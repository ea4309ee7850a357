"""Data of any kind with the whole program: what is wrong with it ends the run before anything is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.data_files import arrays_task, table_task, text_task
from tests.program import Program, report_of

RUN = ("run", "--plugin", "finetune", "--runner", "process", "--cpus", "1", "--time-limit", "60", "--output", "out")


def _cut(folder: Path) -> Path:
    task = arrays_task(folder)
    file = folder / "series" / "inputs.npy"
    file.write_bytes(file.read_bytes()[:-100])
    return task


def _not_finite(folder: Path) -> Path:
    task = arrays_task(folder)
    inputs = np.load(folder / "series" / "inputs.npy")
    inputs[41, 1, 1] = np.inf
    np.save(folder / "series" / "inputs.npy", inputs)
    return task


def _other(task: Path, old: str, new: str) -> Path:
    text = task.read_text()
    assert old in text
    task.write_text(text.replace(old, new))
    return task


def _wrong_cell(folder: Path) -> Path:
    task = _other(table_task(folder), "file: rows.csv", "file: rows.csv, numeric: [y]")
    lines = (folder / "rows.csv").read_text().splitlines()
    lines[6] = "0.5,much,u,a"
    (folder / "rows.csv").write_text("\n".join(lines))
    return task


BAD = {
    "an array cut off": (_cut, 23, "series, inputs: cannot be read, it is cut off or damaged"),
    "infinity": (_not_finite, 23, "example '00041' has NaN, infinity"),
    "no number": (_wrong_cell, 23, "rows.csv, line 7: column 'y': 'much' is no finite number"),
    "no file": (
        lambda folder: _other(text_task(folder), "notes.csv", "note.csv"),
        22,
        "dataset.file: there is no file",
    ),
    "no column": (
        lambda folder: _other(text_task(folder), "length: 8", "text: txt"),
        23,
        "notes.csv has no column 'txt'; did you mean 'text'",
    ),
    "a network of pictures": (
        lambda folder: _other(table_task(folder), "{name: mlp, options: {hidden: [16]}}", "{name: resnet18}"),
        21,
        "line 5: architecture.name: resnet18 reads pictures",
    ),
    "augmented texts": (
        lambda folder: _other(text_task(folder), "{epochs: 4,", "{augment: [horizontal-flip], epochs: 4,"),
        21,
        "recipe.augment: horizontal-flip changes pictures",
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_data_end_the_run_with_file_and_place_and_leave_nothing(
    fault: str, program: Program, tmp_path: Path
) -> None:
    write, code, words = BAD[fault]
    ended = program(*RUN, "--task", write(tmp_path))

    assert ended.code == code, ended.err
    assert words in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
    assert "training" not in ended.err
    assert not (tmp_path / "out" / "report.json").exists()


def test_a_table_is_unlearned_and_its_forgotten_rows_are_in_the_report(program: Program, tmp_path: Path) -> None:
    ended = program(*RUN, "--task", table_task(tmp_path), "--evaluator", "accuracy", "--evaluator", "lira")

    assert ended.code == 0, ended.err
    report = report_of(tmp_path / "out")
    assert {model["status"] for model in report["models"]} == {"ok"}
    assert report["task"]["split_sizes"]["forget"] == 12
    assert report["task"]["source"] == table_task(tmp_path).name
    assert [
        name for name in ("report.json", "report.html") if str(tmp_path) in (tmp_path / "out" / name).read_text()
    ] == []
