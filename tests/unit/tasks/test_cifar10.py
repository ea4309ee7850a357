"""CIFAR-10: the binary version is read directly, pickles are never read by us."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest

from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.datasets.cifar10 import cifar10_examples
from harness.tasks.loading import task_from_text
from harness.tasks.yaml import locating
from tests.unit.tasks.files import write_cifar10


class _Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("inner", [".", "cifar-10-batches-bin"])
def test_the_binary_version_is_read_as_label_then_planes(inner: str, tmp_path: Path) -> None:
    table = write_cifar10(tmp_path / inner)

    examples = cifar10_examples(tmp_path)

    assert examples.test is not None
    assert np.array_equal(examples.train.labels, table[:60, 0])
    assert np.array_equal(examples.train.images[17], table[17, 1:].reshape(3, 32, 32))
    assert np.array_equal(examples.test.images[3], table[63, 1:].reshape(3, 32, 32))
    assert examples.test.ids[3] == "test-00003"


def test_a_batch_cut_short_is_refused(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(
        DatasetInvalidError, match=r"data_batch_3\.bin has 36875 bytes, which is not a multiple of the row size 3073"
    ):
        cifar10_examples(tmp_path)


def test_an_empty_batch_is_refused(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    (tmp_path / "test_batch.bin").write_bytes(b"")

    with pytest.raises(DatasetInvalidError, match=r"test_batch\.bin has 0 bytes"):
        cifar10_examples(tmp_path)


def test_a_label_out_of_range_is_refused(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    np.full(3073, 11, np.uint8).tofile(tmp_path / "test_batch.bin")

    with pytest.raises(DatasetInvalidError, match="test has label 11"):
        cifar10_examples(tmp_path)


def test_where_no_copy_is_found_every_way_to_get_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))
    monkeypatch.setenv("HARNESS_DATA_DIR", str(tmp_path / "mine"))
    monkeypatch.setattr(locating, "SYSTEM_DIRECTORY", tmp_path / "system")

    with pytest.raises(DatasetMissingError) as caught:
        cifar10_examples()

    for words in (f"searched {tmp_path}/mine/cifar10", "cifar-10-batches-bin", "dataset.directory", "[vision]"):
        assert words in str(caught.value)


def test_a_pickle_that_is_not_the_real_one_is_never_loaded(tmp_path: Path) -> None:
    """Without torchvision the message says so; with it, its checksums refuse the files."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("batches.meta", "test_batch", *(f"data_batch_{number}" for number in range(1, 6))):
        (folder / name).write_bytes(pickle.dumps(_Bomb(tmp_path / "exploded")))

    words = "torchvision" if importlib.util.find_spec("torchvision") else "torchvision cannot be imported"
    with pytest.raises(DatasetMissingError, match=words):
        cifar10_examples(tmp_path)

    assert not (tmp_path / "exploded").exists()


def test_the_official_test_part_is_halved_and_training_is_left_whole(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    text = f"extends: cifar10\ndataset: {{directory: {tmp_path}}}\nforget: {{fraction: 0.1}}\n"

    data = task_from_text(text, "mine.yaml", Path()).load()

    assert [len(data.split(name)) for name in ("retain", "forget", "validation", "test")] == [54, 6, 6, 6]
    assert all(name.startswith("test-") for name in [*data.validation.ids, *data.test.ids])
    assert data.mean == (0.4914, 0.4822, 0.4465)
