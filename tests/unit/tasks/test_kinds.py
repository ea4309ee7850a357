"""Kinds of datasets in a task file: their keys, what fits which network, plugins, and what is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from harness.errors import (
    DatasetInvalidError,
    DatasetMissingError,
    DuplicatePluginError,
    PluginLoadError,
    TaskInvalidError,
)
from harness.tasks.checking import load_data
from harness.tasks.loading import task_from_text
from harness.tasks.task import Task
from tests.pages import blocks
from tests.shown import ROOT
from tests.unit.conftest import Install

HEAD = "schema: 1\nname: own\nforget: {by: random, count: 3}\n"
GROUP = "harness.datasets"
PAGE = ROOT / "docs/how-to/bring-your-own-data.md"
ROWS = """
import numpy as np
from harness.tasks.examples import Examples
from harness.tasks.task import Split

def rows(options, folder):
    n = options["n"]
    ids = np.array([f"{folder.name}-{i}" for i in range(n)])
    train = Split(ids=ids, inputs=np.arange(2.0 * n).reshape(n, 2), labels=np.arange(n) % 2)
    return Examples(train=train, test=None, class_names=("no", "yes"))
"""


def task(text: str, folder: Path | None = None) -> Task:
    return task_from_text(HEAD + text, "own.yaml", folder or Path())


REFUSED = {
    "unknown kind": (
        "dataset: {kind: tabel}",
        4,
        "dataset.kind: found 'tabel'; did you mean 'table'?; allowed: faces,",
    ),
    "unknown key": ("dataset: {kind: table, file: x, lable: y}", 4, "dataset.lable: unknown key; did you mean 'label'"),
    "no file": ("dataset: {kind: arrays}", 4, "dataset.file: this key is missing"),
    "no text for a column": ("dataset: {kind: text, file: x, text: 3}", 4, "dataset.text: found 3; must be text"),
    "a picture network": ("dataset: {kind: table, file: x}\narchitecture: {name: small-cnn}", 5, "use mlp"),
    "the default network": (
        "dataset: {kind: table, file: x}",
        1,
        "architecture.name: small-cnn reads pictures (C, H, W)",
    ),
    "text and mlp": ("dataset: {kind: text, file: x}\narchitecture: {name: mlp}", 5, "use embedding-bag"),
    "pictures and a bag": ("dataset: {kind: faces}\narchitecture: {name: embedding-bag}", 5, "use small-cnn"),
    "augmented rows": (
        "dataset: {kind: table, file: x}\narchitecture: {name: mlp}\nrecipe: {augment: [horizontal-flip]}",
        6,
        "recipe.augment: horizontal-flip changes pictures (C, H, W), and this task's inputs are numbers",
    ),
    "two inputs": (
        "dataset: {kind: huggingface, directory: x, image: a, text: b}",
        4,
        "one of image, text and features",
    ),
    "no input": ("dataset: {kind: huggingface, directory: x}", 4, "one of image, text and features"),
    "unknown shipped data": ("dataset: {kind: scikit-learn, name: digit}", 4, "found 'digit'; did you mean 'digits'"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_fault_of_a_task_file_is_told_with_its_line(fault: str) -> None:
    text, line, words = REFUSED[fault]

    with pytest.raises(TaskInvalidError) as caught:
        task(text)

    assert f"line {line}: " in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "dtype", "more", "words"),
    [
        ((20, 5), "float32", "architecture: {name: small-cnn}", "architecture.name: small-cnn reads .* use mlp"),
        ((20, 5), "int64", "architecture: {name: mlp}", "the inputs of this task are token ids; use embedding-bag"),
        ((20, 5), "float32", "architecture: {name: embedding-bag}", "embedding-bag reads token ids, .* use mlp"),
        (
            (20, 5),
            "float32",
            "architecture: {name: mlp}\nrecipe: {augment: [crop-pad-4]}",
            "recipe.augment: crop-pad-4",
        ),
    ],
)
def test_what_only_the_data_show_is_refused_when_they_are_read(
    shape: tuple[int, ...], dtype: str, more: str, words: str, tmp_path: Path
) -> None:
    inputs = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    np.savez(tmp_path / "x.npz", inputs=inputs, labels=np.resize([0, 1], len(inputs)))

    with pytest.raises(DatasetInvalidError, match=words):
        task("dataset: {kind: arrays, file: x.npz}\n" + more, tmp_path).load()


def test_label_noise_corruption_and_forgetting_by_class_and_id_are_those_of_every_kind(tmp_path: Path) -> None:
    labels = np.resize(["cat", "owl"], 40)
    np.savez(tmp_path / "x.npz", inputs=np.arange(80.0).reshape(40, 2), labels=labels, ids=np.arange(40))
    text = "dataset: {kind: arrays, file: x.npz, label_noise: NOISE}\narchitecture: {name: mlp}\nforget: FORGET\n"
    head = "schema: 1\nname: own\nsplits: {validation: 4, test: 4}\n"

    def load(forget: str, more: str = "", noise: str = "0.0") -> dict[str, list[str]]:
        made = text.replace("FORGET", forget).replace("NOISE", noise)
        data = task_from_text(head + made + more, "own.yaml", tmp_path).load()
        forgotten, names = data.forget, np.asarray(data.class_names)
        wrong = np.flatnonzero(names[forgotten.labels] != labels[forgotten.ids.astype(int)])
        return {"ids": forgotten.ids.tolist(), "wrong": forgotten.ids[wrong].tolist()}

    assert load("{by: ids, ids: [3, 17]}") == {"ids": ["3", "17"], "wrong": []}
    assert all(int(name) % 2 for name in load("{by: class, classes: [owl]}")["ids"])
    corrupted = load("{by: corrupted}", "corrupt: {how: random, count: 5}\n")
    assert len(corrupted["ids"]) == 5
    assert corrupted["wrong"] == corrupted["ids"]
    assert len(load("{by: class, classes: [owl]}", noise="0.5")["wrong"]) > 0


def test_a_plugins_function_gets_options_and_folder(install: Install, tmp_path: Path) -> None:
    install("rows-dist", "1.0", {GROUP: {"my-rows": "rows_module:rows"}}, {"rows_module.py": ROWS})
    text = "dataset: {kind: my-rows, options: {n: 30}}\narchitecture: {name: mlp}\n"

    made = task(text, tmp_path)
    assert "rows_module" not in sys.modules
    data = made.load()

    assert sum(data.sizes().values()) == 30
    assert data.retain.ids[0].startswith(tmp_path.name)
    assert len(data.mean) == 2
    again = task_from_text(HEAD + text, "again", tmp_path)
    assert again.definition == made.definition


def test_the_function_on_the_page_reads_its_file(install: Install, tmp_path: Path) -> None:
    source = next(block for block in blocks(PAGE, "python") if "def rows(" in block)
    install("page-dist", "1.0", {GROUP: {"semicolon-rows": "page_rows:rows"}}, {"page_rows.py": source})
    (tmp_path / "rows.txt").write_text("".join(f"{i % 2};{i};{i % 5}\n" for i in range(40)))
    section = next(block for block in blocks(PAGE, "yaml") if "semicolon-rows" in block)

    data = load_data(task(section + "architecture: {name: mlp}\n", tmp_path))

    assert data.retain.inputs.shape == (27, 2)
    assert data.class_names == ("no", "yes")


def test_an_installed_kind_is_suggested_for_a_near_miss(install: Install) -> None:
    install("rows-dist", "1.0", {GROUP: {"my-rows": "rows_module:rows"}}, {"rows_module.py": ROWS})

    with pytest.raises(TaskInvalidError, match=r"line 4: dataset\.kind: found 'my-row'; did you mean 'my-rows'"):
        task("dataset: {kind: my-row}\narchitecture: {name: mlp}\n")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import does_not_exist", "ModuleNotFoundError: No module named 'does_not_exist'"),
        ("def rows(options, folder): raise OSError('gone')", "OSError: gone"),
        ("def rows(options, folder): return [1, 2]", "returns list; it must return harness.tasks.examples.Examples"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def row(options, folder): pass", "AttributeError"),
    ],
)
def test_a_plugin_that_fails_is_told_with_its_distribution(install: Install, source: str, words: str) -> None:
    name = f"broken_{abs(hash(source)) % 10**9}"
    install("broken-dist", "0.3", {GROUP: {"my-rows": f"{name}:rows"}}, {f"{name}.py": source})

    with pytest.raises(PluginLoadError, match=r"harness\.datasets 'my-rows' of broken-dist 0\.3 ") as caught:
        task("dataset: {kind: my-rows}\narchitecture: {name: mlp}\n").load()

    assert words in str(caught.value)


def test_examples_that_cannot_be_split_are_told_field_by_field(install: Install) -> None:
    odd = (
        ROWS.replace("labels=np.arange(n) % 2", "labels=[0] * n")
        .replace("ids=ids", "ids=ids[1:]")
        .replace('("no', '["no')
    )
    install("odd-dist", "1.0", {GROUP: {"my-rows": "odd_rows:rows"}}, {"odd_rows.py": odd.replace('yes")', 'yes"]')})

    with pytest.raises(PluginLoadError, match=r"my-rows' of odd-dist 1\.0 returns has 3 faults") as caught:
        task("dataset: {kind: my-rows, options: {n: 8}}\narchitecture: {name: mlp}\n").load()

    for words in (
        "class_names: found ['no', 'yes']",
        "train.ids: 7 for 8 inputs",
        "train.labels: found list; must be a one",
    ):
        assert words in str(caught.value)


def test_two_plugins_of_one_name_are_refused_with_both_named(install: Install) -> None:
    for name in ("one", "two"):
        install(f"{name}-dist", "1.0", {GROUP: {"my-rows": f"{name}_module:rows"}}, {f"{name}_module.py": ROWS})

    with pytest.raises(DuplicatePluginError, match=r"one-dist 1\.0 .* and two-dist 1\.0"):
        task("dataset: {kind: my-rows}\narchitecture: {name: mlp}\n").load()


@pytest.mark.parametrize(
    ("module", "extra", "text"),
    [
        ("sklearn", "scikit-learn", "dataset: {kind: scikit-learn, name: iris}\narchitecture: {name: mlp}"),
        (
            "datasets",
            "huggingface",
            "dataset: {kind: huggingface, directory: '.', features: [x]}\narchitecture: {name: mlp}",
        ),
    ],
)
def test_without_its_library_a_kind_names_what_to_install(
    module: str, extra: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(DatasetMissingError, match=rf"pip install 'unlearning-harness\[{extra}\]'"):
        task(text).load()


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "classes"), [("digits", (1, 8, 8), "uint8", 10), ("breast-cancer", (30,), "float32", 2)]
)
def test_bundled_tasks_of_real_data_need_nothing_but_scikit_learn(
    name: str, shape: tuple[int, ...], dtype: str, classes: int
) -> None:
    pytest.importorskip("sklearn")
    from harness.plugins.discovery import find_task

    data = load_data(find_task(name))

    assert data.retain.inputs.shape[1:] == shape
    assert (str(data.retain.inputs.dtype), data.n_classes) == (dtype, classes)
    assert (len(data.mean) == 1) == (name == "digits")
    assert data.retain.inputs[:].max() <= 255
