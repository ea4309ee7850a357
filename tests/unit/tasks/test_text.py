"""Texts as token ids, numbered by the training set alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import DatasetInvalidError
from harness.tasks.datasets.columns import KeyColumns
from harness.tasks.datasets.text import text_examples, tokens
from harness.tasks.examples import Examples
from harness.tasks.loading import task_from_text

CSV = 'text,label,author\n"The cat, the dog.",a,x\nA cat!,b,y\nNever seen,a,y\n'


def read(folder: Path, text: str = CSV, *, length: int = 5, vocabulary: int = 50, column: str = "text") -> Examples:
    (folder / "rows.csv").write_text(text, encoding="utf-8")
    keys = KeyColumns("label")
    return text_examples(folder / "rows.csv", keys, column=column, length=length, vocabulary=vocabulary)


def encoded(examples: Examples, train: list[int]) -> tuple[list[list[int]], int | None]:
    assert examples.fit is not None
    encoding = examples.fit(examples.train.inputs[np.asarray(train)])
    return encoding.apply(examples.train.inputs)[:].tolist(), encoding.vocabulary


def test_words_are_lower_case_and_punctuation_marks_are_single() -> None:
    assert tokens("It's FINE...\nNaïve") == ["it", "'", "s", "fine", ".", ".", ".", "naïve"]
    assert tokens("nai\u0308ve") == ["naïve"]


def test_texts_are_cut_and_padded_and_words_numbered_by_frequency(tmp_path: Path) -> None:
    # cat 2, the 2, then ! , a dog once each; the full stop is cut off
    rows, vocabulary = encoded(read(tmp_path), [0, 1])

    assert rows == [[3, 2, 5, 3, 7], [6, 2, 4, 0, 0], [1, 1, 0, 0, 0]]
    assert vocabulary == 8


def test_held_out_texts_have_no_say_in_the_numbers(tmp_path: Path) -> None:
    assert encoded(read(tmp_path), [1]) == ([[1, 4, 1, 1, 1], [3, 4, 2, 0, 0], [1, 1, 0, 0, 0]], 5)


def test_rare_words_beyond_the_vocabulary_are_unknown(tmp_path: Path) -> None:
    assert encoded(read(tmp_path, vocabulary=2), [0, 1]) == ([[3, 2, 1, 3, 1], [1, 2, 1, 0, 0], [1, 1, 0, 0, 0]], 4)


def test_a_task_of_texts_has_token_ids_and_the_vocabulary_of_its_training_set(tmp_path: Path) -> None:
    rows = "".join(f"word{i % 9} number{i},{'ab'[i % 2]},author {i % 6}\n" for i in range(60))
    (tmp_path / "rows.csv").write_text("text,label,subject\n" + rows)
    text = (
        "schema: 1\nname: own\ndataset: {kind: text, file: rows.csv, length: 3, label_noise: 0.2}\n"
        "forget: {by: subject, subjects: [author 3]}\nsplits: {by: subject, validation: 1, test: 1}\n"
        "architecture: {name: embedding-bag}\n"
    )

    data = task_from_text(text, "own.yaml", tmp_path).load()

    assert data.sizes() == {"retain": 30, "forget": 10, "validation": 10, "test": 10}
    train = np.concatenate([data.retain.inputs[:], data.forget.inputs[:]])
    assert data.vocabulary == train.max() + 1
    assert sorted(set(data.test.inputs[:][:, 1].tolist())) == [1]
    assert (train.dtype, train.shape[1]) == (np.int32, 3)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        (CSV, "texts", r"dataset\.text: .*no column 'texts'; did you mean 'text'"),
        ("text,label\nhello,a\n ,b\n", "text", r"rows\.csv, line 3: the text is empty"),
        ("text,label\nhello,a\nyou,a\n", "text", "at least two classes"),
    ],
)
def test_a_fault_is_told_with_line_and_column(text: str, column: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalidError, match=words):
        read(tmp_path, text, column=column)
