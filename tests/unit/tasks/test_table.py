"""Tables: encoded by the training set alone, every fault by file, line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.datasets.columns import KeyColumns
from harness.tasks.datasets.table import table_examples
from harness.tasks.examples import Examples
from harness.tasks.loading import task_from_text

CSV = "id,age,city,label\na,10,Bonn,yes\nb,20,Köln,no\nc,,Bonn,yes\nd,30,,no\n"


def read(folder: Path, text: str = CSV, label: str = "label", **options: Any) -> Examples:
    (folder / "rows.csv").write_text(text, encoding="utf-8")
    keys = KeyColumns(label, **{name: options.pop(name) for name in ("id", "subject", "split") if name in options})
    return table_examples(folder / "rows.csv", keys, **options)


def encoded(examples: Examples, train: list[int], rows: list[int]) -> list[list[float]]:
    """Return the encoding of some rows, fitted to others."""
    assert examples.fit is not None
    inputs = examples.train.inputs
    found = examples.fit(inputs[np.asarray(train)]).apply(inputs[np.asarray(rows)])
    assert found.dtype == np.float32
    return np.round(found[:].astype(np.float64), 3).tolist()  # type: ignore[no-any-return]


def test_ids_and_classes_are_read(tmp_path: Path) -> None:
    examples = read(tmp_path)

    assert examples.class_names == ("no", "yes")
    assert examples.train.labels.tolist() == [1, 0, 1, 0]
    assert examples.train.ids.tolist() == ["a", "b", "c", "d"]
    assert (examples.normalise, examples.test) == (False, None)


def test_numbers_are_standardised_and_missing_ones_are_the_mean_with_a_mark(tmp_path: Path) -> None:
    # columns: age, whether age is missing, no city, Bonn, Köln
    assert encoded(read(tmp_path), [0, 1, 2, 3], [0, 2, 3]) == [
        [-1.225, 0, 0, 1, 0],
        [0, 1, 0, 1, 0],
        [1.225, 0, 1, 0, 0],
    ]


def test_held_out_rows_have_no_say_in_the_encoding(tmp_path: Path) -> None:
    # Bonn and Köln alone, no missing age: the row without city has only zeros, the one without age the mean
    assert encoded(read(tmp_path), [0, 1], [0, 2, 3]) == [[-1, 1, 0], [0, 1, 0], [3, 0, 0]]


def test_a_task_fits_its_encoding_to_retain_and_forget_set(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 7},{'xyz'[i % 3]},{['no', 'yes'][i % 2]}\n" for i in range(60))
    (tmp_path / "rows.csv").write_text("number,day,group,label\n" + rows)
    text = (
        "schema: 1\nname: own\ndataset: {kind: table, file: rows.csv, ignore: [day]}\nforget: {by: random, count: 9}\n"
        "architecture: {name: mlp}\n"
    )

    data = task_from_text(text, "own.yaml", tmp_path).load()

    train = np.concatenate([data.retain.inputs[:], data.forget.inputs[:]])
    assert train.shape == (45, 4)
    assert np.allclose([train[:, 0].mean(), train[:, 0].std()], [0, 1], atol=1e-6)
    assert (data.mean, data.vocabulary) == ((), None)
    assert not np.allclose(data.test.inputs[:][:, 0].mean(), 0, atol=1e-3)


def test_columns_have_the_role_that_the_task_gives_them(tmp_path: Path) -> None:
    text = "id,code,note,when,label\n7,1,x,?,a\n8,2,y,3,b\n9,1,z,4,a\n"

    examples = read(tmp_path, text, numeric=["id"], categorical=["code"], ignore=["note"], missing=["?"])

    assert examples.train.ids.tolist() == ["00000", "00001", "00002"]
    # id, when, whether when is missing, code 1, code 2
    assert encoded(examples, [0, 1, 2], [0, 1]) == [[-1.225, 0, 1, 1, 0], [0, -1, 0, 0, 1]]


def test_named_columns_give_ids_subjects_and_the_test_set(tmp_path: Path) -> None:
    text = "who,key,part,x,class\nann,k1,,1,a\nben,k2,test,2,b\nann,k3,train,3,b\n"

    examples = read(tmp_path, text, "class", id="key", subject="who", split="part")

    assert examples.train.ids.tolist() == ["k1", "k3"]
    assert examples.test is not None
    assert examples.test.subjects is not None
    assert examples.test.subjects.tolist() == ["ben"]


def test_a_constant_column_becomes_zero(tmp_path: Path) -> None:
    assert encoded(read(tmp_path, "x,label\n5,a\n5,b\n"), [0, 1], [0, 1]) == [[0], [0]]


HEAD = "x,c,label\n1,u,a\n2,v,b\n"
MANY = "x,c,label\n" + "".join(f"{i if i != 50 else 'NA'},u,{'ab'[i % 2]}\n" for i in range(120))
FAULTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no label": (
        "x,lable\n1,a\n",
        {},
        "dataset.label: .*no column 'label'; did you mean 'lable'; it has x, lable|'lable'",
    ),
    "no such column": (HEAD, {"numeric": ["y"]}, "dataset.numeric: .*rows.csv has no column 'y'"),
    "no id": (HEAD, {"id": "key"}, "dataset.id: .*no column 'key'"),
    "two roles": (HEAD, {"numeric": ["x"], "ignore": ["x"]}, "the column 'x' is named twice"),
    "two keys": (HEAD, {"id": "c", "subject": "c"}, "the column 'c' is also dataset"),
    "label as feature": (HEAD, {"categorical": ["label"]}, "the column 'label' is named twice"),
    "no number": (
        HEAD + "a lot,u,a\n",
        {"numeric": ["x"]},
        "rows.csv, line 4: column 'x': 'a lot' is no finite number",
    ),
    "infinity": (HEAD + "inf,u,a\n", {"numeric": ["x"]}, "line 4: column 'x': 'inf' is no finite number"),
    "NaN": (HEAD + "nan,u,a\n", {"numeric": ["x"]}, "line 4: column 'x': 'nan' is no finite number; leave the cell"),
    "an underscore": (HEAD + "1_0,u,a\n", {"numeric": ["x"]}, "line 4: column 'x': '1_0' is no finite number"),
    "a number too much": (
        MANY,
        {},
        "line 52: column 'x': 'NA' is neither a number",
    ),
    "too few cells": (HEAD + "3,u\n", {}, "line 4: 2 cells, and the header has 3"),
    "empty label": (HEAD + "3,u,\n4,u,\n", {}, "line 4: the label is empty; give a name; and in 1 more row"),
    "an id twice": ("id,x,label\nk,1,a\nk,2,b\n", {}, "line 3: the id 'k' occurs twice; the first is on line 2"),
    "one class": ("x,label\n1,a\n2,a\n", {}, "all labels are 'a'"),
    "unknown split": ("x,split,label\n1,,a\n2,val,b\n", {}, "line 3: found split 'val'; allowed: train, test"),
    "nothing but labels": ("label\na\nb\n", {}, "no column is left as a feature"),
    "a column twice": ("x,x,label\n1,2,a\n", {}, "header: the column '(x|label)' occurs twice"),
    "no rows": ("x,label\n", {}, "no rows below its header"),
    "nothing": ("", {}, "no rows|no column"),
    "broken quotes": ('x,label\n1,"a"b\n', {}, "line 2: cannot be read as a CSV"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_line_and_column(fault: str, tmp_path: Path) -> None:
    text, options, words = FAULTS[fault]

    with pytest.raises(DatasetInvalidError, match=words):
        read(tmp_path, text, **options)


def test_a_file_that_is_missing_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetMissingError, match=r"dataset\.file: there is no file"):
        table_examples(tmp_path / "none.csv", KeyColumns("label"))
    (tmp_path / "rows.csv").write_bytes(b"x,label\n1,a\n\xff,a\n")
    with pytest.raises(DatasetInvalidError, match=r"rows\.csv, line 3: is no UTF-8 text"):
        table_examples(tmp_path / "rows.csv", KeyColumns("label"))


def test_parquet_gives_what_the_same_csv_gives(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = {"id": [1, 2, 3, 4], "age": [10, 20, None, 30], "city": ["Bonn", "Köln", "Bonn", None]}
    table = pyarrow.table({**rows, "label": ["yes", "no", "yes", "no"]})
    parquet.write_table(table, tmp_path / "rows.parquet")

    examples = table_examples(tmp_path / "rows.parquet", KeyColumns("label"))

    assert examples.train.ids.tolist() == ["1", "2", "3", "4"]
    assert np.array_equal(examples.train.inputs[:], read(tmp_path).train.inputs[:], equal_nan=True)
    with pytest.raises(
        DatasetInvalidError, match=r"row 0 \(counted from 0\): column 'city': 'Bonn' is no finite number"
    ):
        table_examples(tmp_path / "rows.parquet", KeyColumns("label"), numeric=["city"])
    (tmp_path / "rows.parquet").write_bytes((tmp_path / "rows.parquet").read_bytes()[:-9])
    with pytest.raises(DatasetInvalidError, match=r"rows\.parquet cannot be read as a Parquet file"):
        table_examples(tmp_path / "rows.parquet", KeyColumns("label"))


def test_without_pyarrow_parquet_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")

    with pytest.raises(DatasetMissingError, match=r"pip install 'unlearning-harness\[parquet\]'"):
        table_examples(tmp_path / "rows.parquet", KeyColumns("label"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("NA", "'NA'"),
        ('"1,234"', "'1,234'"),
        ('"3,5"', "'3,5'"),
        ("40%", "'40%'"),
        ("nan", "'nan'"),
        ("1e39", "'1e39'"),
        ("2024-01-31", "'2024-01-31'"),
        ("31.1.2024", "'31.1.2024'"),
    ],
)
def test_a_column_that_may_be_numeric_must_be_listed(tmp_path: Path, value: str, shown: str) -> None:
    text = "size,label\n1,yes\n2,no\n" + f"{value},yes\n"

    with pytest.raises(DatasetInvalidError, match=rf"line 4: column 'size': {shown} is neither a number"):
        read(tmp_path, text)

    assert encoded(read(tmp_path, text, categorical=["size"]), [0, 1, 2], [0])[0].count(1) == 1


def test_a_few_numbers_among_categories_leave_a_column_categorical(tmp_path: Path) -> None:
    found = read(tmp_path, "doors,label\n2,yes\nfew,no\nmany,yes\n")

    assert encoded(found, [0, 1, 2], [0, 1]) == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (",age,label\n0,1,yes\n1,2,no\n", "header: column 1 has no name"),
        ("age,label,age\n1,yes,1\n2,no,2\n", "header: the column 'age' occurs twice"),
        ("age;label\n1;yes\n2;no\n", "separated by semicolons"),
        ('age,label\n"1,yes\n2,no\n', "A quotation mark on an earlier line is not closed"),
        ("age,label\n" + "".join(f"{i},{i / 7}\n" for i in range(50)), "50 different labels in 50 training examples"),
        ("age,label\n1,1\n2,1.0\n3,2\n", "'1.0' can be confused with '1'"),
    ],
)
def test_a_file_that_is_not_what_it_seems_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DatasetInvalidError, match=said):
        read(tmp_path, text)


def test_a_missing_value_is_no_label(tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalidError, match="line 4: the label 'NA' is a missing value"):
        read(tmp_path, "age,label\n1,yes\n2,no\n3,NA\n", missing=["NA"])


def test_names_of_columns_are_equal_in_every_unicode_form(tmp_path: Path) -> None:
    found = read(tmp_path, "cafe\u0301,label\n1,yes\n2,no\n", numeric=["caf\u00e9"])

    assert encoded(found, [0, 1], [0, 1]) == [[-1], [1]]


def test_a_cell_may_be_longer_than_the_csv_modules_limit(tmp_path: Path) -> None:
    found = read(tmp_path, f"age,note,label\n1,{'x' * 200_000},yes\n2,y,no\n", ignore=["note"])

    assert len(found.train.labels) == 2


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"when": ["2024-01-31", "2024-02-01"], "label": ["a", "b"]}, "column 'when'"),
        ({"parts": [[1, 2], [3]], "label": ["a", "b"]}, "each value of the column 'parts' is a list"),
    ],
)
def test_parquet_columns_of_dates_and_lists_are_refused(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table(columns)
    if "when" in columns:
        table = table.set_column(0, "when", table["when"].cast(pyarrow.date32()))
    parquet.write_table(table, tmp_path / "rows.parquet")

    with pytest.raises(DatasetInvalidError, match=said):
        table_examples(tmp_path / "rows.parquet", KeyColumns("label"))


def test_a_file_that_the_system_does_not_let_be_read_is_refused() -> None:
    with pytest.raises(DatasetInvalidError, match="/proc/self/mem cannot be read"):
        table_examples(Path("/proc/self/mem"), KeyColumns("label"))
