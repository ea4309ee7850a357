"""The run folder: all results of a run, written to disk as soon as they are known.

- ``run.json``: the requested options and what they were resolved to, including the task.
- ``begun.json``: the report without models, written when the first model starts.
- ``models/0007/``: a folder per model. ``attempts.json`` is written before each attempt, ``logits.safetensors`` and then
  ``outcome.json`` at its end; ``weights.safetensors`` if they are kept, or until the probes, ``probe-*.safetensors``, are there.
- ``report.json`` and ``report.html``: written at the end.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, TypeAdapter
from safetensors.numpy import load, save

from harness.core.files import atomic_write_bytes, atomic_write_json, remove_partial_files, write_error
from harness.core.locks import HeldError, locked
from harness.core.outcomes import ModelOutcome, told
from harness.core.reading import foreign
from harness.errors import HarnessError, NoSpaceError, OutputUnwritableError, RunNotFoundError, UsageError
from harness.runs.budget import Limit

RUN = "run.json"
MATRIX = "matrix.json"
"""File in a folder with a run for each of several versions of torch."""
STREAM = "stream.json"
"""File in a folder with a run for each request of a stream."""
BUDGETS = "budgets.json"
"""File in a folder with a run for each of several budgets."""
STUDY = "study.yaml"
"""File in the folder of a study."""
WEIGHTS, PLUGIN_STATE = "weights.safetensors", "state.bin"
LOCK = ".lock"
INDEX = re.compile(r"[0-9]{4,9}")
BEGUN = "begun.json"
DAMAGED_RUN = "Restore it from a backup, or run the plugin again."
INTERRUPTED = "interrupted: the harness was stopped before the model ended"


def default_run_folder(plugin: str, task: str) -> Path:
    """Return ``runs/TIME-PLUGIN-TASK``, relative to the working directory."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{stamp}-{plain_name(plugin)}-{plain_name(task)}"


def plain_name(name: str) -> str:
    """Return a name, or the stem of a path, as part of a folder's name."""
    stem = Path(name).stem if "/" in name else name
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in stem).strip(".-") or "run"


def _content(folder: Path) -> str:
    """Return what a non-empty run folder contains, and advice."""
    if _is_run(folder):
        return (
            f"a run. Choose another folder with --output, continue the run with `harness resume {folder}`, or replace it "
            "with --force."
        )
    return "other files than a run. Choose another folder with --output."


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in (RUN, MATRIX, STREAM, BUDGETS))


def _clear(folder: Path) -> None:
    """Delete the run in a folder.

    Raises:
        UsageError: if another process is using it.
    """
    try:
        with ExitStack() as stack:
            for place in (
                folder,
                *(file.parent for file in folder.glob(f"*/{RUN}")),
            ):  # a matrix or a stream has runs below it
                stack.enter_context(held_folder(place))
            for place in folder.iterdir():
                if place.is_dir() and not place.is_symlink():
                    shutil.rmtree(place)
                else:
                    place.unlink()
    except OSError as error:
        raise _with_advice(error, folder) from error


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder for a ``with`` block; see :meth:`RunStore.held`. Partial files of killed writers stay."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / LOCK, wait=False))
        except HeldError:
            raise UsageError(f"Another process is using {folder}. Wait until it ends, or stop it.") from None
        except OSError as error:
            raise _with_advice(error, folder) from error
        yield


def _with_advice(error: OSError | HarnessError, folder: Path) -> HarnessError:
    """Return the error to raise for a failed write in the run folder, with advice."""
    told = write_error(folder, error) if isinstance(error, OSError) else error
    return told if isinstance(told, NoSpaceError) else type(told)(f"{told} Or choose another folder with --output.")


def new_folder(folder: Path) -> Path:
    """Create a folder, or accept an empty one, and return it.

    Raises:
        OutputUnwritableError: if it cannot be created or is not empty.
        NoSpaceError: if the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_new_folder(folder)
    except OSError as error:
        raise _with_advice(error, folder) from error
    return folder


def check_new_folder(folder: Path, *, replace: bool = False) -> None:
    """Raise OutputUnwritableError unless a run can be created in a folder: missing, empty, or with a run to ``replace``."""
    if folder.exists() and not (replace and _is_run(folder)) and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputUnwritableError(f"{folder} already contains {_content(folder)}")


class RunStore:
    """A run folder."""

    def __init__(self, folder: Path, *, made_folder: bool = False) -> None:
        self.folder = folder
        self._made_folder = made_folder

    @classmethod
    def create(cls, folder: Path, *, replace: bool = False) -> RunStore:
        """Create a new run folder; with ``replace``, delete the run that it contains.

        Raises:
            OutputUnwritableError: if it cannot be created or is not empty.
            NoSpaceError: if the disk is full.
            UsageError: if another process is using the run to replace.
        """
        if replace and _is_run(folder):
            _clear(folder)
        made = not folder.exists()
        new_folder(folder)
        try:
            (folder / "models").mkdir()
        except OSError as error:
            raise _with_advice(error, folder) from error
        return cls(folder, made_folder=made)

    @classmethod
    def open(cls, folder: Path) -> RunStore:
        """Open an existing run folder.

        Raises:
            RunNotFoundError: if it contains no run.
        """
        if (folder / STREAM).is_file():
            raise RunNotFoundError(
                f"{folder} is a stream of requests, and each request is a run of its own. Pass one of these, e.g. "
                f"{folder / 'request-1'}."
            )
        if (folder / BUDGETS).is_file():
            raise RunNotFoundError(
                f"{folder} has a run for each of several budgets. Pass one of them, {folder}/budget-SHARE."
            )
        if not (folder / RUN).is_file():
            raise RunNotFoundError(
                f"{folder} is not a run folder: it has no {RUN}. Pass the folder that `harness run` printed."
            )
        return cls(folder)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Acquire the run's lock, which excludes other processes, for a ``with`` block.

        Raises:
            UsageError: if another process holds the lock.
            NoSpaceError, OutputUnwritableError: if the lock file cannot be created.
        """
        with held_folder(self.folder):
            remove_partial_files(self.folder)
            yield

    def give_back(self) -> None:
        """Delete the run if no model was begun; keep the folder itself if it existed before, and files of others."""
        if self.begun():
            return
        with suppress(OSError):  # what cannot be deleted must not hide why the run ended
            for name in (RUN, BEGUN, LOCK):
                (self.folder / name).unlink(missing_ok=True)
            (self.folder / "models").rmdir()
            if self._made_folder:
                self.folder.rmdir()

    def write_run(self, content: Mapping[str, Any]) -> None:
        """Write the requested options and what they were resolved to."""
        self._write_json(self.folder / RUN, content)

    def write_begun(self, report: str) -> None:
        """Write the report without models, as JSON text."""
        self._write(self.folder / BEGUN, report.encode())

    @property
    def has_begun(self) -> bool:
        """Return True if the first model has started or is about to."""
        return (self.folder / BEGUN).exists()

    def read_run(self) -> dict[str, Any]:
        """Read the file of :meth:`write_run`.

        Raises:
            RunNotFoundError: if the file is damaged.
        """
        with foreign(f"{self.folder / RUN} is damaged", RunNotFoundError, DAMAGED_RUN):
            content: dict[str, Any] = json.loads((self.folder / RUN).read_bytes())
            _Begun.model_validate(content)
            return content

    def begin_model(self, index: int) -> tuple[str, ...]:
        """Record the start of an attempt at a model; return how earlier attempts ended, oldest first."""
        file = self._model(index) / "attempts.json"
        earlier: tuple[str, ...] = ()
        if file.exists():
            earlier, outcome = self._earlier(index), self._outcome(index)
            if outcome is None or len(outcome.earlier_attempts) < len(
                earlier
            ):  # the outcome is older than the last attempt
                lost = self._attempts(index).get("lost")
                earlier = (*earlier, INTERRUPTED if lost is None else str(lost))
            else:
                earlier = (*outcome.earlier_attempts, told(outcome))
        self._write_json(file, {"earlier": earlier})
        return earlier

    def lose_model(self, index: int, how: str) -> tuple[str, ...]:
        """Record how the present attempt at a model was lost; return how the attempts before it ended."""
        earlier = self._earlier(index)
        self._write_json(self._model(index) / "attempts.json", {"earlier": earlier, "lost": how})
        return earlier

    def finish_model(self, outcome: ModelOutcome, logits: Mapping[str, NDArray[np.float32]] | None) -> None:
        """Write a model's outcome and, if it finished, its logits per split and query, shape (n, C)."""
        folder = self._model(outcome.index)
        if logits is not None:
            self._write(folder / "logits.safetensors", save(dict(logits)))
        self._write_json(folder / "outcome.json", asdict(outcome))

    def weights_file(self, index: int) -> Path:
        """Return the place of a model's unlearned weights."""
        return self._place(index) / WEIGHTS

    def probe_file(self, index: int, probe: str) -> Path:
        """Return the place of what a probe computed from a model's unlearned weights."""
        return self._place(index) / f"probe-{probe}.safetensors"

    def probed(self, index: int, probe: str) -> dict[str, NDArray[Any]]:
        """Return what a probe computed from a model's unlearned weights; the first axis has length 1."""
        file = self.probe_file(index, probe)
        with _damage_reported(file):
            return load(file.read_bytes())

    def keep_weights(
        self, index: int, weights: Mapping[str, NDArray[Any]], kept: NDArray[np.uint8] | None = None
    ) -> None:
        """Write a model's unlearned weights, and the state that the plugin keeps for the next request of a stream."""
        folder = self._model(index)
        if kept is None:
            (folder / PLUGIN_STATE).unlink(missing_ok=True)
        else:
            self._write(folder / PLUGIN_STATE, kept.tobytes())
        self._write(folder / WEIGHTS, save({name: np.asarray(array, order="C") for name, array in weights.items()}))

    def weights(self, index: int) -> dict[str, NDArray[Any]]:
        """Return a model's stored weights.

        Raises:
            RunNotFoundError: they are missing or damaged.
        """
        file = self._place(index) / WEIGHTS
        with _damage_reported(file):
            return load(file.read_bytes())

    def plugin_state(self, index: int) -> NDArray[np.uint8] | None:
        """Return the state that the plugin kept of a model for the next request; None if it kept none."""
        file = self._place(index) / PLUGIN_STATE
        return np.frombuffer(file.read_bytes(), dtype=np.uint8) if file.exists() else None

    def drop_weights(self) -> None:
        """Delete the weights of all models and the plugin's states."""
        for name in (WEIGHTS, PLUGIN_STATE):
            for file in (self.folder / "models").glob(f"[0-9]*/{name}"):
                file.unlink()

    def finished(self) -> dict[int, ModelOutcome]:
        """Return the outcomes of models that have ended, by index.

        Raises:
            RunNotFoundError: if an outcome is damaged.
        """
        found = {index: self._outcome(index) for index in self._indices("outcome.json")}
        return {index: outcome for index, outcome in found.items() if outcome is not None}

    def begun(self) -> dict[int, tuple[str, ...]]:
        """Return how earlier attempts ended, oldest first, for every started model, by index.

        Raises:
            RunNotFoundError: if a record is damaged.
        """
        return {index: self._earlier(index) for index in self._indices("attempts.json")}

    def _indices(self, name: str) -> list[int]:
        """Return the sorted indices of models with a file of this name."""
        places = (file.parent.name for file in (self.folder / "models").glob(f"[0-9]*/{name}"))
        return sorted(int(place) for place in places if INDEX.fullmatch(place))

    def _outcome(self, index: int) -> ModelOutcome | None:
        """Return a model's outcome; None if it has not ended."""
        file = self._place(index) / "outcome.json"
        with _damage_reported(file):
            return _OUTCOME.validate_json(file.read_bytes()) if file.exists() else None

    def _earlier(self, index: int) -> tuple[str, ...]:
        """Return how the attempts before the last one ended."""
        with _damage_reported(self._place(index) / "attempts.json"):
            return tuple(map(str, self._attempts(index)["earlier"]))

    def _attempts(self, index: int) -> dict[str, Any]:
        file = self._place(index) / "attempts.json"
        with _damage_reported(file):
            content: dict[str, Any] = json.loads(file.read_bytes())
            return content

    def logits(self, index: int) -> dict[str, NDArray[np.float32]]:
        """Return a finished model's logits, per split and :func:`harness.references.queries.key`, shape (n, C)."""
        file = self._place(index) / "logits.safetensors"
        with _damage_reported(file):
            return load(file.read_bytes())

    def _place(self, index: int) -> Path:
        return self.folder / "models" / f"{index:04d}"

    def _model(self, index: int) -> Path:
        """Return the folder of a model; create it if missing."""
        folder = self._place(index)
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise _with_advice(error, self.folder) from error
        return folder

    def _write(self, path: Path, data: bytes) -> None:
        try:
            atomic_write_bytes(path, data)
        except (NoSpaceError, OutputUnwritableError) as error:
            raise _with_advice(error, self.folder) from error

    def _write_json(self, path: Path, content: Mapping[str, Any]) -> None:
        try:
            atomic_write_json(path, content)
        except (NoSpaceError, OutputUnwritableError) as error:
            raise _with_advice(error, self.folder) from error


@contextmanager
def _damage_reported(file: Path) -> Iterator[None]:
    """Convert parse errors of a corrupted file into RunNotFoundError (writes are atomic, so only the disk can corrupt one)."""
    advice = f"Remove the folder {file.parent}, then `harness resume` repeats that model."
    with foreign(f"{file} is damaged", RunNotFoundError, advice):
        yield


class _Identity(BaseModel):
    cores: int = 1
    device: Annotated[list[str], Field(min_length=1)]


class _Begun(BaseModel):
    """Schema of the fields of ``run.json`` that its readers rely on."""

    config: dict[str, Any]
    run_id: str
    created: str
    identity: _Identity | None = None
    limit: Limit | None = None
    phases: dict[str, float] = Field(default_factory=dict)
    remeasured_s: list[float] = Field(default_factory=list)


_OUTCOME = TypeAdapter(ModelOutcome)
