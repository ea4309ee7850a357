"""Fashion-MNIST: read strictly from IDX files, found in the documented places, and advice where there is none."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.datasets.fashion_mnist import CLASS_NAMES, fashion_mnist_examples, through_torchvision
from harness.tasks.datasets.idx import read_idx
from harness.tasks.loading import task_from_text
from harness.tasks.yaml import locating
from tests.unit.tasks.files import idx_bytes, write_fashion_mnist

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(name="nowhere")
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No dataset in any of the usual places; returns an empty folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))
    monkeypatch.delenv("HARNESS_DATA_DIR", raising=False)
    monkeypatch.setattr(locating, "SYSTEM_DIRECTORY", tmp_path / "system")
    return tmp_path


def test_an_idx_file_is_read_as_its_header_says(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "plain").write_bytes(idx_bytes(array))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx_bytes(array)))

    assert np.array_equal(read_idx(tmp_path / "plain", dimensions=3), array)
    assert np.array_equal(read_idx(tmp_path / "packed.gz", dimensions=3), array)


GOOD = idx_bytes(np.zeros((2, 3, 4), np.uint8))
BROKEN = {
    "other type of number": (
        b"\0\0\x0d" + GOOD[3:],
        "is not an IDX file of 3-dimensional bytes: it starts with '00 00 0d 03'",
    ),
    "other number of dimensions": (idx_bytes(np.zeros(5, np.uint8)), "is not an IDX file of 3-dimensional"),
    "nothing": (b"", "is not an IDX file"),
    "cut within the header": (GOOD[:9], "truncated within its header"),
    "cut within the data": (GOOD[:-1], r"declares 24 bytes, shape \(2, 3, 4\), but there are only 23"),
    "more than promised": (GOOD + b"\0", "declares 24 bytes.*but there are more"),
    "an absurd promise": (GOOD[:4] + b"\xff" * 12, "more than the limit"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_idx_file_is_refused(case: str, tmp_path: Path) -> None:
    data, words = BROKEN[case]
    path = tmp_path / "file"
    path.write_bytes(data)

    with pytest.raises(DatasetInvalidError, match=words):
        read_idx(path, dimensions=3)


@pytest.mark.parametrize("cut", [5, 15, 30])
def test_a_gzip_file_cut_short_is_refused(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(GOOD)[:cut])

    with pytest.raises(DatasetInvalidError, match="cannot be read"):
        read_idx(path, dimensions=3)


def test_a_file_that_is_not_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(GOOD)

    with pytest.raises(DatasetInvalidError, match="cannot be read"):
        read_idx(path, dimensions=3)


@pytest.mark.parametrize(("gzipped", "inner"), [(True, "."), (False, "FashionMNIST/raw")])
def test_a_given_directory_is_read(gzipped: bool, inner: str, tmp_path: Path) -> None:
    write_fashion_mnist(tmp_path / inner, gzipped=gzipped)

    examples = fashion_mnist_examples(tmp_path)

    assert examples.train.images.shape == (40, 1, 28, 28)
    assert examples.test is not None
    assert examples.test.ids[[0, -1]].tolist() == ["test-00000", "test-00019"]
    assert examples.class_names == CLASS_NAMES


def test_the_data_directory_variable_is_looked_in(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(nowhere / "mine"))
    write_fashion_mnist(nowhere / "mine/fashion-mnist")

    assert len(fashion_mnist_examples().train) == 40


def test_the_users_data_directory_is_looked_in(nowhere: Path) -> None:
    write_fashion_mnist(nowhere / "data-home/unlearning-harness/datasets/fashion-mnist")

    assert len(fashion_mnist_examples().train) == 40


def test_where_no_copy_is_found_every_way_to_get_one_is_told(nowhere: Path) -> None:
    with pytest.raises(DatasetMissingError) as caught:
        fashion_mnist_examples()

    message = str(caught.value)
    for words in (
        f"searched {nowhere}/system/fashion-mnist",
        "apt install dataset-fashion-mnist",
        "dataset.directory",
        "HARNESS_DATA_DIR",
        "unlearning-harness[vision]",
        "download: true",
    ):
        assert words in message


def test_a_given_directory_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetMissingError, match=r"there is no directory .*/absent"):
        fashion_mnist_examples(tmp_path / "absent")


def test_a_given_directory_without_the_files_is_not_replaced_by_another_place(tmp_path: Path) -> None:
    with pytest.raises(DatasetMissingError, match=f"searched {tmp_path}"):
        fashion_mnist_examples(tmp_path)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise OSError('libcudart.so.13: cannot open')", "does not work with this torch .OSError: libcudart"),
        ("raise RuntimeError('operator torchvision::nms does not exist')", "does not work .*torchvision::nms"),
        ("raise ImportError('no such thing')", "torchvision cannot be imported .no such thing"),
    ],
)
def test_a_torchvision_that_does_not_import_is_told_with_its_reason(
    source: str, words: str, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = nowhere / "site/torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(source)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(nowhere / "site")

    with pytest.raises(DatasetMissingError, match=words):
        fashion_mnist_examples(download=True)


def test_torchvisions_loader_gives_the_same_examples_as_our_reader(tmp_path: Path) -> None:
    try:
        locating.torchvision_datasets()
    except locating.TorchvisionUnavailableError as error:
        pytest.skip(str(error))
    write_fashion_mnist(tmp_path / "FashionMNIST/raw", gzipped=False)

    ours, theirs = fashion_mnist_examples(tmp_path), through_torchvision(tmp_path, [])

    for mine, other in ((ours.train, theirs.train), (ours.test, theirs.test)):
        assert mine is not None
        assert other is not None
        assert np.array_equal(mine.images, other.images)
        assert np.array_equal(mine.labels, other.labels)
        assert np.array_equal(mine.ids, other.ids)


def test_labels_out_of_range_are_refused(tmp_path: Path) -> None:
    write_fashion_mnist(tmp_path, gzipped=False)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(40, 10, np.uint8)))

    with pytest.raises(DatasetInvalidError, match="train has label 10; the highest class is 9"):
        fashion_mnist_examples(tmp_path)


def test_as_many_labels_as_images_are_needed(tmp_path: Path) -> None:
    write_fashion_mnist(tmp_path, gzipped=False)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(3, np.uint8)))

    with pytest.raises(DatasetInvalidError, match="test has 20 images but 3 labels"):
        fashion_mnist_examples(tmp_path)


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    write_fashion_mnist(tmp_path, gzipped=False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((40, 27, 28), np.uint8)))

    with pytest.raises(DatasetInvalidError, match=r"train images have shape \(27, 28\)"):
        fashion_mnist_examples(tmp_path)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_debians_package_is_read_whole_and_balanced() -> None:
    examples = fashion_mnist_examples(DEBIAN)

    assert examples.test is not None
    assert np.bincount(examples.train.labels).tolist() == [6000] * 10
    assert np.bincount(examples.test.labels).tolist() == [1000] * 10
    # The mean and standard deviation that the literature gives for the training images.
    scaled = examples.train.images / np.float32(255)
    assert (round(float(scaled.mean()), 4), round(float(scaled.std()), 4)) == (0.2860, 0.3530)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_the_bundled_task_loads_the_same_data_each_time() -> None:
    task = task_from_text(f"extends: fashion-mnist\ndataset: {{directory: {DEBIAN}}}\n", "mine.yaml", Path())

    data = task.load()

    assert data.digest() == task.load().digest()
    assert data.retain.images.shape[1:] == (1, 28, 28)
    assert not set(data.retain.ids) & set(data.forget.ids)
    assert not set(data.validation.ids) & set(data.test.ids)
