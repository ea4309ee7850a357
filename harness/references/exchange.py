"""Publication of reference populations: written as a folder, and read from a folder or URL into the cache."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
from annotated_types import Ge, Len, Predicate
from pydantic import ConfigDict, TypeAdapter
from safetensors.numpy import load_file
from typing_extensions import TypedDict

from harness.core.cache import file_sha256, key_of
from harness.core.files import write_error
from harness.core.progress import Progress, Step
from harness.core.reading import foreign
from harness.core.tensors import write_tensors
from harness.errors import LibraryMissingError, OutputUnwritableError, PopulationInvalidError, UsageError
from harness.evaluation import SPLITS
from harness.references.identity import ROLES, Role
from harness.references.populations import JOURNALS, Chunk, References
from harness.references.supplied import Provenance, Supplied, supplied_inputs
from harness.references.worker_pool import LOGITS, WEIGHTS

INDEX = "populations.json"
BLOCK_BYTES = 1 << 20
MIB = 1 << 20
UNKNOWN = "unknown"
REMOTE = "pip install 'unlearning-harness[remote]'"


Shown = Annotated[str, Len(1, 200), Predicate(str.isprintable)]
"""A text of a publisher that is printed."""


class Inputs(TypedDict):
    """What training a chunk depended on; with more keys, of some tasks."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]  # pydantic's own way

    task: Shown
    role: Role
    seeds: Annotated[list[int], Len(1)]
    torch: Shown
    device: Shown
    model: dict[str, Any]
    recipe: dict[str, Any]
    data: Any


@dataclass(frozen=True)
class PublishedChunk:
    """A chunk in a published folder.

    Attributes:
        first: index of its first model.
        inputs: everything that training it depended on.
        files: name -> SHA-256 of each of its files, in a folder named by its key.
        sizes: name -> size of each file, bytes.
    """

    first: Annotated[int, Ge(0)]
    inputs: Inputs
    files: dict[str, str]
    sizes: dict[str, Annotated[int, Ge(0)]]

    @property
    def folder(self) -> str:
        """Return the name of its folder."""
        return key_of(self.inputs)


@dataclass(frozen=True)
class Published:
    """The index of a published folder.

    Attributes:
        format: version of this format, 1.
        task: name of the task.
        models: number of models of each population.
        chunks: of all populations.
    """

    format: Literal[1]
    task: Shown
    models: Annotated[int, Ge(1)]
    chunks: Annotated[list[PublishedChunk], Len(1)]


_INDEX = TypeAdapter(Published)


def export(references: References, models: int, folder: Path, progress: Progress) -> Published:
    """Write the populations of a task to a new folder; train those that are missing.

    Raises:
        OutputUnwritableError: the folder exists, or cannot be written.
        NoSpaceError: the disk is full.
    """
    if folder.exists():
        raise OutputUnwritableError(f"{folder} exists already. Choose another name, or remove it.")
    references.populations(models, progress)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}.tmp")
    chunks = [chunk for role in ROLES for chunk in references.chunks(role, models)]
    try:
        temporary.mkdir(parents=True)
        with progress.step("writing reference models", len(chunks)) as step:
            written = []
            for chunk in chunks:
                written.append(_copy(references, chunk, temporary))
                step.advance()
        index = Published(1, references.task.name, models, written)
        (temporary / INDEX).write_bytes(_INDEX.dump_json(index, indent=2))
        temporary.rename(folder)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return index


def _copy(references: References, chunk: Chunk, to: Path) -> PublishedChunk:
    """Copy the models of a chunk; a supplied one may hold more, and was trained with what its provenance says."""
    source, _ = references.folder(chunk)
    inputs, found = dict(chunk.inputs), chunk.supplied
    if found is not None:
        inputs |= {"torch": found.torch or UNKNOWN, "device": found.device or UNKNOWN}
    place = to / key_of(inputs)
    place.mkdir()
    journals = sorted(source.glob(JOURNALS))[: chunk.models]
    files = [*(path for name in (LOGITS, WEIGHTS) if (path := source / name).exists()), *journals]
    for path in files:
        if path.name in (LOGITS, WEIGHTS) and found is not None and found.models > chunk.models:
            write_tensors(place / path.name, {name: array[: chunk.models] for name, array in load_file(path).items()})
        else:
            shutil.copyfile(path, place / path.name)
    digests = {path.name: file_sha256(place / path.name) for path in files}
    sizes = {path.name: (place / path.name).stat().st_size for path in files}
    return PublishedChunk(chunk.first, cast(Inputs, inputs), digests, sizes)


def pull(source: str, progress: Progress, supplied: Supplied | None = None) -> Published:
    """Read published populations into the cache; chunks that are there already are not read again.

    Args:
        source: a folder, or a URL of a protocol that fsspec knows.
        progress: shows the amount read.
        supplied: where they are put; default: the user's cache.

    Raises:
        PopulationInvalidError: nothing is published there, or a file does not match its digest.
        LibraryMissingError: the protocol needs a library that is not installed.
        CacheError, NoSpaceError: the cache cannot be written.
    """
    supplied = supplied or Supplied()
    place = _Place.at(source)
    index = place.index()
    wanted = [
        chunk
        for chunk in index.chunks
        if supplied.find(supplied_inputs(chunk.inputs, chunk.first), len(chunk.inputs["seeds"])) is None
    ]
    total = sum(sum(chunk.sizes.values()) for chunk in wanted)
    with progress.step("reading published models", -(-total // MIB)) as step:
        step.tell("MiB")
        for chunk in wanted:
            inputs, known = supplied_inputs(chunk.inputs, chunk.first), chunk.inputs
            origin = Provenance("pulled", len(known["seeds"]), source, str(known["torch"]), str(known["device"]))
            supplied.put(inputs, origin, lambda folder, chunk=chunk: place.read(chunk, folder, _Meter(step)))  # type: ignore[misc]
    return index


@dataclass
class _Meter:
    """Counts bytes and advances a progress step by whole MiB."""

    step: Step
    read: int = 0

    def add(self, count: int) -> None:
        before, self.read = self.read // MIB, self.read + count
        self.step.advance(self.read // MIB - before)


@dataclass(frozen=True)
class _Place:
    """A published folder, here or elsewhere.

    Attributes:
        source: as the user named it.
        files: the file system, an object of fsspec.
        folder: path on it.
    """

    source: str
    files: Any
    folder: str

    @classmethod
    def at(cls, source: str) -> _Place:
        try:
            from fsspec.core import url_to_fs

            return cls(source, *url_to_fs(source))
        except ImportError as error:
            raise LibraryMissingError(
                f"{source} needs a library that is not installed: {error}. Install it: {REMOTE}"
            ) from error
        except ValueError as error:
            raise UsageError(f"{source} cannot be read: {error}. Pass a folder or a URL.") from error

    def index(self) -> Published:
        """Return the index; raise PopulationInvalidError if there is none, or if it is damaged."""
        try:
            content = self.files.cat_file(f"{self.folder.rstrip('/')}/{INDEX}")
        except Exception as error:  # each protocol's library raises its own
            raise PopulationInvalidError(
                f"{self.source} has no readable {INDEX} ({type(error).__name__}: {error}). Pass the folder that "
                "`harness references export` wrote."
            ) from error
        with foreign(f"{self.source}: {INDEX} is damaged", PopulationInvalidError, "Export it again."):
            found = _INDEX.validate_json(content)
            for chunk in found.chunks:
                _check(chunk)
            return found

    def _blocks(self, path: str) -> Iterator[bytes]:
        """Yield a file's content; raise PopulationInvalidError if it cannot be read. Errors of the writer pass by."""
        try:
            with self.files.open(path, "rb") as source:
                while block := source.read(BLOCK_BYTES):
                    yield block
        except Exception as error:  # each protocol's library raises its own
            raise PopulationInvalidError(
                f"{path} could not be read ({type(error).__name__}: {error}). What was read is kept: try again."
            ) from error

    def read(self, chunk: PublishedChunk, folder: Path, meter: _Meter) -> None:
        """Copy the files of a chunk into ``folder`` and check them."""
        for name, digest in chunk.files.items():
            path, sha, left = f"{self.folder.rstrip('/')}/{chunk.folder}/{name}", hashlib.sha256(), chunk.sizes[name]
            with (folder / name).open("wb") as file:
                for block in self._blocks(path):
                    left -= len(block)
                    sha.update(block)
                    file.write(block)
                    meter.add(len(block))
                    if left < 0:
                        break
            if left or sha.hexdigest() != digest:
                raise PopulationInvalidError(
                    f"{path} is not the file that was published: its digest differs. Ask its publisher."
                )
        with foreign(f"{self.source}/{chunk.folder} is not a population", PopulationInvalidError, "Ask its publisher."):
            _check_content(chunk.inputs, folder)


def _check(chunk: PublishedChunk) -> None:
    """Raise ValueError if names could leave the folder, if something is missing, or if the chunk can have no key."""
    key_of(chunk.inputs)
    allowed = {LOGITS, WEIGHTS}
    for name in chunk.files:
        if name not in allowed and not (Path(name).match(JOURNALS) and Path(name).name == name):
            raise ValueError(f"a file is named {name!r}")
    if LOGITS not in chunk.files or set(chunk.files) != set(chunk.sizes):
        raise ValueError("a chunk is incomplete: files or sizes")


def _check_content(inputs: Mapping[str, Any], folder: Path) -> None:
    """Raise ValueError if the arrays are not those of so many models."""
    models = len(inputs["seeds"])
    logits = load_file(folder / LOGITS)
    if missing := [split for split in SPLITS if split not in logits]:
        raise ValueError(f"there are no logits on {', '.join(missing)}")
    weights = load_file(folder / WEIGHTS) if (folder / WEIGHTS).exists() else {}
    for name, array in {**logits, **weights}.items():
        if array.shape[:1] != (models,):
            raise ValueError(f"{name} has shape {array.shape}, and there are {models} models")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} is not finite")
    if not weights:
        raise ValueError("the models have no weights")


def index_text(index: Published) -> str:
    """Return the number of models and the size of a published folder, as a sentence."""
    size = sum(sum(chunk.sizes.values()) for chunk in index.chunks)
    return f"{index.task}: {index.models} models of each population, {size / MIB:.1f} MiB."
