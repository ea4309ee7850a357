"""Tasks of seconds on small files of a table, of texts and of arrays, of which no two rows are equal."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

_REST = "models: 2\nbudget: {measurements: 1}\n"
TABLE = f"""\
schema: 1
name: rows
dataset: {{kind: table, file: rows.csv}}
forget: {{by: random, count: 12}}
architecture: {{name: mlp, options: {{hidden: [16]}}}}
recipe: {{epochs: 4, batch_size: 20, lr: 0.05}}
{_REST}"""
TEXT = f"""\
schema: 1
name: notes
dataset: {{kind: text, file: notes.csv, length: 8}}
forget: {{by: subject, subjects: [ann]}}
splits: {{by: subject, validation: 1, test: 2}}
architecture: {{name: embedding-bag, options: {{width: 8, hidden: []}}}}
recipe: {{epochs: 4, batch_size: 20, optimizer: adam, lr: 0.01}}
{_REST}"""
ARRAYS = f"""\
schema: 1
name: series
dataset: {{kind: arrays, file: series, label_noise: 0.1}}
forget: {{by: class, classes: [1], count: 8}}
architecture: {{name: mlp, options: {{hidden: [16]}}}}
recipe: {{epochs: 4, batch_size: 20, lr: 0.05}}
{_REST}"""


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def table_task(folder: Path) -> Path:
    """Write the table and return its task file."""
    rng = random.Random(0)
    rows = ([rng.random(), rng.choice(["", "1", "2"]), rng.choice("uvw"), "ab"[i % 2]] for i in range(120))
    _write(folder / "rows.csv", ("x", "y", "group", "label"), rows)
    return _task(folder / "rows.yaml", TABLE)


def text_task(folder: Path) -> Path:
    """Write the texts and return their task file."""
    authors = ("ann", "ben", "cem", "dan", "eva", "fay")
    rows = ([f"Note {i}: {'good' if i % 2 else 'bad'} day, {i % 7}!", "ab"[i % 2], authors[i % 6]] for i in range(120))
    _write(folder / "notes.csv", ("text", "label", "subject"), rows)
    return _task(folder / "notes.yaml", TEXT)


def arrays_task(folder: Path) -> Path:
    """Write a folder of arrays and return its task file."""
    (folder / "series").mkdir()
    rng = np.random.default_rng(0)
    np.save(folder / "series" / "inputs.npy", rng.normal(size=(120, 3, 5)).astype(np.float32))
    np.save(folder / "series" / "labels.npy", np.resize([0, 1, 2], 120))
    return _task(folder / "series.yaml", ARRAYS)


def _task(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
