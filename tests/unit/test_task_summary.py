"""A task is shown with its data, cost and what is cached, on a terminal of 80 columns and for programs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from harness.cli.root import cli
from harness.cli.task_page import half_blocks, print_task
from harness.core.cache import Cache
from harness.errors import TaskNotFoundError, UsageError
from harness.plugins.discovery import find_task
from harness.references.populations import References
from harness.runs.budget import Measurement, timing_key
from harness.runs.task_summary import TaskSummary, summarise
from harness.tasks.checking import load_data
from harness.tasks.task import Split, Task, TaskData
from tests.program import TASK


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["tasks", *map(str, arguments)])


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "tiny.yaml").write_text(TASK)
    return find_task(str(tmp_path / "tiny.yaml"))


def vectors() -> TaskData:
    """Return data of two classes with four columns each."""

    def split(name: str, count: int) -> Split:
        inputs = np.arange(count * 4, dtype=np.float32).reshape(count, 4)
        return Split(np.array([f"{name}{row}" for row in range(count)]), inputs, np.arange(count, dtype=np.int64) % 2)

    return TaskData(split("r", 6), split("f", 2), split("v", 2), split("t", 2), ("no", "yes"))


def test_a_task_has_sizes_classes_and_parameters(task: Task) -> None:
    found, data = summarise(task), load_data(task)

    assert found.sizes == data.sizes()
    assert (found.shape, found.dtype, found.subjects) == ((3, 32, 32), "uint8", 40)
    assert [one.name for one in found.classes] == list(data.class_names)
    for split, size in data.sizes().items():
        assert sum(one.examples[split] for one in found.classes) == size
    assert found.parameters == 11_162


def test_the_example_of_a_class_is_one_of_it(task: Task) -> None:
    data = load_data(task)
    for label, one in enumerate(summarise(task).classes):
        assert one.example is not None
        assert any((row == one.example).all() for row in np.asarray(data.retain.inputs)[data.retain.labels == label])


def test_cached_models_and_measured_times_are_found(task: Task) -> None:
    references = References(task, load_data(task))
    before = summarise(task)
    assert before.cached is not None
    assert (before.cached.models, before.times) == ({"original": 0, "retrained": 0, "control": 0}, ())

    for chunk in references.chunks("retrained", 4):
        references.cache.get_or_build(chunk.inputs, lambda folder: (folder / "x").write_bytes(b"1234") and None)
    inputs = {"data": references.keys("original", 4), "runner": "docker", "cores": 2, "clock": "cpu", "device": "cpu"}
    Cache("budgets").get_or_build(timing_key(inputs), Measurement(retrain_s=(3.0,), retrain_min_s=2.5).write)
    other = timing_key({**inputs, "data": ["other"]})
    Cache("budgets").get_or_build(other, Measurement(retrain_s=(9.0,), retrain_min_s=9.0).write)
    after = summarise(task)

    assert after.cached is not None
    assert after.cached.models == {"original": 0, "retrained": 4, "control": 0}
    assert after.cached.size_bytes > 4
    (time,) = after.times
    assert (time.seconds, time.clock, time.runner, time.device, time.cores) == (2.5, "cpu", "docker", "cpu", 2)


def test_a_task_without_its_data_is_shown_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(tmp_path))
    ended = call("cifar10")

    assert ended.exit_code == 0
    assert "resnet18" in ended.output
    assert "cifar-10-batches-bin" in ended.output
    assert json.loads(call("cifar10", "--json").output)["sizes"] == {}


def test_a_task_fits_80_columns(task: Task) -> None:
    output = call(Path(str(task.folder)) / "tiny.yaml").output

    assert max(map(len, output.splitlines())) <= 80
    assert "144 retain, 36 forget" in output
    assert "harness references build" in " ".join(output.split())


def test_json_has_the_numbers_and_needs_a_name(task: Task) -> None:
    found = json.loads(call(Path(str(task.folder)) / "tiny.yaml", "--json").output)

    assert found["sizes"]["retain"] == 144
    assert found["classes"][0].keys() == {"name", "retain", "forget", "validation", "test"}
    assert call("--json").exit_code == UsageError.exit_code
    assert call("facs").exit_code == TaskNotFoundError.exit_code


def test_a_picture_is_two_pixels_a_character() -> None:
    picture = np.zeros((1, 32, 32), np.uint8)
    picture[0, :2] = 255  # the uppermost of the sixteen rows that are kept
    lines = half_blocks(picture)

    assert [line.plain for line in lines] == ["▀" * 16] * 8
    assert {str(span.style) for span in lines[0].spans} == {"rgb(255,255,255) on rgb(0,0,0)"}
    assert {str(span.style) for span in lines[1].spans} == {"rgb(0,0,0) on rgb(0,0,0)"}


def test_pictures_are_drawn_only_where_there_are_colours(task: Task) -> None:
    summary = summarise(task)
    coloured = Console(width=80, color_system="truecolor", force_terminal=True, record=True, quiet=False)
    with coloured.capture() as captured:
        print_task(summary, coloured)
    assert captured.get().count("▀") == 16 * 8 * 10

    plain = Console(width=80, color_system=None)
    with plain.capture() as captured:
        print_task(summary, plain)
    assert "▀" not in captured.get()


def test_inputs_that_are_no_pictures_are_shown_as_numbers(task: Task) -> None:
    data = vectors()
    own = replace(task, load=lambda: data)
    from harness.runs.task_summary import _classes

    made = TaskSummary(own, sizes=data.sizes(), shape=(4,), dtype="float32", classes=_classes(data))
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        print_task(made, console)

    assert "4 5 6 7" in captured.get()
