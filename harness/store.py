"""The run folder: everything that a run has learned, on disk as soon as it is known.

``run.json`` (what was asked for and what it was resolved to, the task included), ``begun.json`` (what the report says besides its
models, written when the first of them begins), ``models/0007/`` per model (``attempts.json`` before it is started,
``logits.safetensors`` and then ``outcome.json`` when it has ended), ``report.json`` and ``report.html`` at the end.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, TypeAdapter
from safetensors.numpy import load, save

from harness.budget import Limit
from harness.errors import HarnessError, NoSpaceError, OutputUnwritableError, RunNotFoundError, UsageError
from harness.files import atomic_write_bytes, atomic_write_json, remove_partial_files, write_error
from harness.locks import HeldError, locked
from harness.outcomes import ModelOutcome, told
from harness.reading import foreign

RUN = "run.json"
INDEX = re.compile(r"[0-9]{4,9}")
BEGUN = "begun.json"
DAMAGED_RUN = "Take it from a copy of the folder, or run again."
INTERRUPTED = "interrupted: the harness was stopped before the model ended"


def default_run_folder(plugin: str, task: str) -> Path:
    """``runs/TIME-PLUGIN-TASK`` under the working directory."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{stamp}-{_plain(plugin)}-{_plain(task)}"


def _plain(name: str) -> str:
    stem = Path(name).stem if "/" in name else name
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in stem).strip(".-") or "run"


def _held_already(folder: Path) -> str:
    """What is in a folder that was to be a new run's, and what to do."""
    if (folder / RUN).exists():
        return f"a run already. Choose another folder with --output, or go on with it: `harness resume {folder}`."
    return "other files already. Choose another folder with --output."


def _explained(error: OSError | HarnessError, folder: Path) -> HarnessError:
    """The error to raise for a file that could not be written in the run folder, with what to do about the run."""
    told = write_error(folder, error) if isinstance(error, OSError) else error
    return told if isinstance(told, NoSpaceError) else type(told)(f"{told} Or give another with --output.")


class RunStore:
    """One run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> RunStore:
        """A new, empty run folder.

        Raises:
            OutputUnwritableError: it cannot be made or holds something already.
            NoSpaceError: the disk is full.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise OutputUnwritableError(f"{folder} holds {_held_already(folder)}")
            (folder / "models").mkdir()
        except OSError as error:
            raise _explained(error, folder) from error
        return cls(folder)

    @classmethod
    def open(cls, folder: Path) -> RunStore:
        """An existing run folder.

        Raises:
            RunNotFoundError: it holds no run.
        """
        if not (folder / RUN).is_file():
            raise RunNotFoundError(
                f"{folder} holds no run: there is no {RUN} in it. Give the folder that `harness run` named."
            )
        return cls(folder)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes off this run.

        Raises:
            UsageError: another process is at work on it.
            NoSpaceError, OutputUnwritableError: the lock's file cannot be made.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.folder / ".lock", wait=False))
            except HeldError:
                raise UsageError(
                    f"Another process is at work on {self.folder}. Wait for its end, or stop it first."
                ) from None
            except OSError as error:
                raise _explained(error, self.folder) from error
            remove_partial_files(self.folder)
            yield

    def write_run(self, content: Mapping[str, Any]) -> None:
        """Keep what was asked for and what it was resolved to."""
        self._write_json(self.folder / RUN, content)

    def write_begun(self, report: str) -> None:
        """Keep what the run's report says besides its models, as JSON text."""
        self._write(self.folder / BEGUN, report.encode())

    @property
    def has_begun(self) -> bool:
        """Whether the first model has begun, or is about to."""
        return (self.folder / BEGUN).exists()

    def read_run(self) -> dict[str, Any]:
        """What :meth:`write_run` kept.

        Raises:
            RunNotFoundError: the file is damaged.
        """
        with foreign(f"{self.folder / RUN} is damaged", RunNotFoundError, DAMAGED_RUN):
            content: dict[str, Any] = json.loads((self.folder / RUN).read_bytes())
            _Begun.model_validate(content)
            return content

    def begin_model(self, index: int) -> tuple[str, ...]:
        """Count an attempt at a model before it starts; returns how those before it ended, oldest first."""
        file = self._model(index) / "attempts.json"
        earlier: tuple[str, ...] = ()
        if file.exists():
            earlier, outcome = self._earlier(index), self._outcome(index)
            if outcome is None or len(outcome.earlier_attempts) < len(earlier):  # an outcome before the last attempt
                earlier = (*earlier, INTERRUPTED)
            else:
                earlier = (*outcome.earlier_attempts, told(outcome))
        self._write_json(file, {"earlier": earlier})
        return earlier

    def finish_model(self, outcome: ModelOutcome, logits: Mapping[str, NDArray[np.float32]] | None) -> None:
        """Keep a model's end and, where it came back whole, its logits per split and query, shape (n, C)."""
        folder = self._model(outcome.index)
        if logits is not None:
            self._write(folder / "logits.safetensors", save(dict(logits)))
        self._write_json(folder / "outcome.json", asdict(outcome))

    def keep_weights(self, index: int, weights: Mapping[str, NDArray[Any]]) -> None:
        """Keep a model's unlearned weights, for ``--keep-weights``."""
        self._write(self._model(index) / "weights.safetensors", save(dict(weights)))

    def finished(self) -> dict[int, ModelOutcome]:
        """The models that have ended, by index.

        Raises:
            RunNotFoundError: the record of one is damaged.
        """
        found = {index: self._outcome(index) for index in self._indices("outcome.json")}
        return {index: outcome for index, outcome in found.items() if outcome is not None}

    def begun(self) -> dict[int, tuple[str, ...]]:
        """How earlier attempts ended, oldest first, for every model that has been begun, by index.

        Raises:
            RunNotFoundError: the record of one is damaged.
        """
        return {index: self._earlier(index) for index in self._indices("attempts.json")}

    def _indices(self, name: str) -> list[int]:
        """The models that have a file of this name."""
        places = (file.parent.name for file in (self.folder / "models").glob(f"[0-9]*/{name}"))
        return sorted(int(place) for place in places if INDEX.fullmatch(place))

    def _outcome(self, index: int) -> ModelOutcome | None:
        """How a model ended; None where it has not."""
        file = self._place(index) / "outcome.json"
        with _damage_told(file):
            return _OUTCOME.validate_json(file.read_bytes()) if file.exists() else None

    def _earlier(self, index: int) -> tuple[str, ...]:
        """How the attempts at a model ended that had ended when the last one was begun."""
        file = self._place(index) / "attempts.json"
        with _damage_told(file):
            return tuple(map(str, json.loads(file.read_bytes())["earlier"]))

    def logits(self, index: int) -> dict[str, NDArray[np.float32]]:
        """Return the logits of a model that ended ok, per split and :func:`harness.queries.key`, shape (n, C)."""
        file = self._place(index) / "logits.safetensors"
        with _damage_told(file):
            return load(file.read_bytes())

    def _place(self, index: int) -> Path:
        return self.folder / "models" / f"{index:04d}"

    def _model(self, index: int) -> Path:
        """The folder of a model, made where it is not there."""
        folder = self._place(index)
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise _explained(error, self.folder) from error
        return folder

    def _write(self, path: Path, data: bytes) -> None:
        try:
            atomic_write_bytes(path, data)
        except (NoSpaceError, OutputUnwritableError) as error:
            raise _explained(error, self.folder) from error

    def _write_json(self, path: Path, content: Mapping[str, Any]) -> None:
        try:
            atomic_write_json(path, content)
        except (NoSpaceError, OutputUnwritableError) as error:
            raise _explained(error, self.folder) from error


@contextmanager
def _damage_told(file: Path) -> Iterator[None]:
    """What is wrong with a file that a fault of the disk has changed becomes a message: what is written is always whole."""
    advice = f"Remove the folder {file.parent}, and `harness resume` does that model again."
    with foreign(f"{file} is damaged", RunNotFoundError, advice):
        yield


class _Identity(BaseModel):
    cores: int = 1
    device: Annotated[list[str], Field(min_length=1)]


class _Begun(BaseModel):
    """The form of ``run.json``, as far as its readers rely on it."""

    config: dict[str, Any]
    run_id: str
    created: str
    identity: _Identity | None = None
    limit: Limit | None = None
    phases: dict[str, float] = Field(default_factory=dict)
    remeasured_s: list[float] = Field(default_factory=list)


_OUTCOME = TypeAdapter(ModelOutcome)


def free_mib(path: Path) -> int:
    """Free space, MiB, on the disk that holds ``path`` or its nearest existing parent."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    stats = os.statvfs(place)
    return stats.f_bavail * stats.f_frsize >> 20
