"""Texts as token ids: words and punctuation marks, numbered by their frequency in the training set alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.rows import Inputs, chunks
from harness.tasks.datasets.columns import KeyColumns, cells_of, read_columns, require
from harness.tasks.datasets.labelled import Cells, Faults, labelled
from harness.tasks.examples import Encoding, Examples

PADDING, UNKNOWN = 0, 1
_TOKEN = re.compile(r"\w+|[^\w\s]")


def tokens(text: str) -> list[str]:
    """Return the lower-cased words and single punctuation marks of a text, in Unicode's normal form C."""
    return _TOKEN.findall(unicodedata.normalize("NFC", text).lower())


def text_examples(path: Path, keys: KeyColumns, *, column: str, length: int, vocabulary: int) -> Examples:
    """Return the texts of a CSV or Parquet file; columns that no argument names are left out.

    Args:
        path: the file.
        keys: the columns of label, id, subject and split.
        column: of the texts.
        length: tokens of an example: longer texts are cut, shorter ones padded.
        vocabulary: number of tokens with an id of their own.

    Raises:
        DatasetMissingError, DatasetInvalidError: see :func:`~harness.tasks.datasets.columns.read_columns`; a column does not
            exist, or a cell is invalid.
    """
    source = read_columns(path)
    require(source, column, "dataset.text")
    cells = cells_of(source, keys.found(source))
    return encoded_texts(source.texts(column), cells, source.faults, length=length, vocabulary=vocabulary)


def encoded_texts(texts: Sequence[str], cells: Cells, faults: Faults, *, length: int, vocabulary: int) -> Examples:
    """Return the examples of texts, to be encoded once the training set is known; see :func:`text_examples`."""
    split = [tokens(text)[:length] for text in texts]
    for row, found in enumerate(split):
        if not found:
            faults.add(row, "the text is empty")
    number = {word: index for index, word in enumerate(sorted({word for found in split for word in found}), 1)}
    inputs = np.zeros((len(split), length), dtype=np.int32)
    for row, found in enumerate(split):
        inputs[row, : len(found)] = [number[word] for word in found]
    encode = partial(fit, n_words=len(number), vocabulary=vocabulary)
    return labelled(inputs, cells, faults, normalise=False, fit=encode)


def fit(train: Inputs, *, n_words: int, vocabulary: int) -> Encoding:
    """Return the token ids of words, fitted to those of the training set.

    Args:
        train: words by their number in alphabetical order from 1, 0 for padding; shape (n, length).
        n_words: largest number.
        vocabulary: ids for this many words, the most frequent ones (ties in alphabetical order).
    """
    counts = np.zeros(n_words + 1, dtype=np.int64)
    for chunk in chunks(train):
        counts += np.bincount(chunk.ravel(), minlength=n_words + 1)
    words = np.argsort(-counts[1:], kind="stable")[:vocabulary] + 1
    words = words[counts[words] > 0]
    ids = np.full(n_words + 1, UNKNOWN, dtype=np.int32)
    ids[0] = PADDING
    ids[words] = np.arange(len(words)) + UNKNOWN + 1
    return Encoding(partial(_looked_up, ids=ids), vocabulary=len(words) + UNKNOWN + 1)


def _looked_up(inputs: Inputs, *, ids: NDArray[np.int32]) -> NDArray[np.int32]:
    found: NDArray[np.int32] = ids[np.asarray(inputs[:])]
    return found
