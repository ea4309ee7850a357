"""Named arrays: an .npz file, a folder of .npy files, or a safetensors file; the last two are mapped into memory, not read."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.reading import reason
from harness.core.rows import Inputs, Rows, chunks
from harness.core.tensors import TensorFileError, map_tensors
from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.datasets.labelled import PARTS, Cells, Faults, labelled, row_from_0
from harness.tasks.examples import Examples
from harness.tasks.task import INPUT_DTYPES, TOKEN_DTYPES
from harness.tasks.yaml.wording import listed, near_match, with_faults

REQUIRED = ("inputs", "labels")
NAMES = (*REQUIRED, "ids", "subjects", "split", "class_names")
MOST_NPZ_BYTES = 2**30
"""Largest .npz file, unpacked; the members of larger ones could not be mapped."""
MOST_IDS = 10_000_000
"""Largest number of token ids, as in the task file's ``dataset.vocabulary``."""
NPY = b"\x93NUMPY"
_PICTURE = 4
_CHANNELS_LAST = (1, 3, 4)

Array = NDArray[Any]


def array_examples(path: Path, *, normalise: bool | None = None, vocabulary: int | None = None) -> Examples:
    """Return the examples in the arrays ``inputs``, ``labels`` and optionally ``ids``, ``subjects``, ``split``, ``class_names``.

    Args:
        path: an .npz or .safetensors file, or a folder of .npy files.
        normalise: normalise inputs by the training set; by default only uint8 of shape (n, C, H, W).
        vocabulary: number of token ids of inputs that are whole numbers; by default the largest and one.

    Raises:
        DatasetMissingError: there is no such file or folder.
        DatasetInvalidError: an array cannot be read, is missing, or does not fit the others; all faults are named.
    """
    arrays = _read(path)
    faults = [*_name_faults(arrays), *_shape_faults(arrays), *_type_faults(arrays)]
    if faults:
        raise DatasetInvalidError(with_faults(str(path), faults))
    inputs: Inputs = Rows(mapped) if isinstance(mapped := arrays["inputs"], np.memmap) else mapped
    picture = inputs.dtype == np.uint8 and len(inputs.shape) == _PICTURE
    return labelled(
        inputs,
        _cells(arrays, collected := Faults(path, row_from_0)),
        collected,
        normalise=picture if normalise is None else normalise,
        vocabulary=vocabulary_of(inputs, vocabulary),
    )


def _read(path: Path) -> dict[str, Array]:
    if path.is_dir():
        files = {file.stem: file for file in sorted(path.glob("*.npy"))}
        if not files:
            raise DatasetInvalidError(
                f"{path} has no .npy files; save {listed(f'{name}.npy' for name in REQUIRED)} there"
            )
        return _loaded(path, files, lambda name: _mapped(files[name]))
    if not path.is_file():
        raise DatasetMissingError(
            f"dataset.file: there is no file or folder {str(path)!r}; write its path relative to the task file"
        )
    if path.suffix == ".npz":
        return _unpacked(path)
    if path.suffix == ".safetensors":
        try:
            return map_tensors(path)
        except (TensorFileError, OSError) as error:
            raise DatasetInvalidError(f"{path}: {error}") from error
    raise DatasetInvalidError(
        f"dataset.file: {str(path)!r} is neither an .npz nor a .safetensors file, nor a folder of .npy files "
        f"({listed(f'{name}.npy' for name in NAMES)}); name one of these"
    )


def _mapped(file: Path) -> Array:
    """Return the array of an .npy file; numpy.load would also return the archive that a renamed .npz file is."""
    with file.open("rb") as stream:
        if stream.read(len(NPY)) != NPY:
            raise ValueError("it does not begin as numpy.save writes it")
    return np.load(file, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


def _unpacked(path: Path) -> dict[str, Array]:
    """Return the arrays of an .npz file."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MOST_NPZ_BYTES:
            raise DatasetInvalidError(
                f"{path} has {size / 2**30:.1f} GiB of arrays, which would be read into memory; save each with numpy.save "
                "into a folder of .npy files, which are mapped, and name that folder"
            )
        with np.load(path, allow_pickle=False) as members:
            return _loaded(path, members.files, members.__getitem__)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DatasetInvalidError(f"{path} is no .npz file: {reason(error)}; write one with numpy.savez") from error


def _loaded(path: Path, names: Iterable[str], load: Callable[[str], Array]) -> dict[str, Array]:
    found, faults = {}, []
    for name in names:
        try:
            array = load(name)
            if not isinstance(array, np.ndarray):
                raise ValueError("it does not begin as numpy.save writes it")
            found[name] = array
        except Exception as error:  # numpy and zipfile raise many kinds for damaged files
            advice = (
                "it stores Python objects, which are never read; convert it, as in numpy.asarray(values, dtype='float32') or "
                "values.astype(str)"
                if "allow_pickle" in str(error) or "Python objects" in str(error)
                else f"cannot be read, it is cut off or damaged: {reason(error)}"
            )
            faults.append(f"{name}: {advice}")
    if faults:
        raise DatasetInvalidError(with_faults(str(path), faults))
    return found


def _name_faults(arrays: Mapping[str, Array]) -> Iterable[str]:
    for name in arrays:
        if name not in NAMES:
            yield f"{name}: unknown array{near_match(name, NAMES)}; allowed: {listed(NAMES)}"
    for name in REQUIRED:
        if name not in arrays:
            yield f"{name}: this array is missing; found {listed(arrays) or 'nothing'}"


def _shape_faults(arrays: Mapping[str, Array]) -> Iterable[str]:
    inputs = arrays.get("inputs")
    if inputs is not None and (inputs.ndim < 2 or 0 in inputs.shape):
        yield f"inputs: shape {inputs.shape}; must be (n, ...), one example per row and at least one value in each"
    if inputs is not None and _has_channels_last(inputs):
        yield (
            f"inputs: pictures of shape {inputs.shape}; must be (n, channels, height, width), as inputs.transpose(0, 3, 1, 2) "
            "is. Other data than pictures: store them as float32"
        )
    for name, array in arrays.items():
        if name not in ("inputs", *NAMES) or name == "inputs":
            continue
        if array.ndim != 1:
            yield f"{name}: shape {array.shape}; must have one dimension, as {name}.reshape(-1) has"
        elif name != "class_names" and inputs is not None and inputs.ndim and len(array) != len(inputs):
            yield f"{name}: {len(array)} entries for {len(inputs)} rows of inputs"


def _has_channels_last(inputs: Array) -> bool:
    """Return True for bytes whose last dimension is a number of channels and whose second one is none."""
    return (
        inputs.dtype == np.uint8
        and inputs.ndim == _PICTURE
        and inputs.shape[3] in _CHANNELS_LAST
        and inputs.shape[1] > max(_CHANNELS_LAST)
    )


def _type_faults(arrays: Mapping[str, Array]) -> Iterable[str]:
    inputs = arrays.get("inputs")
    if inputs is not None and str(inputs.dtype) not in INPUT_DTYPES:
        advice = (
            "for texts, use kind: text" if inputs.dtype.kind in "US" else "convert it, as in inputs.astype('float32')"
        )
        yield f"inputs: dtype {inputs.dtype}; must be one of {listed(INPUT_DTYPES)}; {advice}"
    for name, kinds, words in (
        ("labels", "biuU", "whole numbers or text"),
        ("ids", "iuU", "text or whole numbers"),
        ("subjects", "iuU", "text or whole numbers"),
        ("split", "biuU", f"text ({listed(PARTS)}) or whole numbers (0 for train, 1 for test)"),
        ("class_names", "U", "text"),
    ):
        if name in arrays and arrays[name].dtype.kind not in kinds:
            advice = f"{name}.astype(str)" if arrays[name].dtype.kind == "S" else f"{name}.astype('int64')"
            yield f"{name}: dtype {arrays[name].dtype}; must be {words}, as {advice} is"


def _cells(arrays: Mapping[str, Array], faults: Faults) -> Cells:
    names = tuple(_values(arrays["class_names"])) if "class_names" in arrays else None
    return Cells(
        label=_labels(arrays["labels"], names, faults),
        id=_texts(arrays.get("ids")),
        subject=_texts(arrays.get("subjects")),
        split=_splits(arrays.get("split"), faults),
        class_names=names,
    )


def _texts(array: Array | None) -> list[str] | None:
    return None if array is None else [str(value) for value in _values(array)]


def _values(array: Array) -> list[Any]:
    """Return the values of an array of any kind.

    Raises:
        DatasetInvalidError: it has text with numbers that are no characters.
    """
    try:
        return list(array.tolist())
    except (SystemError, ValueError) as error:
        raise DatasetInvalidError(
            f"an array of text is damaged: {reason(error)}; write it again with numpy.save"
        ) from error


def _labels(labels: Array, names: tuple[str, ...] | None, faults: Faults) -> list[str]:
    """Return labels as text; numbers are positions in ``names`` if these are given."""
    if labels.dtype.kind == "U":
        return [str(text) for text in _values(labels)]
    numbers = [int(number) for number in labels.tolist()]
    if names is None:
        return [str(number) for number in numbers]
    for row, number in enumerate(numbers):
        if not 0 <= number < len(names):
            faults.add(row, f"the label {number} is no position in class_names; allowed: 0 to {len(names) - 1}")
    faults.refuse()
    return [names[number] for number in numbers]


def _splits(split: Array | None, faults: Faults) -> list[str] | None:
    if split is None or split.dtype.kind == "U":
        return _texts(split)
    for row, number in enumerate(split.tolist()):
        if number not in (0, 1):
            faults.add(row, f"the split {number} is neither 0 (train) nor 1 (test)")
    return [PARTS[bool(number)] for number in split.tolist()]


def vocabulary_of(inputs: Inputs, given: int | None = None) -> int | None:
    """Return the number of token ids; None for inputs that are none."""
    if str(inputs.dtype) not in TOKEN_DTYPES:
        if given is not None:
            raise DatasetInvalidError(
                f"dataset.vocabulary: inputs of dtype {inputs.dtype} are no token ids, as {listed(TOKEN_DTYPES)} are; remove it"
            )
        return None
    least, most = 0, 0
    for chunk in chunks(inputs):
        least, most = min(least, int(chunk.min())), max(most, int(chunk.max()))
    if least < 0 or (given is None and most >= MOST_IDS):
        raise DatasetInvalidError(
            f"inputs: from {least} to {most}; whole numbers other than uint8 are token ids, 0 to at most {MOST_IDS - 1}. "
            "Store numbers that were measured or counted as float32, as in inputs.astype('float32')"
        )
    return given or most + 1
