"""Machine code that is made once for a shape: kept in memory, and beside the source for the processes to come.

A file holds one compiled function. Its name tells the source it was made from, the processor, the compiler and the shape;
its first line guards against damage. Where no file can be written, nothing is kept.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

from reference_models.machine_code import Code, CompiledFunction, compiler_identity, load_code

Parameters = ParamSpec("Parameters")
SUFFIX = ".machine-code"


def compiled_once(write: Callable[Parameters, Code]) -> Callable[Parameters, CompiledFunction]:
    """The function that ``write`` describes for its arguments, whose ``repr`` tell them apart; made at its first use."""

    @functools.lru_cache(maxsize=256)
    def made(*arguments: object) -> CompiledFunction:
        path = _path(write, arguments)
        kept = None if path is None else _read(path)
        if kept is not None:
            return load_code(*kept)
        code = write(*arguments)  # type: ignore[call-arg, arg-type]
        compiled = code.compiled()
        if path is not None:
            _keep(path, code.n_arguments, compiled)
        return load_code(code.n_arguments, compiled)

    @functools.wraps(write)
    def found(*arguments: Parameters.args, **named: Parameters.kwargs) -> CompiledFunction:
        return made(*arguments, *named.values())

    return found


def folder() -> Path:
    """Where compiled functions are kept: with Python's own compiled files."""
    return Path(importlib.util.cache_from_source(__file__)).parent


@functools.lru_cache(maxsize=1)
def _source_digest() -> str:
    """Of all modules that machine code is made by."""
    sha = hashlib.sha256()
    here = Path(__file__).parent
    for name in ("machine_code", "tile_sums", "tiling", "convolution_shapes"):
        sha.update((here / f"{name}.py").read_bytes())
    for path in sorted(here.glob("*_code.py")):
        sha.update(path.read_bytes())
    return sha.hexdigest()[:12]


def _path(write: Callable[..., Code], arguments: tuple[object, ...]) -> Path | None:
    name = f"{write.__module__.rpartition('.')[2]}.{write.__name__}"
    asked = hashlib.sha256(f"{compiler_identity()} {name} {arguments!r}".encode()).hexdigest()[:20]
    try:
        return folder() / f"{name}-{_source_digest()}-{asked}{SUFFIX}"
    except OSError:  # the source is not in files
        return None


def _read(path: Path) -> tuple[int, bytes] | None:
    """Number of arguments, and object code; None where there is no sound file."""
    try:
        head, _, code = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    digest, _, n_arguments = head.decode("ascii", "replace").partition(" ")
    if digest != hashlib.sha256(code).hexdigest() or not n_arguments.isdecimal():
        return None
    return int(n_arguments), code


def _keep(path: Path, n_arguments: int, code: bytes) -> None:
    """Write a file, and remove those that other source has made; where that cannot be, go on without."""
    head = f"{hashlib.sha256(code).hexdigest()} {n_arguments}\n".encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(head + code)
        Path(file.name).replace(path)
        name, source = path.name.split("-")[:2]
        for other in path.parent.glob(f"{name}-*{SUFFIX}"):
            if other.name.split("-")[1] != source:
                other.unlink(missing_ok=True)
    except OSError:
        return
