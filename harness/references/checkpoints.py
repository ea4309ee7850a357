"""Checkpoints that others trained: found in a folder, read one at a time, and checked against a task's network."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from harness.core.interpreter import module_command
from harness.core.text import harmless
from harness.errors import PopulationInvalidError
from harness.tasks.yaml.wording import near_match

SAFE = ".safetensors"
SUFFIXES = (SAFE, ".pt", ".pth")
READ_S = 120.0
"""Timeout of converting one pickled checkpoint, seconds."""

State = dict[str, NDArray[Any]]

OTHER_NAMES = ((r"\.shortcut\.", ".downsample."), (r"^linear\.", "fc."))
"""Patterns of layer names in kuangliu's ResNets for CIFAR, which have many public copies, and our names for these layers."""


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, ``model_2`` before ``model_10``.

    Raises:
        PopulationInvalidError: there are none.
    """
    if not folder.is_dir():
        raise PopulationInvalidError(f"{folder} is not a folder. Pass a folder of checkpoints ({', '.join(SUFFIXES)}).")
    found = [path for path in folder.iterdir() if path.suffix in SUFFIXES]
    if not found:
        raise PopulationInvalidError(f"{folder} has no checkpoints. Their names must end in {', '.join(SUFFIXES)}.")
    return sorted(
        found, key=lambda path: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]
    )


class CheckpointReader:
    """Reads checkpoints one at a time, so that memory and disk hold no more than one beside what the caller keeps.

    Pickled ones are converted by one process of their own, which is started when it is needed, and again if it died.

    Args:
        expected: a state of the network, name -> array: every checkpoint must have these names, shapes and kinds of numbers.
    """

    def __init__(self, expected: Mapping[str, NDArray[Any]]) -> None:
        self._expected = expected
        self._process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._folder.cleanup()

    def read(self, path: Path) -> State:
        """Return the state in a checkpoint, in the network's order and types.

        Raises:
            ValueError: it cannot be read, or is not of the network.
        """
        from safetensors.torch import load_file

        place = path if path.suffix == SAFE else self._converted(path)
        try:
            tensors = load_file(place)
            # NumPy knows neither bfloat16 nor float8
            state = {name: (one.float() if one.is_floating_point() else one).numpy() for name, one in tensors.items()}
        except Exception as error:  # the library raises its own kind for a damaged file
            raise ValueError(f"cannot be read: {error}") from error
        return _fitted(state, self._expected)

    def _converted(self, path: Path) -> Path:
        target = Path(self._folder.name) / f"state{SAFE}"
        if self._process is None:
            command = module_command("harness.references.read_checkpoint")
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        process = self._process
        watch = threading.Timer(READ_S, process.kill)
        watch.start()
        try:
            requests, answers = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
            requests.write(f"{json.dumps([str(path), str(target)])}\n")
            requests.flush()
            answer = answers.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            watch.cancel()
        if not answer:
            self._end()
            raise ValueError(f"cannot be read: the process that read it ended, or took more than {READ_S:g} s")
        if fault := answer.strip():
            raise ValueError(f"cannot be read: {harmless(fault)}")
        return target

    def _end(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _fitted(state: State, expected: Mapping[str, NDArray[Any]]) -> State:
    """Return the state in the task's order and dtypes; raise ValueError if it is not one of the task's network."""
    renamed = {_torchvision_name(name): array for name, array in state.items()}
    if renamed.keys() == expected.keys():
        state = renamed
    missing = [name for name in expected if name not in state]
    surplus = [name for name in state if name not in expected]
    if missing:
        raise ValueError(
            f"has no {missing[0]!r}{near_match(missing[0], surplus)}, nor {len(missing) - 1} more of the network"
        )
    if surplus:
        raise ValueError(
            f"has {surplus[0]!r}{near_match(surplus[0], list(expected))}, which the task's network has not"
        )
    found: State = {}
    for name, wanted in expected.items():
        array = np.asarray(state[name])
        if array.shape != wanted.shape:
            raise ValueError(f"{name} has shape {array.shape}, in the task's network {wanted.shape}")
        if array.dtype.kind != wanted.dtype.kind:
            raise ValueError(f"{name} has type {array.dtype}, in the task's network {wanted.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} is not finite")
        found[name] = array.astype(wanted.dtype)
    return found


def _torchvision_name(name: str) -> str:
    for pattern, theirs in OTHER_NAMES:
        name = re.sub(pattern, theirs, name)
    return name
